import type { Holding } from "./affinity.ts";
import type { Target } from "./catalog.ts";
import type { ScoreTerm } from "./chat.ts";
import type { HealthView } from "./health.ts";
import type { PricedCounts } from "./price.ts";

/** What a policy may know of a call. No prompt, no key's secret. */
export interface CallFacts {
  /** Model as asked for. */
  readonly model: string;
  readonly inputTokens: number;
  readonly streamed: boolean;
  /** Monotonic milliseconds, the clock of `HealthView`. */
  readonly nowMs: number;
  /** All randomness, so that a ranking can be made again. */
  readonly seed: number;
  /** Who holds the conversation's prompt warm; absent: nobody, or it does not matter to this call. */
  readonly holder?: Holder | undefined;
}

/** A holder of the call's conversation. */
export interface Holder extends Holding {
  /** The caller itself named the conversation, and wants to stay. */
  readonly named: boolean;
}

/** The counts that a call is expected to have at a target. */
export type Expectation = Pick<
  PricedCounts,
  "inputTokens" | "outputTokens" | "cacheReadTokens" | "cacheWriteTokens" | "cacheWriteHourTokens"
>;

/** A target that can serve the call, with what is known of it now. */
export interface Candidate {
  readonly target: Target;
  readonly health: HealthView;
  /** Expected cost of the call in millionths of a US dollar; undefined: unpriced. */
  readonly costMicroUsd: number | undefined;
  /** What that cost is the price of. */
  readonly expected?: Expectation;
}

/** A candidate in its place. */
export interface Ranked {
  readonly candidate: Candidate;
  /** Higher is better; 0 where the policy does not score. */
  readonly score: number;
  readonly terms: readonly ScoreTerm[];
  /** Why it stands where it stands, where the score does not say it; empty otherwise. */
  readonly remark: string;
}

/** Best first; holds every candidate exactly once. */
export interface Ranking {
  readonly order: readonly Ranked[];
  /** Name of the rule that matched; empty: none. */
  readonly rule: string;
  /** Present where the order has weighed by itself what leaving a conversation's holder means; else a named one's is put first. */
  readonly weighsHolder?: true;
}

/** Pure over an immutable snapshot, so that routing, Explain and Simulate are the same function. */
export type Policy = (call: CallFacts, candidates: readonly Candidate[]) => Ranking;
