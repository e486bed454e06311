import type { Target } from "./catalog.ts";
import type { ScoreTerm } from "./chat.ts";
import type { HealthView } from "./health.ts";

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
}

/** A target that can serve the call, with what is known of it now. */
export interface Candidate {
  readonly target: Target;
  readonly health: HealthView;
  /** Expected cost of the call in millionths of a US dollar; undefined: unpriced. */
  readonly costMicroUsd: number | undefined;
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
}

/** How the targets of a call were ranked, as its record keeps it. Holds nothing of what the caller wrote but the model's name. */
export interface PlanView {
  /** What the policy was told of the call. */
  readonly facts: CallFacts;
  readonly ranked: readonly Ranked[];
  /** Sizes of the runs in `ranked` that the policy ordered one by one: the model's targets, each fallback's, the last resorts. */
  readonly groups: readonly number[];
  readonly excluded: readonly (Candidate & { readonly reason: string })[];
  /** Name of the rule that matched; empty: none. */
  readonly rule: string;
  /** Name of the experiment's arm; empty or absent: none. */
  readonly arm?: string;
}

/** Pure over an immutable snapshot, so that routing, Explain and Simulate are the same function. */
export type Policy = (call: CallFacts, candidates: readonly Candidate[]) => Ranking;
