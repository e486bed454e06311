/**
 * `npm run soak -- --minutes 10`: every protocol, faults of every kind, callers who leave and callers in a hurry, over a
 * server whose times to live are all shorter than the run. Fails where a call ended by our doing, where memory grows, or
 * where anything is left once the load is gone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pause, residentMiB, stop } from "../processes.ts";
import { openSockets } from "./sockets.ts";
import { type Ending, openWays, type Way } from "./traffic.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, callers: { type: "string", default: "24" } },
});
const minutes = Number(values.minutes);
const callers = Number(values.callers);
/** A sample so often. */
const sampleMs = 2000;
/** The first part of a run, while caches fill and code is compiled, says nothing about growth. */
const warmUpShare = 0.4;
/** Growth of the resident memory that is taken for noise, MiB an hour and share of the whole over the run. */
const growthShareMax = 0.1;

interface Sample {
  readonly minute: number;
  readonly rssMiB: number;
  readonly openFiles: number;
  readonly inFlight: number;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "semaroute-soak-"));
const children: ChildProcess[] = [];
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));

const upstreams = await Promise.all(["0.3", "0.3", "0"].map(startUpstream));
const server = await startServer(upstreams);
const pid = server.child.pid ?? 0;
await pause(1000);
const before = await sample(0);
const doors = openWays(server.url);
const sockets = openSockets(server.url);
const tally = new Map<string, number>();
const samples: Sample[] = [];
const endMs = performance.now() + minutes * 60_000;
const beganMs = performance.now();

console.error(`soaking ${server.url} for ${minutes} minutes with ${callers} callers; log in ${folder}`);
const watching = watch();
await Promise.all(Array.from({ length: callers }, (_, index) => call([...doors.ways, sockets.way], index)));
await watching;
await doors.close();
sockets.close();
// Longer than any keep-alive, cool-down and probe of this configuration and of its clients.
await pause(12_000);
const after = await sample(minutes);
process.exit(await finish());

/** One caller after another question, until the time is over. */
async function call(all: readonly Way[], index: number): Promise<void> {
  for (let n = 0; performance.now() < endMs; n++) {
    const way = all[(index + n) % all.length];
    if (way === undefined) return;
    const streamed = Math.random() < 0.5;
    const leaving = new AbortController();
    const leaves = Math.random() < 0.1 ? setTimeout(() => leaving.abort(), Math.random() * 120) : undefined;
    const content =
      Math.random() < 0.3 ? `again ${Math.floor(Math.random() * 50)}` : `${index} ${n} ${"words ".repeat(Math.random() * 300)}`;
    const timeoutMs = Math.random() < 0.05 ? Math.ceil(Math.random() * 100) : undefined;
    const ending = await way.ask({ content, streamed, signal: leaving.signal, timeoutMs });
    clearTimeout(leaves);
    count(way.name, streamed, ending);
    await pause(Math.random() * 60);
  }
}

function count(way: string, streamed: boolean, ending: Ending): void {
  const key = `${way}${streamed ? " stream" : " unary"}\t${ending}`;
  tally.set(key, (tally.get(key) ?? 0) + 1);
}

async function watch(): Promise<void> {
  while (performance.now() < endMs) {
    await pause(sampleMs);
    samples.push(await sample((performance.now() - beganMs) / 60_000));
  }
}

async function sample(minute: number): Promise<Sample> {
  const text = await (await fetch(`${server.url}/metrics`, { headers: { connection: "close" } })).text();
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].reduce((total, match) => total + Number(match[1]), 0);
  const inFlight = sum("semaroute_calls_in_flight") + sum("semaroute_provider_in_flight");
  return { minute, rssMiB: residentMiB(pid), openFiles: sum("process_open_fds"), inFlight };
}

async function finish(): Promise<number> {
  const faults: string[] = [];
  const calls = [...tally.values()].reduce((total, each) => total + each, 0);
  for (const [key, times] of [...tally].toSorted(([one], [other]) => one.localeCompare(other))) {
    console.log(`${String(times).padStart(8)}  ${key}`);
    // One target of three is always well and the breakers of the others are short, so nothing is to be refused.
    if (/\t(silence|refused)/.test(key)) faults.push(`${times} × ${key}`);
  }
  const late = samples.filter(({ minute }) => minute > minutes * warmUpShare);
  const slope = slopeOf(late.map(({ minute, rssMiB }) => [minute, rssMiB]));
  const mean = late.reduce((total, { rssMiB }) => total + rssMiB, 0) / late.length;
  const grown = (slope * minutes * (1 - warmUpShare)) / mean;
  const peak = Math.max(...samples.map(({ rssMiB }) => rssMiB));
  console.log(`calls ${calls}, minutes ${minutes}, ${(calls / minutes / 60).toFixed(1)} a second`);
  console.log(
    `resident MiB: start ${before.rssMiB.toFixed(0)}, peak ${peak.toFixed(0)}, end ${after.rssMiB.toFixed(0)}, slope ${(slope * 60).toFixed(1)} an hour after warm-up`,
  );
  console.log(`open files: before ${before.openFiles}, after ${after.openFiles}; in flight after: ${after.inFlight}`);
  console.log(`log lines of bugs: ${server.bugs()}`);
  if (grown > growthShareMax) faults.push(`memory grew by ${(grown * 100).toFixed(1)} % after warm-up`);
  if (after.openFiles > before.openFiles + 4) faults.push(`${after.openFiles - before.openFiles} more open files than before`);
  if (after.inFlight !== 0) faults.push(`${after.inFlight} calls are still in flight`);
  if (server.bugs() > 0) faults.push(`${server.bugs()} lines of bugs in the log`);
  if (server.child.exitCode !== null) faults.push(`the server ended with ${server.child.exitCode}`);
  await stop(server.child);
  if (server.child.exitCode !== 0) faults.push(`the server's exit code was ${server.child.exitCode}`);
  console.log(faults.length === 0 ? "soak: passed" : `soak: FAILED\n${faults.join("\n")}`);
  return faults.length === 0 ? 0 : 1;
}

/** Of a line through the points, by least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((total, [x]) => total + x, 0) / points.length;
  const meanY = points.reduce((total, [, y]) => total + y, 0) / points.length;
  const top = points.reduce((total, [x, y]) => total + (x - meanX) * (y - meanY), 0);
  return top / points.reduce((total, [x]) => total + (x - meanX) ** 2, 0);
}

async function startUpstream(share: string): Promise<number> {
  const child = spawn(process.execPath, [here("upstream.ts"), share], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return JSON.parse(String(line)).port;
}

async function startServer(ports: readonly number[]) {
  const provider = (port: number, index: number): string =>
    `  up-${index}: {type: openai_compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: soak, timeout: 1500ms, models: [{id: m, input_price: ${index + 1}, output_price: ${index + 1}}]}`;
  const file = join(folder, "config.yaml");
  await writeFile(
    file,
    `server: {port: 0, heartbeat: 200ms}
providers:
${ports.map(provider).join("\n")}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
resilience:
  retry: {base_delay: 5ms, max_delay: 50ms}
  circuit_breaker: {window: 2s, open: 100ms, max_open: 500ms, min_calls: 10}
  timeouts: {connect: 1s, first_token: 1500ms, idle: 1500ms, progress: 2s, total: 10s}
  hedge: {enabled: true, percentile: 99}
health: {interval: 1s, timeout: 500ms}
cache: {ttl: 1s, max_bytes: 4MiB}
`,
  );
  const child = spawn(process.execPath, [here("../../src/main.ts"), "--config", file], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: folder },
  });
  children.push(child);
  const log = createWriteStream(join(folder, "server.log"));
  let bugs = 0;
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (text) => {
      log.write(`${text}\n`);
      const line = JSON.parse(text);
      if (line.message === "listening") resolve(String(line.url));
      if (line.level === "error" || line.reason === "INTERNAL") bugs += 1;
    });
  });
  return { child, url, bugs: () => bugs };
}
