import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import type { Clock } from "../core/clock.ts";
import { createCollector } from "./collector.ts";
import type { LoadSample } from "./pressure.ts";

/** What the process itself cannot tell. */
export interface MachineLoadOptions {
  readonly clock: Pick<Clock, "now">;
  /** Connections of callers that are open now, of as many as there may be; of the fullest listener. */
  readonly connections: () => number;
}

/** Measures this process. */
export interface MachineLoad {
  /** What there is to measure since it was last asked; some thirty microseconds, unless garbage has to be collected to know. */
  measure(this: void): LoadSample;
  stop(): void;
}

/** Milliseconds between two looks at the event loop; that of an idle one is told as so long. */
const lookMs = 20;

/**
 * Lag, and not utilization: a loop that is busy all the time and late for nothing is well used. CPU time beside it, of the
 * loop's own thread: Node's event loop utilization would count the time in which another program had the core.
 */
export function createMachineLoad({ clock, connections }: MachineLoadOptions): MachineLoad {
  const delays = monitorEventLoopDelay({ resolution: lookMs });
  delays.enable();
  const collected = createCollector(clock);
  const memory = memoryUse();
  let cpuMs = threadCpuMs();
  let atMs = clock.now();
  return {
    measure() {
      const lagMs = delays.count === 0 ? 0 : Math.max(0, delays.percentile(99) / 1e6 - lookMs);
      delays.reset();
      let use = memory();
      if (collected(Math.max(use.heap, use.memory))) use = memory();
      const before = { cpuMs, atMs };
      cpuMs = threadCpuMs();
      atMs = clock.now();
      return { lagMs, cpuMs: cpuMs - before.cpuMs, tookMs: atMs - before.atMs, ...use, connections: connections() };
    },
    stop() {
      delays.disable();
    },
  };
}

/**
 * Reads the shares of V8's limit and of the process's. The resident set is not asked, because what the C library has freed
 * stays in it for good, and is used again: it would keep a process under pressure long after its load has gone. What V8 holds
 * comes and goes; beside that a process is as large as it was when it began.
 */
function memoryUse(): () => Pick<LoadSample, "heap" | "memory"> {
  const limit = memoryLimit();
  const start = getHeapStatistics();
  // What V8 keeps apart for the young generation: it tells of it nowhere, and derives it from the machine in this way.
  const young = Math.min((3 / 64) * Math.min(4 * 2 ** 30, limit / 2), start.heap_size_limit / 2);
  const oldLimit = start.heap_size_limit - young;
  const beside = Math.max(0, process.memoryUsage.rss() - start.total_physical_size - start.external_memory);
  return () => {
    const now = getHeapStatistics();
    return {
      heap: oldUsed() / oldLimit,
      memory: (beside + now.total_physical_size + now.external_memory) / limit,
    };
  };
}

/** Bytes of the old generation, which is what runs out: a heap of which the limit is small is mostly young. */
function oldUsed(): number {
  let used = 0;
  for (const { space_name, space_used_size } of getHeapSpaceStatistics()) if (!space_name.startsWith("new_")) used += space_used_size;
  return used;
}

/** CPU time of this thread since it began; milliseconds. */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Bytes: the control group's where there is one, else the machine's. */
export function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** The soft limit; Infinity where there is none. Node has no call for it but its report, read once without what makes that dear. */
export function openFilesLimit(): number {
  const { report } = process;
  if (report === undefined) return Infinity;
  // The types do not know it yet.
  Reflect.set(report, "excludeNetwork", true);
  const page: unknown = report.getReport();
  const soft = fieldOf(fieldOf(fieldOf(page, "userLimits"), "open_files"), "soft");
  return typeof soft === "number" && soft > 0 ? soft : Infinity;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
