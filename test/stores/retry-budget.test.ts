import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createRetryBudget } from "../../src/stores/retry-budget.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** How many of `asked` repeats are granted. */
function granted(budget: ReturnType<typeof createRetryBudget>, group: string, asked: number, ratio = 0.2): number {
  let count = 0;
  for (let i = 0; i < asked; i++) if (budget.take(group, ratio)) count++;
  return count;
}

describe("the retry budget", () => {
  test("grants a floor to a quiet group, and a share of the calls to a busy one", () => {
    const budget = createRetryBudget(createFakeClock());
    budget.began("quiet");
    for (let i = 0; i < 1000; i++) budget.began("busy");
    expect([granted(budget, "quiet", 500), granted(budget, "busy", 500)]).toEqual([101, 300]);
  });

  test("is apart for each group", () => {
    const budget = createRetryBudget(createFakeClock());
    expect([granted(budget, "a", 200), granted(budget, "b", 200)]).toEqual([100, 100]);
  });

  test("comes back with time", () => {
    const clock = createFakeClock();
    const budget = createRetryBudget(clock);
    granted(budget, "a", 200);
    clock.advance(10_000);
    expect(granted(budget, "a", 200)).toBe(100);
  });

  test("of zero grants nothing", () => expect(granted(createRetryBudget(createFakeClock()), "a", 5, 0)).toBe(0));

  test("never grants more than the floor and the share, in whatever order calls and repeats come", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 300 })), { maxLength: 400 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, ratio) => {
          const clock = createFakeClock();
          const budget = createRetryBudget(clock);
          const events: { readonly atMs: number; readonly repeat: boolean }[] = [];
          for (const [repeat, waitMs] of steps) {
            clock.advance(waitMs);
            if (!repeat) budget.began("a");
            else if (!budget.take("a", ratio)) continue;
            events.push({ atMs: clock.now(), repeat });
            // The window slides in tenths: what lies nine tenths back is counted for certain.
            const recent = events.filter(({ atMs }) => atMs > clock.now() - 9000);
            const calls = events.filter((each) => !each.repeat && each.atMs > clock.now() - 10_000).length;
            expect(recent.filter((each) => each.repeat).length).toBeLessThanOrEqual(Math.ceil(100 + ratio * calls));
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
