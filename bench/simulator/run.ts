/**
 * `npm run simulate -- --only outage`: the policies over a day of calls to thousands of targets that do not exist, in virtual time. Prints
 * the tables; with `--write` they and the picture go into `docs/`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createArrivals, peakPerSecond } from "./arrivals.ts";
import { contestants } from "./contestants.ts";
import { createFleet } from "./fleet.ts";
import { pictureOf } from "./picture.ts";
import { type Result, resultOf } from "./results.ts";
import { type Scene, scenes } from "./scenes.ts";
import { simulate } from "./simulate.ts";
import { type Facts, tablesFrom } from "./table.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    targets: { type: "string", default: "2000" },
    /** Of the calm day; each other scene has half as many. */
    calls: { type: "string", default: "100000" },
    /** Scenes and policies by name, with commas; default: all. */
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const callsOf = ({ trouble }: Scene): number => Number(values.calls) / (trouble === undefined ? 1 : 2);
const only = values.only.split(",").filter((name) => name !== "");
const chosen = <T extends { readonly name: string }>(all: readonly T[]): readonly T[] => {
  const some = all.filter(({ name }) => only.includes(name));
  return some.length > 0 ? some : all;
};

const results: Result[] = [];
const counts = new Map<string, number>();
/** Processor time: other programs do not count. */
const daySeconds: number[] = [];
let models = 0;
let providers = 0;
let targets = 0;
for (const scene of chosen(scenes)) await play(scene);

const facts: Facts = {
  seed,
  targets,
  models,
  providers,
  dayCalls: counts.get("calm") ?? 0,
  sceneCalls: [...counts].find(([name]) => name !== "calm")?.[1] ?? 0,
  daySeconds: daySeconds.length === 0 ? undefined : daySeconds.reduce((sum, each) => sum + each, 0) / daySeconds.length,
};
const tables = tablesFrom(results, facts);
process.stdout.write(`${tables}\n`);
if (values.write) await writeDocs(tables);

/** The fleet's capacities are made for the scene's load, so that a stretch with more calls a second than the day's is no fuller. */
async function play(scene: Scene): Promise<void> {
  const calls = callsOf(scene);
  const fleet = createFleet({ seed, targets: Number(values.targets), peakPerSecond: peakPerSecond({ ...scene, calls }) });
  const arrivals = createArrivals({ ...scene, seed: seed + 1, fleet, calls });
  models = fleet.models.length;
  providers = fleet.providers.length;
  targets = fleet.targets.length;
  counts.set(scene.name, arrivals.length);
  for (const contestant of chosen(contestants)) {
    const before = process.cpuUsage();
    const tally = await simulate({ seed, fleet, scene, arrivals, contestant });
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (scene.trouble === undefined) daySeconds.push(seconds);
    process.stderr.write(`${scene.name}, ${contestant.name}: ${seconds.toFixed(1)} s\n`);
    results.push(resultOf(scene, contestant, tally));
  }
}

async function writeDocs(markdown: string): Promise<void> {
  const docs = new URL("../../docs/", import.meta.url);
  const page = fileURLToPath(new URL("policies.md", docs));
  const [begin, end] = ["<!-- simulated: begin -->", "<!-- simulated: end -->"];
  const text = await readFile(page, "utf8");
  const [from, until] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || until < from) throw new Error(`${page} has no place for the tables`);
  await writeFile(page, `${text.slice(0, from + begin.length)}\n\n${markdown}\n\n${text.slice(until)}`);
  await writeFile(fileURLToPath(new URL("policies-simulated.svg", docs)), pictureOf(results));
}
