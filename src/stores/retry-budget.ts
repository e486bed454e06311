import { LRUCache } from "lru-cache";
import type { RetryBudget } from "../core/budget.ts";
import type { Clock } from "../core/clock.ts";
import { SlidingCounts } from "./sliding-counts.ts";

/** Repeats are weighed against the calls of that long, milliseconds. */
const windowMs = 10_000;
/** Repeats in a window that are always granted: ten a second, so that a quiet group may still repeat (Finagle's RetryBudget). */
const floor = 100;
/** Callers choose names; groups beyond that many are forgotten, the least used first. */
const groupsMax = 1000;

/** Finagle's retry budget over a sliding window: a share of the calls and a floor. */
export function createRetryBudget(clock: Clock): RetryBudget {
  const groups = new LRUCache<string, SlidingCounts>({ max: groupsMax });
  const countsOf = (group: string): SlidingCounts => {
    const known = groups.get(group);
    if (known !== undefined) return known;
    const made = new SlidingCounts(windowMs);
    groups.set(group, made);
    return made;
  };
  return {
    began(group) {
      countsOf(group).record(false, clock.now());
    },
    take(group, ratio) {
      const counts = countsOf(group);
      const nowMs = clock.now();
      const repeats = counts.failures(nowMs);
      const calls = counts.calls(nowMs) - repeats;
      if (ratio <= 0 || repeats >= floor + ratio * calls) return false;
      counts.record(true, nowMs);
      return true;
    },
  };
}
