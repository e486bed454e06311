import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { RecentSamples } from "../../src/stores/recent-samples.ts";

test("without samples there is nothing to tell", () => {
  const samples = new RecentSamples();
  expect(samples.mean).toBeUndefined();
  expect(samples.quantile(0.95)).toBeUndefined();
});

test("quantiles are those of the last 128 samples, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 400 }), (values) => {
      const samples = new RecentSamples();
      for (const value of values) samples.add(value, 0);
      const last = values.slice(-128).toSorted((one, other) => one - other);
      expect([...samples.sorted()]).toEqual(last);
      expect(samples.quantile(0.5)).toBe(last[Math.ceil(0.5 * last.length) - 1]);
      expect(samples.quantile(1)).toBe(last.at(-1));
    }),
  );
});

describe("the mean", () => {
  test("of a burst is its average", () => {
    const samples = new RecentSamples();
    for (const value of [100, 200, 600]) samples.add(value, 5_000);
    expect(samples.mean).toBeCloseTo(300);
  });

  test("weighs a sample that is 10 s old by 1/e", () => {
    const samples = new RecentSamples();
    samples.add(100, 0);
    samples.add(500, 10_000);
    expect(samples.mean).toBeCloseTo((100 / Math.E + 500) / (1 / Math.E + 1));
  });

  test("after a long pause is the newest sample", () => {
    const samples = new RecentSamples();
    samples.add(100, 0);
    samples.add(500, 3_600_000);
    expect(samples.mean).toBeCloseTo(500);
  });

  test("stays within the samples' range", () => {
    const sample = fc.tuple(fc.double({ min: 1, max: 1e5, noNaN: true }), fc.nat(1e7));
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 50 }), (list) => {
        const samples = new RecentSamples();
        let nowMs = 0;
        for (const [value, wait] of list) samples.add(value, (nowMs += wait));
        const values = list.map(([value]) => value);
        expect(samples.mean).toBeGreaterThanOrEqual(Math.min(...values) * (1 - 1e-9));
        expect(samples.mean).toBeLessThanOrEqual(Math.max(...values) * (1 + 1e-9));
      }),
    );
  });
});
