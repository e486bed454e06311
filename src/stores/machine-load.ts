import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { LoadSample } from "./pressure.ts";

/** What the process itself cannot tell. */
export interface MachineLoadOptions {
  /** Connections of callers that are open now. */
  readonly connections: () => number;
  /** How many there may be; fewer where the process may not open so many files. */
  readonly connectionsMax: number;
}

/** Measures this process. */
export interface MachineLoad {
  /** What there is to measure since it was last asked; some twenty microseconds. */
  measure(this: void): LoadSample;
  stop(): void;
}

/** Milliseconds between two looks at the event loop; that of an idle one is told as so long. */
const lookMs = 20;

/**
 * Lag, and not utilization: a loop that is busy all the time and late for nothing is well used. Half of the open files
 * are for callers: each call may need one more towards an upstream.
 */
export function createMachineLoad({ connections, connectionsMax }: MachineLoadOptions): MachineLoad {
  const delays = monitorEventLoopDelay({ resolution: lookMs });
  delays.enable();
  const memoryMax = memoryLimit();
  const places = Math.min(connectionsMax, openFilesLimit() / 2);
  return {
    measure() {
      const lagMs = delays.count === 0 ? 0 : Math.max(0, delays.percentile(99) / 1e6 - lookMs);
      delays.reset();
      const heap = getHeapStatistics();
      // Memory that V8 holds and does not use can be used again: counting it would keep a process under pressure long after its load has gone.
      const spare = Math.max(0, heap.total_physical_size - heap.used_heap_size);
      return {
        lagMs,
        heap: heap.used_heap_size / heap.heap_size_limit,
        memory: (residentMemory() - spare) / memoryMax,
        connections: connections() / places,
      };
    },
    stop() {
      delays.disable();
    },
  };
}

/** Bytes; NaN where it cannot be told: reading it takes a file, and there may be none left. */
function residentMemory(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return NaN;
  }
}

/** Bytes: the control group's where there is one, else the machine's. */
function memoryLimit(): number {
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
