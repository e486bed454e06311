import { type Box, line, scaleOf, text, ticksOf } from "./drawing.ts";
import type { Result } from "./results.ts";

/** Room around the outermost points, as a factor of their values. */
const room = 1.15;
/** In pixels, roughly. */
const letterWidth = 6;

/** Cost against the time to the first token, a point a policy; yardsticks are hollow. */
export function scatter(title: string, box: Box, results: readonly Result[]): string {
  const costs = results.map(({ during }) => during.costPer1000);
  const times = results.map(({ during }) => during.p95Ms);
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  const across = scaleOf({ from: Math.min(...costs) / room, until: Math.max(...costs) * room, start: box.x, end: right, isLog: false });
  const up = scaleOf({ from: Math.min(...times) / room, until: Math.max(...times) * room, start: bottom, end: box.y, isLog: true });
  const points = results.map(({ contestant, during }) => ({
    name: contestant.name,
    isYardstick: contestant.isYardstick === true,
    x: across.at(during.costPer1000),
    y: up.at(during.p95Ms),
  }));
  return [
    text({ x: box.x, y: box.y - 14 }, `${title}: first token p95, ms`, "title"),
    ...ticksOf(across).flatMap((tick) => [
      line("grid", { x: across.at(tick), y: box.y }, { x: across.at(tick), y: bottom }),
      text({ x: across.at(tick), y: bottom + 15 }, `$${tick}`, "small faint", "middle"),
    ]),
    ...ticksOf(up).flatMap((tick) => [
      line("grid", { x: box.x, y: up.at(tick) }, { x: right, y: up.at(tick) }),
      text({ x: box.x - 6, y: up.at(tick) + 4 }, tick.toLocaleString("en"), "small faint", "end"),
    ]),
    text({ x: right, y: bottom + 32 }, "$ for 1,000 calls", "small faint", "end"),
    ...points.map(
      ({ x, y, isYardstick }) => `<circle class="${isYardstick ? "theirs" : "ours"}" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4.5"/>`,
    ),
    ...names(points, box),
  ].join("\n");
}

interface Named {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** Where a name may stand beside its point, the best first; in pixels. */
const places = [4, -7, 15, -18, 33].flatMap((dy) => [
  { dx: 9, dy },
  { dx: -9, dy },
]);

/** Each at the first place where it covers neither a point nor another name. */
function names(points: readonly Named[], box: Box): string[] {
  const taken: Box[] = points.map(({ x, y }) => ({ x: x - 5, y: y - 5, width: 10, height: 10 }));
  return points.map(({ name, x, y }) => {
    const width = name.length * letterWidth;
    const boxes = places.map(({ dx, dy }) => ({ x: dx > 0 ? x + dx : x + dx - width, y: y + dy - 10, width, height: 12 }));
    const isInside = (one: Box): boolean => one.x > box.x && one.x + width < box.x + box.width && one.y > box.y;
    const isFree = (one: Box): boolean => isInside(one) && !taken.some((other) => overlap(one, other));
    const place = boxes.find(isFree) ?? boxes[0] ?? box;
    taken.push(place);
    return text({ x: place.x, y: place.y + 10 }, name, "small");
  });
}

function overlap(one: Box, other: Box): boolean {
  return one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;
}
