import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import type { Case } from "./cases.ts";
import type { Effort, Row } from "./measure.ts";
import { pinned } from "./processes.ts";

/** Where the last run is kept; git ignores it. */
const folder = fileURLToPath(new URL("results/", import.meta.url));

/** A column: the figure's name in JSON, its title in Markdown, its decimals. */
interface Column {
  readonly figure: string;
  readonly title: string;
  readonly decimals: number;
}

const latency: readonly Column[] = [
  { figure: "p50Ms", title: "p50 ms", decimals: 2 },
  { figure: "p99Ms", title: "p99 ms", decimals: 2 },
  { figure: "addedP50Ms", title: "added p50 ms", decimals: 2 },
  { figure: "addedP99Ms", title: "added p99 ms", decimals: 2 },
];
const idle: readonly Column[] = [
  { figure: "residentMiB", title: "RSS MiB", decimals: 0 },
  { figure: "readyMs", title: "ready after ms", decimals: 0 },
];

/** Where the numbers come from. */
export function heading({ seconds, rounds }: Effort): string {
  const processor = cpus()[0]?.model.trim() ?? "unknown processor";
  const cores = `${cpus().length} core${cpus().length === 1 ? "" : "s"}${pinned ? ", processes pinned" : ""}`;
  return `Node ${process.version}, ${processor}, ${cores}; ${rounds} rounds of ${seconds} s a contender, in turns; medians.`;
}

/** One case as a Markdown table. */
export function table(one: Case, rows: readonly Row[]): string {
  const columns = columnsOf(one);
  const titles = ["who", ...columns.map(({ title }) => title), "failures", "Node"];
  const rule = titles.map((_, index) => (index === 0 ? "---" : "--:"));
  const lines = rows.map((row) => {
    const figures = columns.map(({ figure, decimals }) => shown(row.figures[figure], decimals));
    return [
      row.remark === undefined ? row.who : `${row.who} (${row.remark.replaceAll(/[|\r\n]+/g, " ").slice(0, 120)})`,
      ...figures,
      row.failures,
      process.version,
    ];
  });
  const body = [titles, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `**${one.id}. ${one.title}**\n\n${body}\n`;
}

/** Writes the run as Markdown and as JSON. */
export async function keep(markdown: string, rows: readonly Row[], effort: Effort): Promise<string> {
  await mkdir(folder, { recursive: true });
  const { seconds, rounds } = effort;
  const facts = {
    date: new Date().toISOString(),
    node: process.version,
    processor: cpus()[0]?.model,
    cores: cpus().length,
    pinned,
    seconds,
    rounds,
  };
  await writeFile(`${folder}latest.md`, markdown);
  await writeFile(`${folder}latest.json`, `${JSON.stringify({ ...facts, rows }, undefined, 2)}\n`);
  return folder;
}

function columnsOf(one: Case): readonly Column[] {
  if (one.kind === "idle") return idle;
  if (one.kind === "latency") return latency;
  return [
    { figure: "cpuMicros", title: `CPU µs/${one.unit}`, decimals: 1 },
    { figure: "ratio", title: "ratio", decimals: 2 },
    { figure: "perSecond", title: `${one.unit}s/s`, decimals: 0 },
    { figure: "busy", title: "cores busy", decimals: 2 },
    ...(one.load.streamed ? [{ figure: "eventsPerWrite", title: "events/write", decimals: 1 }] : []),
  ];
}

function shown(value: number | undefined, decimals: number): string {
  return value === undefined || !Number.isFinite(value)
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}
