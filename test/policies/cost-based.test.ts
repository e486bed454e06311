import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { durationFromMs } from "../../src/core/clock.ts";
import type { Candidate, Ranked } from "../../src/core/policy.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { candidate, type CandidateFacts, costBased, facts, idsOf } from "./candidates.ts";
import { seedsFrom } from "./chi-square.ts";

function rank(candidates: readonly Candidate[], config = costBased(), call = facts()): readonly Ranked[] {
  return createCostBased(config)(call, candidates).order;
}

function ratios(ranked: Ranked | undefined): Record<string, number> {
  return Object.fromEntries((ranked?.terms ?? []).map((term) => [term.name, term.ratio]));
}

describe("scores", () => {
  test("are the weighted sum of each term's ratio to the best candidate", () => {
    const order = rank([
      candidate("a/m", { cost: 400, firstTokenMs: 100, successRatio: 0.5 }),
      candidate("b/m", { cost: 100, firstTokenMs: 200, successRatio: 1 }),
    ]);
    expect(order.map((each) => each.candidate.target.id)).toEqual(["b/m", "a/m"]);
    expect(order[0]?.terms.map(({ name, raw, ratio, weight }) => ({ name, raw, ratio, weight: Math.round(weight * 1e9) / 1e9 }))).toEqual([
      { name: "cost", raw: 100, ratio: 1, weight: 0.6 },
      { name: "latency", raw: 200, ratio: 0.5, weight: 0.3 },
      { name: "health", raw: 1, ratio: 1, weight: 0.1 },
    ]);
    expect(order[0]?.score).toBeCloseTo(0.6 + 0.15 + 0.1);
    expect(order[1]?.score).toBeCloseTo(0.15 + 0.3 + 0.05);
  });

  test("count the health of a target that comes back by its share, and of one that is well as it is", () => {
    const order = rank([
      candidate("a/m", { cost: 100, successRatio: 0.8, warmth: 0.5 }),
      candidate("b/m", { cost: 100, successRatio: 1 }),
      candidate("c/m", { cost: 100, successRatio: 1, warmth: 0.1 }),
    ]);
    expect(order.map((each) => [each.candidate.target.id, each.terms[2]?.raw, each.terms[2]?.ratio])).toEqual([
      ["b/m", 1, 1],
      ["a/m", 0.4, 0.4],
      ["c/m", 0.1, 0.1],
    ]);
  });

  test("use weights normalised to a sum of 1", () => {
    const [first] = rank([candidate("a/m", { cost: 1 })], costBased({ costWeight: 6, latencyWeight: 3, healthWeight: 1 }));
    expect(first?.terms.map((term) => term.weight)).toEqual([0.6, 0.3, 0.1].map((weight) => expect.closeTo(weight)));
    expect(first?.score).toBeCloseTo(1);
  });

  test("keep defaults for weights that are not set", () => {
    const [first] = rank([candidate("a/m", { cost: 1 })], costBased({ costWeight: 0 }));
    expect(first?.terms.map((term) => term.weight)).toEqual([0, 0.75, 0.25].map((weight) => expect.closeTo(weight)));
  });

  test("bear weights whose sum is no number", () => {
    const [first] = rank([candidate("a/m", { cost: 1 })], costBased({ costWeight: 1e308, latencyWeight: 1e308, healthWeight: 0 }));
    expect(first?.terms.map((term) => term.weight)).toEqual([0.5, 0.5, 0]);
  });

  for (const { name, own, other, cost } of [
    { name: "free beside free", own: 0, other: 0, cost: 1 },
    { name: "free beside dear", own: 0, other: 10, cost: 1 },
    { name: "dear beside free", own: 10, other: 0, cost: 0 },
    { name: "dear beside cheap", own: 40, other: 10, cost: 0.25 },
  ]) {
    test(`${name} has the cost term ${cost}`, () => {
      const order = rank([candidate("own/m", { cost: own }), candidate("other/m", { cost: other })]);
      expect(ratios(order.find((each) => each.candidate.target.provider === "own"))["cost"]).toBe(cost);
    });
  }

  test("take a target without a sample for as fast as the fastest", () => {
    const order = rank([candidate("a/m", { cost: 1, firstTokenMs: 100 }), candidate("b/m", { cost: 1 })]);
    expect(order.map((each) => ratios(each)["latency"])).toEqual([1, 1]);
  });

  test("do not divide by a best health of 0", () => {
    const order = rank([candidate("a/m", { cost: 1, successRatio: 0 }), candidate("b/m", { cost: 1, successRatio: 0 })]);
    expect(order.map((each) => ratios(each)["health"])).toEqual([1, 1]);
  });

  for (const { streamed, first } of [
    { streamed: true, first: "quick-start/m" },
    { streamed: false, first: "quick-end/m" },
  ]) {
    test(`of ${streamed ? "streams" : "unary calls"} look at ${streamed ? "the first token" : "the whole answer"}`, () => {
      const candidates = [
        candidate("quick-start/m", { cost: 1, firstTokenMs: 10, unaryMs: 900 }),
        candidate("quick-end/m", { cost: 1, firstTokenMs: 90, unaryMs: 100 }),
      ];
      expect(idsOf(createCostBased(costBased())(facts({ streamed }), candidates))[0]).toBe(first);
    });
  }
});

describe("places", () => {
  test("of equals are those of the catalogue", () => {
    const ids = ["c/m", "a/m", "b/m"];
    expect(rank(ids.map((id) => candidate(id, { cost: 5 }))).map((each) => each.candidate.target.id)).toEqual(ids);
  });

  test("behind all others are for the slow, then for the unpriced, each with the reason", () => {
    const order = rank(
      [
        candidate("both/m", { firstTokenP95Ms: 900 }),
        candidate("unpriced/m", { firstTokenMs: 1 }),
        candidate("slow/m", { cost: 1, firstTokenP95Ms: 800.6 }),
        candidate("dear/m", { cost: 1_000, firstTokenMs: 700, firstTokenP95Ms: 800 }),
      ],
      costBased({ maxFirstToken: durationFromMs(800) }),
    );
    expect(order.map((each) => [each.candidate.target.provider, each.remark])).toEqual([
      ["dear", ""],
      ["slow", "first token p95 of 801 ms is above 800 ms"],
      ["unpriced", "unpriced"],
      ["both", "unpriced; first token p95 of 900 ms is above 800 ms"],
    ]);
  });

  test("of the unpriced are last even where cost weighs nothing, and their cost term is 0", () => {
    const order = rank(
      [candidate("unpriced/m", { firstTokenMs: 1 }), candidate("slow/m", { cost: 9, firstTokenMs: 999 })],
      costBased({ costWeight: 0 }),
    );
    expect(order.map((each) => each.candidate.target.provider)).toEqual(["slow", "unpriced"]);
    expect(ratios(order[1])["cost"]).toBe(0);
  });

  test("of nobody are none", () => {
    expect(rank([])).toEqual([]);
  });
});

describe("of a cheap target that was slow when it was last heard of", () => {
  const seeds = seedsFrom(0.1, 1000);
  const firsts = (heardMs: number, config = costBased()): number =>
    seeds.filter((seed) => {
      const slow = candidate("slow/m", { cost: 50, firstTokenMs: 9000, firstTokenP95Ms: 9000, heardMs });
      const quick = candidate("quick/m", { cost: 70, firstTokenMs: 300, firstTokenP95Ms: 400, heardMs: 99_000 });
      return idsOf(createCostBased(config)(facts({ seed }), [slow, quick]))[0] === "slow/m";
    }).length / seeds.length;

  test("nothing is found out for a minute", () => expect(firsts(41_000)).toBe(0));

  for (const { name, config } of [
    { name: "by its mean", config: costBased() },
    { name: "by max_first_token", config: costBased({ maxFirstToken: durationFromMs(1000) }) },
  ]) {
    test(`one call of twenty finds out, then, whether it still is, ${name}`, () => {
      expect(firsts(39_000, config)).toBeGreaterThan(0.03);
      expect(firsts(39_000, config)).toBeLessThan(0.07);
    });
  }
});

describe("refused are", () => {
  for (const weights of [
    { costWeight: 0, latencyWeight: 0, healthWeight: 0 },
    { costWeight: -1 },
    { latencyWeight: Number.NaN },
    { healthWeight: Infinity },
  ]) {
    test(
      JSON.stringify(weights, (_key, value: unknown) => (typeof value === "number" ? String(value) : value)),
      () => {
        expect(() => createCostBased(costBased(weights))).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST" }));
      },
    );
  }
});

const someFacts: fc.Arbitrary<CandidateFacts> = fc.record({
  cost: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined, freq: 5 }),
  firstTokenMs: fc.option(fc.integer({ min: 0, max: 5_000 }), { nil: undefined, freq: 5 }),
  firstTokenP95Ms: fc.option(fc.integer({ min: 0, max: 9_000 }), { nil: undefined, freq: 5 }),
  successRatio: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
});
const candidates = fc.array(someFacts, { maxLength: 20 }).map((list) => list.map((each, index) => candidate(`p${index}/m`, each)));
const weight = fc.integer({ min: 0, max: 10 });
const config = fc
  .record({ costWeight: weight, latencyWeight: weight, healthWeight: weight })
  .filter((weights) => Object.values(weights).some((each) => each > 0))
  .map((weights) => costBased({ ...weights, maxFirstToken: durationFromMs(4_000) }));

describe("any ranking", () => {
  test("holds every candidate exactly once, with a score and ratios in [0, 1]", () => {
    fc.assert(
      fc.property(candidates, config, fc.boolean(), (list, policy, streamed) => {
        const order = rank(list, policy, facts({ streamed }));
        expect(new Set(order.map((each) => each.candidate))).toEqual(new Set(list));
        expect(order).toHaveLength(list.length);
        for (const { score, terms } of order) {
          for (const ratio of [score, ...terms.map((term) => term.ratio)]) {
            expect(ratio).toBeGreaterThanOrEqual(0);
            expect(ratio).toBeLessThanOrEqual(1 + 1e-9);
          }
        }
      }),
    );
  });

  test("never puts a target below one it beats in every term", () => {
    fc.assert(
      fc.property(candidates, config, (list, policy) => {
        const order = rank(list, policy).filter((each) => each.remark === "");
        for (const [place, lower] of order.entries()) {
          for (const upper of order.slice(0, place)) {
            const beaten = upper.terms.every((term, index) => (lower.terms[index]?.ratio ?? 0) > term.ratio);
            expect(beaten).toBe(false);
          }
        }
      }),
    );
  });

  test("never lowers the cheapest target when cost weighs more", () => {
    fc.assert(
      fc.property(candidates, config, fc.integer({ min: 1, max: 50 }), (list, policy, more) => {
        const placeOfCheapest = (weights: typeof policy): number =>
          rank(list, weights)
            .filter((each) => each.remark === "")
            .findIndex((each) => each.terms[0]?.ratio === 1);
        const heavier = { ...policy, costWeight: (policy.costWeight ?? 0) + more };
        expect(placeOfCheapest(heavier)).toBeLessThanOrEqual(placeOfCheapest(policy));
      }),
    );
  });

  test("does not depend on the unit of money", () => {
    fc.assert(
      fc.property(candidates, config, fc.constantFrom(2, 4, 1024), (list, policy, factor) => {
        const dearer = list.map((each) => ({
          ...each,
          costMicroUsd: each.costMicroUsd === undefined ? undefined : each.costMicroUsd * factor,
        }));
        const places = createCostBased(policy);
        expect(idsOf(places(facts(), dearer))).toEqual(idsOf(places(facts(), list)));
      }),
    );
  });
});
