import { type Box, curve, line, type Scale, scaleOf, text, ticksOf } from "./drawing.ts";
import type { Result } from "./results.ts";
import { scatter } from "./scatter.ts";

const width = 1000;
const margin = 56;
const panelGap = 10;
const scatterHeight = 300;
const panelHeight = 130;
const rowGap = 56;
/** Scenes whose curves are drawn, in their colours: strong enough on white and on black. */
const curves = [
  { scene: "outage", colour: "#2f81f7" },
  { scene: "brown-out", colour: "#db6d28" },
  { scene: "fast-429", colour: "#2da44e" },
] as const;

/** All results as SVG: cost against time on a calm day and in a brown-out, and how each policy goes through the troubled hour. */
export function pictureOf(results: readonly Result[]): string {
  const of = (name: string): Result[] => results.filter(({ scene }) => scene.name === name);
  const half = (width - 2 * margin - 60) / 2;
  const left: Box = { x: margin, y: 40, width: half, height: scatterHeight };
  const right: Box = { ...left, x: margin + half + 60 };
  const policies = of("outage").filter(({ contestant }) => contestant.isYardstick !== true);
  const rowsY = left.y + scatterHeight + 120;
  const parts = [
    scatter("A calm day", left, of("calm")),
    scatter("An hour of brown-out", right, of("brown-out")),
    ...legend(rowsY - 54),
    ...row({ title: "first token p95, ms", y: rowsY, isLog: true, names: true }, policies, results, ({ p95Ms }) => p95Ms),
    ...row(
      { title: "share of p0, %", y: rowsY + panelHeight + rowGap, isLog: false, names: false },
      policies,
      results,
      ({ share }) => 100 * share,
    ),
  ];
  const height = rowsY + 2 * panelHeight + rowGap + 40;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Policies compared in simulation">
<style>${style}</style>
${parts.join("\n")}
</svg>
`;
}

/** Pages are white or black by the reader's choice. */
const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.small { font-size: 11px; } .title { font-weight: 600; font-size: 13px; } .faint { fill: #59636e; }
.axis { stroke: #8c959f; stroke-width: 1; fill: none; } .grid { stroke: #8c959f; stroke-opacity: 0.25; stroke-width: 1; fill: none; }
.hour { fill: #8c959f; fill-opacity: 0.14; } .ours { fill: #2f81f7; } .theirs { fill: none; stroke: #8c959f; stroke-width: 1.5; }
.curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .faint { fill: #9198a1; } }
`;

function legend(y: number): string[] {
  return [
    text({ x: margin, y }, "Through an hour of trouble (grey) of p0, the cheapest provider", "title"),
    ...curves.flatMap(({ scene, colour }, i) => {
      const x = width - margin - 290 + i * 100;
      return [`<path class="curve" stroke="${colour}" d="M${x},${y - 4}h18"/>`, text({ x: x + 23, y }, scene, "small")];
    }),
  ];
}

interface Row {
  readonly title: string;
  readonly y: number;
  readonly isLog: boolean;
  /** Whether the policies' names stand above it. */
  readonly names: boolean;
}

type Bin = Result["bins"][number];

/** One panel a policy, all with the same scale. */
function row(
  { title, y, isLog, names }: Row,
  policies: readonly Result[],
  results: readonly Result[],
  valueOf: (bin: Bin) => number,
): string[] {
  const panel = (width - 2 * margin - panelGap * (policies.length - 1)) / policies.length;
  const shown = results.filter(
    ({ scene, contestant }) => curves.some((each) => each.scene === scene.name) && contestant.isYardstick !== true,
  );
  const values = shown.flatMap(({ bins }) => bins.map(valueOf));
  const hours = shown.flatMap(({ bins }) => bins.map(({ hour }) => hour));
  const bottom = isLog ? Math.max(1, Math.min(...values)) : 0;
  return policies.flatMap(({ contestant, scene }, i) => {
    const box: Box = { x: margin + i * (panel + panelGap), y, width: panel, height: panelHeight };
    const across: Scale = scaleOf({ from: Math.min(...hours), until: Math.max(...hours), start: box.x, end: box.x + panel, isLog: false });
    const up: Scale = scaleOf({ from: bottom, until: isLog ? Math.max(...values) : 100, start: y + panelHeight, end: y, isLog });
    const trouble = scene.trouble ?? { fromHour: 0, untilHour: 0 };
    const [hourX, hourEnd] = [across.at(trouble.fromHour), across.at(trouble.untilHour)];
    const mine = shown.filter((each) => each.contestant === contestant);
    return [
      `<rect class="hour" x="${hourX.toFixed(1)}" y="${y}" width="${(hourEnd - hourX).toFixed(1)}" height="${panelHeight}"/>`,
      ...ticksOf(up).flatMap((tick) => [
        line("grid", { x: box.x, y: up.at(tick) }, { x: box.x + panel, y: up.at(tick) }),
        ...(i === 0 ? [text({ x: box.x - 6, y: up.at(tick) + 4 }, tick.toLocaleString("en"), "small faint", "end")] : []),
      ]),
      line("axis", { x: box.x, y: y + panelHeight }, { x: box.x + panel, y: y + panelHeight }),
      ...[13, 14].map((hour) => text({ x: across.at(hour), y: y + panelHeight + 14 }, `${hour}:00`, "small faint", "middle")),
      ...(names ? [text({ x: box.x + panel / 2, y: y - 8 }, contestant.name, "small", "middle")] : []),
      ...(i === 0 ? [text({ x: box.x, y: y - (names ? 26 : 10) }, title, "small faint")] : []),
      ...curves.flatMap(({ scene: name, colour }) =>
        mine
          .filter((each) => each.scene.name === name)
          .map(({ bins }) =>
            curve(
              colour,
              bins.map((bin) => ({ x: across.at(bin.hour), y: up.at(valueOf(bin)) })),
            ),
          ),
      ),
    ];
  });
}
