import { describe, expect, test } from "vitest";
import { createLeastBusy } from "../../src/policies/least-busy.ts";
import { candidate, facts, idsOf } from "./candidates.ts";
import { chiSquare, limit, seedsFrom } from "./chi-square.ts";

const rank = createLeastBusy();

for (const { name, candidates, order } of [
  {
    name: "by their load",
    candidates: [candidate("a/m", { load: 0.5 }), candidate("b/m", { load: 0.1 }), candidate("c/m", { load: 0.3 })],
    order: ["b/m", "c/m", "a/m"],
  },
  {
    name: "with one whose every second answer is bad as if it were twice as busy",
    candidates: [candidate("bad/m", { load: 0.2, successRatio: 0.5 }), candidate("a/m", { load: 0.39 }), candidate("b/m", { load: 0.41 })],
    order: ["a/m", "bad/m", "b/m"],
  },
  {
    name: "with one that comes back as if it were busier",
    candidates: [candidate("back/m", { load: 0.1, warmth: 0.1 }), candidate("a/m", { load: 0.9 })],
    order: ["a/m", "back/m"],
  },
  {
    name: "with one that only fails last of those at work",
    candidates: [candidate("bad/m", { load: 0.01, successRatio: 0 }), candidate("a/m", { load: 0.9 })],
    order: ["a/m", "bad/m"],
  },
]) {
  test(`targets are ranked ${name}`, () => {
    for (const seed of seedsFrom(0, 20)) expect(idsOf(rank(facts({ seed }), candidates))).toEqual(order);
  });
}

describe("one whose last answer was bad, and that is idle since", () => {
  const firsts = (heardMs: number): number => {
    // Its window is empty: the ratio says nothing any more.
    const bad = candidate("bad/m", { load: 0, successRatio: 1, failedAtMs: 10_000, heardMs });
    const order = seedsFrom(0.1, 1000).map((seed) =>
      idsOf(rank(facts({ seed }), [bad, candidate("a/m", { load: 0.4 }), candidate("b/m")])),
    );
    return order.filter(([first]) => first === "bad/m").length / order.length;
  };

  test("is no idle one for a minute", () => expect(firsts(41_000)).toBe(0));

  test("is tried again, then, by one call of twenty where it is alone idle, and else by lot", () => {
    expect(firsts(39_000)).toBeGreaterThan(0.01);
    expect(firsts(39_000)).toBeLessThan(0.05);
  });
});

describe("among idle targets", () => {
  const firsts = (candidates: ReturnType<typeof candidate>[]): number[] => {
    const counts = candidates.map(() => 0);
    for (const seed of seedsFrom(0.7, 5000)) {
      const first = idsOf(rank(facts({ seed }), candidates))[0];
      const at = candidates.findIndex(({ target }) => target.id === first);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    return counts;
  };

  test("each is first as often as any other (χ²)", () => {
    const counts = firsts(["a/m", "b/m", "c/m", "d/m"].map((id) => candidate(id)));
    expect(chiSquare(counts, [1, 1, 1, 1])).toBeLessThan(limit(4));
  });

  test("one that fails half the time is first half as often (χ²)", () => {
    expect(chiSquare(firsts([candidate("a/m", { successRatio: 0.5 }), candidate("b/m")]), [1, 2])).toBeLessThan(limit(2));
  });
});
