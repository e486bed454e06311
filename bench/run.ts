// npm run bench: measures semaroute beside its references and prints a table. Asserts nothing; Linux only (it reads /proc).
// Flags: --case A,B (default: all)  --seconds 2 (of load a round)  --rounds 3
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cases } from "./cases.ts";
import { runCase } from "./measure.ts";
import type { Row } from "./measure.ts";
import { heading, keep, table } from "./report.ts";

const { values } = parseArgs({
  options: {
    case: { type: "string", default: cases.map(({ id }) => id).join(",") },
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
  },
});

const wanted = values.case.split(",");
const unknown = wanted.filter((id) => cases.every((one) => one.id !== id));
if (unknown.length > 0) throw new Error(`no case ${unknown.join(", ")}; there are ${cases.map(({ id }) => id).join(", ")}`);
const effort = { seconds: positive("seconds"), rounds: positive("rounds"), folder: await mkdtemp(join(tmpdir(), "semaroute-bench-")) };

let markdown = `${heading(effort)}\n`;
const rows: Row[] = [];
console.log(markdown);
try {
  for (const one of cases) {
    if (!wanted.includes(one.id)) continue;
    const measured = await runCase(one, effort);
    const text = table(one, measured);
    console.log(text);
    rows.push(...measured);
    markdown += `\n${text}`;
  }
} finally {
  await rm(effort.folder, { recursive: true, force: true });
}
console.log(`Kept in ${await keep(markdown, rows, effort)}`);

function positive(name: "seconds" | "rounds"): number {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
  return value;
}
