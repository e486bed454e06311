import type { Candidate } from "./policy.ts";

/** Bounds how much upstream work repeats may add, for each group of calls: those that ask for one model. */
export interface RetryBudget {
  /** A call of the group began. */
  began(group: string): void;
  /** Whether one more repeat is within the budget, which then counts it. `ratio` is repeats per call; 0: none. */
  take(group: string, ratio: number): boolean;
}

/** Bounds what hedges may cost. */
export interface HedgeBudget {
  /** A call is about to be sent to this candidate; its price is what hedges may take a share of. */
  began(candidate: Candidate, ratio: number): void;
  /** Whether a hedge to this candidate is within what was earned, which then pays for it. */
  take(candidate: Candidate): boolean;
}
