import type { Result } from "./results.ts";

/** What was run. */
export interface Facts {
  readonly seed: number;
  readonly targets: number;
  readonly models: number;
  readonly providers: number;
  /** Of the calm day, and of each of the scenes. */
  readonly dayCalls: number;
  readonly sceneCalls: number;
  /** Processor seconds of the calm day, for one policy in the mean; undefined: it was not run. */
  readonly daySeconds: number | undefined;
}

type Column = readonly [title: string, cell: (result: Result) => string];

const common: readonly Column[] = [
  ["$ for 1,000 calls", ({ during }) => during.costPer1000.toFixed(2)],
  ["first token p50, ms", ({ during }) => whole(during.p50Ms)],
  ["p95, ms", ({ during }) => whole(during.p95Ms)],
  ["success, %", ({ during }) => (100 * during.success).toFixed(2)],
  ["attempts a call", ({ during }) => during.attempts.toFixed(3)],
];
const calm: readonly Column[] = [...common, ["share of p0, %", ({ during }) => percent(during.share)]];
const troubled: readonly Column[] = [
  ...common,
  [
    "share of p0 before → during → after, %",
    ({ during, aftermath }) => [aftermath?.shareBefore, during.share, aftermath?.shareAfter].map((each) => percent(each ?? 0)).join(" → "),
  ],
  ["back after, min", ({ aftermath }) => `${aftermath?.recoveryMinutes ?? "not within an hour"}`],
  ["busiest minute after", ({ aftermath }) => `${(aftermath?.rush ?? 0).toFixed(1)}×`],
];

/** All results as Markdown, a table for each scene. */
export function tablesFrom(results: readonly Result[], facts: Facts): string {
  const scenes = [...Map.groupBy(results, ({ scene }) => scene)];
  return [
    headingOf(facts),
    ...scenes.map(([{ title, trouble }, list]) => `**${title}**\n\n${table(trouble ? troubled : calm, list)}`),
  ].join("\n\n");
}

function table(columns: readonly Column[], results: readonly Result[]): string {
  const rows = results.map((result) => [nameOf(result), ...columns.map(([, cell]) => cell(result))]);
  const titles = ["policy", ...columns.map(([title]) => title)];
  const rule = titles.map((_, at) => (at === 0 ? "---" : "---:"));
  return [titles, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function nameOf({ contestant: { name, isYardstick } }: Result): string {
  return isYardstick === true ? `*${name}*` : name;
}

function headingOf({ seed, targets, models, providers, dayCalls, sceneCalls, daySeconds }: Facts): string {
  const counts = `${grouped(targets)} targets (${models} models at ten of ${providers} providers each)`;
  const took = daySeconds === undefined ? "" : `, in ${daySeconds.toFixed(1)} s of processor time a policy`;
  const day = dayCalls === 0 ? "" : ` A calm day has ${grouped(dayCalls)} calls${took}.`;
  const others = sceneCalls === 0 ? "" : ` Each of the other scenes has ${grouped(sceneCalls)} in two and a half hours.`;
  return `Seed ${seed}; ${counts}.${day}${others}`;
}

function whole(value: number): string {
  return grouped(Math.round(value));
}

function grouped(value: number): string {
  return value.toLocaleString("en");
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}
