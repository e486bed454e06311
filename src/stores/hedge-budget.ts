import type { HedgeBudget } from "../core/budget.ts";
import type { Candidate } from "../core/policy.ts";

/** What is earned and not spent is kept up to the earnings of that many calls, so that a calm day does not pay for a wild hour. */
const callsKept = 1000;

/**
 * Each call earns its hedges a share of its own expected cost, and a hedge is paid from what was earned: over any time
 * hedges cost at most that share. Targets without a price are counted in calls, apart.
 */
export function createHedgeBudget(): HedgeBudget {
  const earned = { priced: 0, unpriced: 0 };
  return {
    began(candidate, ratio) {
      const purse = purseOf(candidate);
      const share = ratio * costOf(candidate);
      earned[purse] = Math.max(earned[purse], Math.min(earned[purse] + share, share * callsKept));
    },
    take(candidate) {
      const purse = purseOf(candidate);
      const cost = costOf(candidate);
      // Sums of fractions: a millionth less than a whole hedge is a whole hedge.
      if (earned[purse] < cost * (1 - 1e-6)) return false;
      earned[purse] = Math.max(0, earned[purse] - cost);
      return true;
    },
  };
}

function purseOf({ costMicroUsd }: Candidate): "priced" | "unpriced" {
  return costMicroUsd === undefined ? "unpriced" : "priced";
}

function costOf({ costMicroUsd }: Candidate): number {
  return costMicroUsd ?? 1;
}
