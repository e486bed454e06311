import * as fc from "fast-check";
import { expect, test } from "vitest";

import { SlidingCounts } from "../../src/stores/sliding-counts.ts";

test("counts exactly what is in the ten newest slots", () => {
  const event = fc.record({ wait: fc.constantFrom(0, 1, 999, 1_000, 3_500, 9_999, 25_000), failed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const counts = new SlidingCounts(10_000);
      const seen: { readonly atMs: number; readonly failed: boolean }[] = [];
      let nowMs = 0;
      for (const { wait, failed } of events) {
        nowMs += wait;
        counts.record(failed, nowMs);
        seen.push({ atMs: nowMs, failed });
        const left = seen.filter((each) => Math.floor(each.atMs / 1_000) > Math.floor(nowMs / 1_000) - 10);
        expect(counts.calls(nowMs)).toBe(left.length);
        expect(counts.failures(nowMs)).toBe(left.filter((each) => each.failed).length);
      }
    }),
  );
});

test("says until when nothing changes by time alone", () => {
  const counts = new SlidingCounts(10_000);
  expect(counts.steadyUntilMs(0)).toBe(Infinity);
  counts.record(true, 2_500);
  expect(counts.steadyUntilMs(2_500)).toBe(3_000);
  expect(counts.steadyUntilMs(20_000)).toBe(Infinity);
});

test("a cleared window is empty", () => {
  const counts = new SlidingCounts(10_000);
  counts.record(true, 100);
  counts.clear();
  expect(counts.calls(100)).toBe(0);
  expect(counts.failures(100)).toBe(0);
});
