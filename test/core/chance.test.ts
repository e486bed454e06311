import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chance, chanceOfText, placeOf, purposeOf } from "../../src/core/chance.ts";
import { chiSquare, limit, seedsFrom } from "../policies/chi-square.ts";

const seed = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test("what is drawn lies in [0, 1), and is drawn again by the same seed", () => {
  fc.assert(
    fc.property(seed, fc.string(), (one, name) => {
      for (const drawn of [chance(one, purposeOf(name)), chanceOfText(name, purposeOf("x")), placeOf(one)]) {
        expect(drawn).toBeGreaterThanOrEqual(0);
        expect(drawn).toBeLessThan(1);
      }
      expect(chance(one, purposeOf(name))).toBe(chance(one, purposeOf(name)));
    }),
  );
});

describe("lots are spread evenly", () => {
  const tenths = (draw: (index: number) => number): number[] => {
    const counts = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) counts[Math.floor(draw(i) * 10)] = (counts[Math.floor(draw(i) * 10)] ?? 0) + 1;
    return counts;
  };
  const even = Array.from({ length: 10 }, () => 1);
  const seeds = seedsFrom(0.3, 10_000);

  test("over the seeds of calls that follow each other", () => {
    expect(
      chiSquare(
        tenths((i) => chance(seeds[i] ?? 0, purposeOf("a"))),
        even,
      ),
    ).toBeLessThan(limit(10));
  });

  test("over texts that hardly differ", () => {
    expect(
      chiSquare(
        tenths((i) => chanceOfText(`user-${i}`, purposeOf("a"))),
        even,
      ),
    ).toBeLessThan(limit(10));
  });

  test("independently of another purpose's lot, and of the seed's own place", () => {
    const cells = Array.from({ length: 16 }, () => 0);
    const places = Array.from({ length: 16 }, () => 0);
    for (const each of seeds) {
      const [one, other] = [chance(each, purposeOf("a")), chance(each, purposeOf("b"))].map((drawn) => Math.floor(drawn * 4));
      const at = (one ?? 0) * 4 + (other ?? 0);
      cells[at] = (cells[at] ?? 0) + 1;
      const beside = Math.floor(placeOf(each) * 4) * 4 + (one ?? 0);
      places[beside] = (places[beside] ?? 0) + 1;
    }
    const shares = Array.from({ length: 16 }, () => 1);
    expect(chiSquare(cells, shares)).toBeLessThan(limit(16));
    expect(chiSquare(places, shares)).toBeLessThan(limit(16));
  });
});
