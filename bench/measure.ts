import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Case, IdleCase, LoadCase } from "./cases.ts";
import type { Contender, Running, Surroundings } from "./contenders.ts";
import type { Load, LoadResult } from "./load/words.ts";
import { accepts, cpuMicros, freePort, pause, ready, residentMiB, start, stop } from "./processes.ts";

/** How long and how often. */
export interface Effort {
  /** Seconds of load a round. */
  readonly seconds: number;
  /** Rounds of every contender; the report shows the median. */
  readonly rounds: number;
  /** Folder for logs and configurations. */
  readonly folder: string;
}

/** One contender in one case. Numbers are medians over the rounds; NaN where nothing came of it. */
export interface Row {
  readonly case: string;
  readonly who: string;
  /** Named figures, in the order of the columns. */
  readonly figures: Readonly<Record<string, number>>;
  /** Calls that were not answered as they should, over all rounds. */
  readonly failures: number;
  /** Why there are no figures, or what the first failure was. */
  readonly remark: string | undefined;
}

interface Entrant {
  readonly contender: Contender;
  readonly surroundings: Surroundings;
  readonly running: Running;
  /** One record of figures a round. */
  readonly rounds: Record<string, number>[];
  failures: number;
  remark: string | undefined;
}

/** Seconds of load before anything is measured, so that the compiler has seen the code. */
const warmSeconds = 6;
/** What a server may still do after its last answer, a log line say, belongs to the calls. */
const settleMs = 50;
/** How long a server idles before its memory is looked at. */
const idleMs = 2000;

/** Runs one case with all its contenders, in turns. */
export function runCase(one: Case, effort: Effort): Promise<Row[]> {
  return one.kind === "idle" ? runIdle(one, effort) : runLoad(one, effort);
}

async function runLoad(one: LoadCase, effort: Effort): Promise<Row[]> {
  const children: ChildProcess[] = [];
  const logFile = join(effort.folder, `${one.id}.log`);
  try {
    const upstreamPort = await freePort();
    // Streams whose events are counted come from the load generator itself, so that it can keep step with what it reads.
    const lockstep = one.kind === "cpu" && one.load.streamed;
    const mode = [String(upstreamPort), one.upstream];
    if (!lockstep) children.push(start({ role: "upstream", args: [program("servers/upstream.ts"), ...mode], logFile }));
    const generator = start({ role: "load", args: [program("load/main.ts"), ...(lockstep ? mode : [])], logFile, ipc: true });
    children.push(generator);
    await ready(generator, () => accepts(upstreamPort));

    const surroundings = { upstreamPort, folder: effort.folder };
    const rows = new Map<Contender, Row>();
    const entrants: Entrant[] = [];
    for (const contender of one.contenders) {
      try {
        const running = await contender.start(surroundings);
        if (running.child !== undefined) children.push(running.child);
        const entrant: Entrant = { contender, surroundings, running, rounds: [], failures: 0, remark: undefined };
        await ask(generator, loadOf(one, entrant, warmSeconds));
        entrants.push(entrant);
      } catch (error) {
        rows.set(contender, absent(one, contender, error));
      }
    }
    for (let round = 0; round < effort.rounds; round++) {
      for (const entrant of entrants) await runRound(one, entrant, generator, effort.seconds);
    }
    addComparison(one, entrants);
    for (const entrant of entrants) rows.set(entrant.contender, rowOf(one, entrant));
    return one.contenders.map((contender) => rows.get(contender)).filter((row) => row !== undefined);
  } finally {
    await Promise.all(children.map(stop));
  }
}

async function runRound(one: LoadCase, entrant: Entrant, generator: ChildProcess, seconds: number): Promise<void> {
  const pid = entrant.running.child?.pid;
  const before = pid === undefined ? 0 : cpuMicros(pid);
  const result = await ask(generator, loadOf(one, entrant, seconds));
  await pause(settleMs);
  const cpu = pid === undefined ? Number.NaN : cpuMicros(pid) - before;
  entrant.failures += result.failures;
  entrant.remark ??= result.failure;
  entrant.rounds.push(
    one.kind === "latency"
      ? { p50Ms: result.firstMs.p50, p99Ms: result.firstMs.p99 }
      : {
          cpuMicros: cpu / (result.calls * one.unitsPerCall),
          perSecond: (result.calls * one.unitsPerCall) / result.seconds,
          busy: cpu / 1e6 / result.seconds,
          ...(one.load.streamed ? { eventsPerWrite: one.unitsPerCall / result.piecesPerCall } : {}),
        },
  );
}

/** Compares every round with the reference's figures of the same round, so that the machine's moods cancel out. */
function addComparison(one: LoadCase, [reference, ...others]: readonly Entrant[]): void {
  if (reference === undefined || reference.contender !== one.contenders[0]) return;
  for (const entrant of [...others, reference]) {
    for (const [round, figures] of entrant.rounds.entries()) {
      const base = reference.rounds[round] ?? {};
      if (one.kind === "cpu") figures["ratio"] = of(figures, "cpuMicros") / of(base, "cpuMicros");
      else {
        figures["addedP50Ms"] = of(figures, "p50Ms") - of(base, "p50Ms");
        figures["addedP99Ms"] = of(figures, "p99Ms") - of(base, "p99Ms");
      }
    }
  }
}

async function runIdle(one: IdleCase, effort: Effort): Promise<Row[]> {
  const upstreamPort = await freePort();
  const logFile = join(effort.folder, `${one.id}.log`);
  const upstream = start({ role: "upstream", args: [program("servers/upstream.ts"), String(upstreamPort), "unary"], logFile });
  await ready(upstream, () => accepts(upstreamPort));
  const rows: Row[] = [];
  for (const contender of one.contenders) {
    try {
      const rounds: Record<string, number>[] = [];
      for (let round = 0; round < effort.rounds; round++) {
        const { child, readyMs } = await contender.start({ upstreamPort, folder: effort.folder });
        await pause(idleMs);
        rounds.push({ readyMs, residentMiB: child?.pid === undefined ? Number.NaN : residentMiB(child.pid) });
        if (child !== undefined) await stop(child);
      }
      rows.push({ case: one.id, who: contender.name, figures: medians(rounds), failures: 0, remark: undefined });
    } catch (error) {
      rows.push(absent(one, contender, error));
    }
  }
  await stop(upstream);
  return rows;
}

function program(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

function loadOf(one: LoadCase, { contender, surroundings, running }: Entrant, seconds: number): Load {
  const { headContains = "" } = contender;
  return { ...one.load, port: running.port, headers: contender.headers(surroundings), headContains, seconds };
}

async function ask(generator: ChildProcess, load: Load): Promise<LoadResult> {
  generator.send(load);
  const bound = AbortSignal.timeout(load.seconds * 1000 + 30_000);
  const answer: readonly LoadResult[] = await once(generator, "message", { signal: bound });
  const [result] = answer;
  if (result === undefined) throw new Error("the load generator answered nothing");
  return result;
}

function rowOf(one: Case, { contender, rounds, failures, remark }: Entrant): Row {
  return { case: one.id, who: contender.name, figures: medians(rounds), failures, remark };
}

function absent(one: Case, contender: Contender, error: unknown): Row {
  const reason = error instanceof Error ? error.message : String(error);
  return { case: one.id, who: contender.name, figures: {}, failures: 0, remark: `not run: ${reason.split("\n")[0]}` };
}

function medians(rounds: readonly Record<string, number>[]): Record<string, number> {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => of(round, name)))]));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

function of(figures: Readonly<Record<string, number>>, name: string): number {
  return figures[name] ?? Number.NaN;
}
