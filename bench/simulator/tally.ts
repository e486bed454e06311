import { usedPicoUsd } from "../../src/core/attempts.ts";
import type { CallRecord } from "../../src/core/telemetry.ts";

const minuteMs = 60_000;

/** What came of the calls that arrived in one stretch of time. */
export interface Sums {
  readonly calls: number;
  /** That ended with a whole answer; of `calls`, 0 to 1. */
  readonly success: number;
  /** US dollars for 1,000 calls, all attempts counted. */
  readonly costPer1000: number;
  /** Milliseconds from the call's arrival to its first token, whatever was tried before; of calls that got one. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Attempts a call. */
  readonly attempts: number;
  /** Of calls that were sent to the watched provider first, 0 to 1. */
  readonly share: number;
}

/** Counts what the meter tells. */
export interface Tally {
  ended(this: void, record: CallRecord): void;
  /** Of calls that arrived in these whole minutes of the run; default: all of them. */
  sums(this: void, fromMinute?: number, untilMinute?: number): Sums;
  /** First attempts at the watched provider in each minute of the run. */
  firstAttempts(this: void): readonly number[];
}

interface Line {
  readonly firstMs: number | undefined;
  readonly isServed: boolean;
  readonly costUsd: number;
  readonly attempts: number;
  readonly isWatched: boolean;
}

/** `watched`: a provider's name. */
export function createTally(watched: string): Tally {
  const byMinute: Line[][] = [];
  return {
    ended({ call, attempts, error, firstContentMs }) {
      let pico = 0n;
      for (const { usage, target } of attempts) pico += usedPicoUsd(usage, target) ?? 0n;
      const minute = Math.floor(call.receivedMs / minuteMs);
      while (byMinute.length <= minute) byMinute.push([]);
      byMinute[minute]?.push({
        firstMs: firstContentMs === undefined ? undefined : firstContentMs - call.receivedMs,
        isServed: error === undefined,
        costUsd: Number(pico) / 1e12,
        attempts: attempts.length,
        isWatched: attempts[0]?.target.provider === watched,
      });
    },
    sums: (fromMinute, untilMinute) => sumsOf(byMinute.slice(fromMinute, untilMinute).flat()),
    firstAttempts: () => byMinute.map((lines) => lines.filter(({ isWatched }) => isWatched).length),
  };
}

function sumsOf(lines: readonly Line[]): Sums {
  const calls = lines.length;
  const mean = (of: (line: Line) => number): number => (calls === 0 ? 0 : lines.reduce((sum, line) => sum + of(line), 0) / calls);
  const firsts = Float64Array.from(lines.flatMap(({ firstMs }) => firstMs ?? [])).toSorted();
  const quantile = (share: number): number => firsts[Math.min(firsts.length - 1, Math.floor(share * firsts.length))] ?? 0;
  return {
    calls,
    success: mean(({ isServed }) => (isServed ? 1 : 0)),
    costPer1000: 1000 * mean(({ costUsd }) => costUsd),
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    attempts: mean((line) => line.attempts),
    share: mean(({ isWatched }) => (isWatched ? 1 : 0)),
  };
}
