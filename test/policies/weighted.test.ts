import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chance, purposeOf } from "../../src/core/chance.ts";
import { createWeighted } from "../../src/policies/weighted.ts";
import { candidate, facts, idsOf } from "./candidates.ts";
import { chiSquare, limit, seedsFrom } from "./chi-square.ts";

const weighted = (weights: Record<string, number>) => createWeighted({ $typeName: "semaroute.v1.WeightedPolicy", weights });
const abc = ["a/m", "b/m", "c/m"].map((id) => candidate(id));

function firsts(weights: Record<string, number>, seeds: readonly number[], candidates = abc): Map<string, number> {
  const counts = new Map<string, number>();
  for (const seed of seeds) {
    const first = idsOf(weighted(weights)(facts({ seed }), candidates))[0] ?? "";
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  return counts;
}

describe("shares", () => {
  test("are those of the weights within one call of ten, and not only in the long run", () => {
    for (const start of [0, 0.123, 0.9]) {
      const counts = firsts({ a: 7, b: 2, c: 1 }, seedsFrom(start, 10));
      expect(counts.get("a/m")).toBeGreaterThanOrEqual(6);
      expect(counts.get("a/m")).toBeLessThanOrEqual(8);
      const many = firsts({ a: 7, b: 2, c: 1 }, seedsFrom(start, 1000));
      expect([many.get("a/m"), many.get("b/m"), many.get("c/m")].map((count) => Math.round((count ?? 0) / 10))).toEqual([70, 20, 10]);
    }
  });

  test("of lots that are not spread evenly are those of the weights, too (χ²)", () => {
    const weights = { a: 5, b: 3, c: 2 };
    const random = Array.from({ length: 5000 }, (_, i) => Math.floor(chance(i, purposeOf("seed")) * Number.MAX_SAFE_INTEGER));
    const counts = firsts(weights, random);
    expect(
      chiSquare(
        ["a/m", "b/m", "c/m"].map((id) => counts.get(id) ?? 0),
        [5, 3, 2],
      ),
    ).toBeLessThan(limit(3));
  });

  test("of the second place are those of the weights that are left (χ²)", () => {
    const counts = new Map<string, number>();
    for (const seed of seedsFrom(0.5, 10_000)) {
      const [first, second = ""] = idsOf(weighted({ a: 5, b: 3, c: 1 })(facts({ seed }), abc));
      if (first === "a/m") counts.set(second, (counts.get(second) ?? 0) + 1);
    }
    expect(chiSquare([counts.get("b/m") ?? 0, counts.get("c/m") ?? 0], [3, 1])).toBeLessThan(limit(2));
  });

  test("of a provider that cannot serve go to the others by their weights", () => {
    const counts = firsts({ a: 8, b: 3, c: 1 }, seedsFrom(0.2, 1000), abc.slice(1));
    expect(Math.round((counts.get("b/m") ?? 0) / 10)).toBe(75);
  });
});

describe("places", () => {
  test("of the weightless and the unnamed are last, in the catalogue's order and with the reason", () => {
    const candidates = ["x/m", "zero/m", "a/m"].map((id) => candidate(id));
    for (const seed of seedsFrom(0, 20)) {
      const { order } = weighted({ a: 1, zero: 0 })(facts({ seed }), candidates);
      expect(order.map(({ candidate: { target }, remark }) => [target.id, remark])).toEqual([
        ["a/m", ""],
        ["x/m", "not named by the policy"],
        ["zero/m", "a weight of 0 serves only as a last resort"],
      ]);
    }
  });

  test("of one provider's targets are beside each other, in the catalogue's order", () => {
    const candidates = ["a/1", "b/1", "a/2", "b/2"].map((id) => candidate(id));
    for (const seed of seedsFrom(0, 20))
      expect([
        ["a/1", "a/2", "b/1", "b/2"],
        ["b/1", "b/2", "a/1", "a/2"],
      ]).toContainEqual(idsOf(weighted({ a: 1, b: 1 })(facts({ seed }), candidates)));
  });

  test("tell each provider's share", () => {
    const { order } = weighted({ a: 3, b: 1 })(facts(), abc);
    const shares = Object.fromEntries(order.map(({ candidate: { target }, score, terms }) => [target.provider, [score, terms[0]?.raw]]));
    expect(shares).toEqual({ a: [0.75, 3], b: [0.25, 1], c: [0, 0] });
  });
});

test("a greater weight never costs the first place, whatever the seed", () => {
  const weight = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(
      fc.record({ a: weight, b: weight, c: weight }),
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: 1, max: 1000 }),
      (weights, seed, more) => {
        const [before = ""] = idsOf(weighted(weights)(facts({ seed }), abc));
        const name = before.slice(0, 1);
        const raised = { ...weights, [name]: (weights[name as "a" | "b" | "c"] ?? 0) + more };
        expect(idsOf(weighted(raised)(facts({ seed }), abc))[0]).toBe(before);
      },
    ),
  );
});
