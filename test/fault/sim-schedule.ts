/** What the simulation is told, and what it tells. */
import type { CallOptions } from "../../src/core/call.ts";
import type { BreakerState } from "../../src/core/chat.ts";
import type { Failure } from "../../src/core/error.ts";

/** What an upstream does with one attempt: waits, says some pieces, and comes to an end of one kind or another. */
export interface Play {
  readonly beginMs: number;
  readonly pieces: number;
  readonly gapMs: number;
  /** `cuts`: ends without its last event. `stalls`: says nothing more, and stays. A failure: is told as such. */
  readonly end: "completes" | "cuts" | "stalls" | Failure;
  readonly retryAfterMs?: number | undefined;
}

/** One caller. */
export interface Visit {
  readonly atMs: number;
  /** `m`: any target; `0/m`: the one of provider 0. */
  readonly model: string;
  readonly streamed: boolean;
  readonly timeoutMs?: number | undefined;
  /** When the caller leaves, after it came; undefined: it stays. */
  readonly leavesAfterMs?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly allowFallback?: boolean | undefined;
}

/** A schedule. */
export interface Schedule {
  /** What each provider does with its n-th attempt; the last one from then on, or what the time says. */
  readonly upstreams: readonly (readonly Play[] | ((nowMs: number, nth: number) => Play))[];
  readonly visits: readonly Visit[];
  readonly slotsEach: number;
  readonly options: Partial<CallOptions>;
  readonly seed: number;
  /** What the clock on the wall shows at a time; default: the same, from the beginning of 2026. */
  readonly wallMs?: (nowMs: number) => number;
  /** Whether the policy throws when it is asked for the n-th time. */
  readonly policyThrows?: (nth: number) => boolean;
}

/** How a call came out for its caller. */
export interface Outcome {
  readonly visit: Visit;
  readonly failure: Failure | undefined;
  readonly text: string;
  readonly endMs: number;
  /** Providers of its attempts, in order. */
  readonly asked: readonly string[];
}

/** What came of a schedule. */
export interface SimReport {
  readonly outcomes: readonly Outcome[];
  /** Rules that were broken, in words; what the simulation is for is that there are none. */
  readonly violations: readonly string[];
  readonly attempts: number;
  readonly breakers: readonly BreakerState[];
  readonly successRatios: readonly number[];
}

/** Mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
