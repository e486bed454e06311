// npm run overload: offers one core more calls than it can serve, and tells what came of them. Asserts nothing; Linux only.
// Flags: --seconds 60 (of overload)  --times 3 (the capacity)  --kib 16 (a prompt's size)  --tokens 2000 (an answer's size)
// --first-token 300ms (what the upstream takes)  --connections 8000
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createOpenLoop, type Outcome } from "./open-loop.ts";
import { freePort, pinned, start, stop } from "./processes.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    times: { type: "string", default: "3" },
    kib: { type: "string", default: "16" },
    tokens: { type: "string", default: "2000" },
    "first-token": { type: "string", default: "300ms" },
    connections: { type: "string", default: "8000" },
  },
});
const seconds = Number(values.seconds);
const times = Number(values.times);
const kib = Number(values.kib);
const tokens = Number(values.tokens);

/** Calls at once while the capacity is measured: more than the core can serve while one of them waits for its upstream. */
const full = 1000;
/** Share of the capacity that counts as a normal load. */
const normalShare = 0.5;
const warmSeconds = 3;
const measureSeconds = 5;
/** Seconds of normal load after the overload. */
const afterSeconds = 15;

const folder = await mkdtemp(join(tmpdir(), "semaroute-overload-"));
const port = await freePort();
const config = join(folder, "config.yaml");
await writeFile(
  config,
  `server: {port: ${port}}
cache: {enabled: false}
providers: {sim: {type: simulated, first_token: ${values["first-token"]}, tokens_per_second: 1e9, reply: "tokens:${tokens}", max_concurrent: 100000}}
`,
);
const server = start({ role: "contender", args: ["src/main.ts", "--config", config], logFile: join(folder, "log") });
try {
  await up(port);
  const load = await createOpenLoop({ port, bytes: kib * 1024, connections: Number(values.connections) });
  await load.closed(full, warmSeconds);
  const capacity = rate(await load.closed(full, measureSeconds), measureSeconds);
  const normal = await load.open(capacity * normalShare, measureSeconds);
  console.log(`prompts of ${kib} KiB, one core${pinned ? ", pinned" : ""}: ${capacity.toFixed(0)} calls a second`);
  tell(`normal load (${normalShare} of that)`, normal, measureSeconds);

  const during = await load.open(capacity * times, seconds);
  tell(`${times} times that`, during, seconds);
  const dropMs = performance.now();
  const after = await load.open(capacity * normalShare, afterSeconds);
  tell("normal load again", after, afterSeconds);
  const p99 = quantile(accepted(normal), 0.99);
  const bad = after.filter((each) => each.kind !== "ok" || each.ms > Math.max(2 * p99, 50));
  const recoveredMs = Math.max(0, ...bad.map(({ dueMs, ms }) => dueMs + ms - dropMs));
  console.log(
    `goodput under overload: ${((100 * rate(during, seconds)) / capacity).toFixed(0)} % of the capacity; ` +
      `p99 of accepted calls: ${(quantile(accepted(during), 0.99) / p99).toFixed(1)} times the normal one; ` +
      `last call that was refused or slow: ${(recoveredMs / 1000).toFixed(1)} s after the load fell`,
  );
} finally {
  await stop(server);
  await rm(folder, { recursive: true, force: true });
}

function accepted(outcomes: readonly Outcome[]): number[] {
  return outcomes.flatMap(({ kind, ms }) => (kind === "ok" ? [ms] : []));
}

function rate(outcomes: readonly Outcome[], overSeconds: number): number {
  return accepted(outcomes).length / overSeconds;
}

function quantile(numbers: readonly number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function tell(name: string, outcomes: readonly Outcome[], overSeconds: number): void {
  const ms = accepted(outcomes);
  const count = (kind: Outcome["kind"]): number => outcomes.filter((each) => each.kind === kind).length;
  console.log(
    `${name}: ${(outcomes.length / overSeconds).toFixed(0)} offered a second, ${rate(outcomes, overSeconds).toFixed(0)} served, ` +
      `p50 ${quantile(ms, 0.5).toFixed(0)} ms, p99 ${quantile(ms, 0.99).toFixed(0)} ms; ` +
      `${count("shed")} shed, ${count("failed")} failed, ${count("unsent")} unsent`,
  );
}

async function up(at: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`http://127.0.0.1:${at}/health/live`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(100);
  }
  throw new Error("the server does not start");
}
