import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Candidate } from "../../src/core/policy.ts";
import { createHedgeBudget } from "../../src/stores/hedge-budget.ts";
import { chatTarget } from "../support/attempt.ts";
import { healthy } from "../support/health.ts";

function costing(costMicroUsd: number | undefined): Candidate {
  return { target: chatTarget(), health: healthy, costMicroUsd, load: 0 };
}

describe("the hedge budget", () => {
  test("pays for a hedge once enough calls have earned it", () => {
    const budget = createHedgeBudget();
    const taken = Array.from({ length: 60 }, () => {
      budget.began(costing(100), 0.05);
      return budget.take(costing(100));
    });
    expect(taken.flatMap((yes, index) => (yes ? [index] : []))).toEqual([19, 39, 59]);
  });

  test("is dearer for a dearer target", () => {
    const budget = createHedgeBudget();
    for (let i = 0; i < 20; i++) budget.began(costing(100), 0.05);
    expect([budget.take(costing(101)), budget.take(costing(100)), budget.take(costing(1))]).toEqual([false, true, false]);
  });

  test("counts targets without a price in calls, and never pays for them with money", () => {
    const budget = createHedgeBudget();
    for (let i = 0; i < 20; i++) budget.began(costing(1000), 0.05);
    expect(budget.take(costing(undefined))).toBe(false);
    for (let i = 0; i < 20; i++) budget.began(costing(undefined), 0.05);
    expect([budget.take(costing(undefined)), budget.take(costing(undefined))]).toEqual([true, false]);
  });

  test("hedges never cost more than their share of what the calls cost", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ call: fc.nat({ max: 10_000 }), hedge: fc.option(fc.nat({ max: 10_000 })) }), { maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (calls, ratio) => {
          const budget = createHedgeBudget();
          let cost = 0;
          let extra = 0;
          for (const { call, hedge } of calls) {
            budget.began(costing(call), ratio);
            cost += call;
            if (hedge !== null && budget.take(costing(hedge))) extra += hedge;
            expect(extra).toBeLessThanOrEqual(ratio * cost * (1 + 1e-3) + 1e-6);
          }
        },
      ),
    );
  });
});
