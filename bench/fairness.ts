// npm run fairness: what the calls of one key feel of another key's flood. Asserts nothing.
// Flags: --seconds 10 (of each row)  --rate 50 (calls a second of the key that is looked at)  --kib 2 (a prompt's size)
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createOpenLoop, type OpenLoop, type Outcome } from "./open-loop.ts";
import { freePort, pinned, start, stop } from "./processes.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    rate: { type: "string", default: "50" },
    kib: { type: "string", default: "2" },
  },
});
const seconds = Number(values.seconds);
const perSecond = Number(values.rate);
const bytes = Number(values.kib) * 1024;

/** Calls of the provider at once, each of 100 ms: 320 a second. */
const slots = 32;

const keys = {
  quiet: "{}",
  "600 requests a minute": "{requests_per_minute: 600}",
  "16 calls at once": "{concurrent_calls: 16}",
  "no limit": "{}",
} as const;
/** Calls that the flood has under way all the time; and a load that comes whatever becomes of it. */
const floods = [
  { name: "600 requests a minute", drive: (loop: OpenLoop) => loop.open(1000, seconds), what: "1,000 calls a second" },
  { name: "16 calls at once", drive: (loop: OpenLoop) => loop.open(1000, seconds), what: "1,000 calls a second" },
  { name: "no limit", drive: (loop: OpenLoop) => loop.closed(200, seconds), what: "200 calls at once" },
] as const;

const folder = await mkdtemp(join(tmpdir(), "semaroute-fairness-"));
const port = await freePort();
const config = join(folder, "config.yaml");
const list = Object.entries(keys).map(([name, limits]) => `{name: ${nameOf(name)}, key: key-${nameOf(name)}, limits: ${limits}}`);
await writeFile(
  config,
  `server: {port: ${port}}
auth: {keys: [${list.join(", ")}]}
cache: {enabled: false}
observability: {logging: {level: warn}}
providers: {sim: {type: simulated, first_token: 100ms, tokens_per_second: 1e9, reply: "tokens:20", max_concurrent: ${slots}}}
`,
);
const server = start({ role: "contender", args: ["src/main.ts", "--config", config], logFile: join(folder, "log") });
try {
  await up(port);
  const quiet = await createOpenLoop({ port, bytes, key: "key-quiet", connections: 200 });
  await quiet.open(perSecond, 3);
  const alone = quantiles(await quiet.open(perSecond, seconds));
  console.log(`${perSecond} calls a second of 100 ms each at a provider with ${slots} slots${pinned ? ", pinned" : ""}`);
  console.log(`alone: p50 ${alone.p50.toFixed(1)} ms, p99 ${alone.p99.toFixed(1)} ms`);
  for (const { name, drive, what } of floods) {
    const flood = await createOpenLoop({ port, bytes, key: `key-${nameOf(name)}`, connections: 400 });
    const [outcomes, theirs] = await Promise.all([quiet.open(perSecond, seconds), drive(flood)]);
    const { p50, p99, failed } = quantiles(outcomes);
    const served = theirs.filter(({ kind }) => kind === "ok").length;
    console.log(
      `beside ${what} of a key with ${name}, of which ${served} are served and ${theirs.length - served} are not: ` +
        `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${(p99 / alone.p99).toFixed(2)} times), ${failed} not served`,
    );
    await sleep(1000);
  }
} finally {
  await stop(server);
  await rm(folder, { recursive: true, force: true });
}

function nameOf(key: string): string {
  return key.replaceAll(" ", "-");
}

function quantiles(outcomes: readonly Outcome[]): { readonly p50: number; readonly p99: number; readonly failed: number } {
  const ms = outcomes.flatMap((each) => (each.kind === "ok" ? [each.ms] : [])).toSorted((a, b) => a - b);
  const at = (q: number): number => ms[Math.min(ms.length - 1, Math.floor(ms.length * q))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), failed: outcomes.length - ms.length };
}

async function up(at: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`http://127.0.0.1:${at}/health/ready`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(100);
  }
  throw new Error("the server does not start");
}
