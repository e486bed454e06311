import { type Box, line, scaleOf, text, ticksOf } from "./drawing.ts";
import type { Result } from "./results.ts";

/** Room around the outermost points, as a factor of their values. */
const room = 1.15;
/** Names do not come closer to each other than that, in pixels. */
const nameHeight = 14;

/** Cost against the time to the first token, a point a policy; yardsticks are hollow. */
export function scatter(title: string, box: Box, results: readonly Result[]): string {
  const costs = results.map(({ during }) => during.costPer1000);
  const times = results.map(({ during }) => during.p95Ms);
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  const across = scaleOf({ from: Math.min(...costs) / room, until: Math.max(...costs) * room, start: box.x, end: right, isLog: true });
  const up = scaleOf({ from: Math.min(...times) / room, until: Math.max(...times) * room, start: bottom, end: box.y, isLog: true });
  const points = results.map(({ contestant, during }) => ({
    name: contestant.name,
    isYardstick: contestant.isYardstick === true,
    x: across.at(during.costPer1000),
    y: up.at(during.p95Ms),
  }));
  return [
    text({ x: box.x, y: box.y - 14 }, title, "title"),
    ...ticksOf(across).flatMap((tick) => [
      line("grid", { x: across.at(tick), y: box.y }, { x: across.at(tick), y: bottom }),
      text({ x: across.at(tick), y: bottom + 15 }, `$${tick}`, "small faint", "middle"),
    ]),
    ...ticksOf(up).flatMap((tick) => [
      line("grid", { x: box.x, y: up.at(tick) }, { x: right, y: up.at(tick) }),
      text({ x: box.x - 6, y: up.at(tick) + 4 }, tick.toLocaleString("en"), "small faint", "end"),
    ]),
    text({ x: right, y: bottom + 32 }, "$ for 1,000 calls", "small faint", "end"),
    text({ x: box.x + 4, y: box.y + 12 }, "first token p95, ms", "small faint"),
    ...points.map(
      ({ x, y, isYardstick }) => `<circle class="${isYardstick ? "theirs" : "ours"}" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4.5"/>`,
    ),
    ...names(points, (box.x + right) / 2),
  ].join("\n");
}

interface Named {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** Right of points in the left half, left of the others; moved down where two would overlap. */
function names(points: readonly Named[], middle: number): string[] {
  return [true, false].flatMap((isLeft) => {
    let lastY = Number.NEGATIVE_INFINITY;
    return points
      .filter(({ x }) => x < middle === isLeft)
      .toSorted((one, other) => one.y - other.y)
      .map(({ name, x, y }) => {
        lastY = Math.max(y + 4, lastY + nameHeight);
        return text({ x: x + (isLeft ? 9 : -9), y: lastY }, name, "small", isLeft ? "start" : "end");
      });
  });
}
