import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { MinuteWindow } from "../../src/stores/minute-window.ts";

/** Steps of time in milliseconds, small ones and whole minutes. */
const steps = fc.array(fc.oneof(fc.nat(300), fc.nat(5000), fc.nat(130_000)), { maxLength: 120 });

test("no sixty seconds ever hold more than the limit, whenever they begin", () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (waits, limit) => {
      const window = new MinuteWindow();
      const admitted: number[] = [];
      let nowMs = 500;
      for (const ms of waits) {
        nowMs += ms;
        // As often as it lets us.
        for (let i = 0; i < 3 && window.waitMs(limit - 1, nowMs) === 0; i++) {
          window.add(1, nowMs);
          admitted.push(nowMs);
        }
      }
      for (const from of admitted) expect(admitted.filter((at) => at >= from && at <= from + 60_000).length).toBeLessThanOrEqual(limit);
    }),
  );
});

test("nothing counts longer than sixty-one seconds", () => {
  fc.assert(
    fc.property(fc.nat(1e7), (startMs) => {
      const window = new MinuteWindow();
      window.add(5, startMs);
      expect(window.sum(startMs + 60_000)).toBe(5);
      expect(window.sum(startMs + 61_000)).toBe(0);
    }),
  );
});

test("a wait that was told is true: a moment earlier is too early, and then it is time", () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (waits, limit, wanted) => {
      fc.pre(wanted <= limit);
      const window = new MinuteWindow();
      let nowMs = 0;
      for (const ms of waits) {
        nowMs += ms;
        if (window.waitMs(limit - 3, nowMs) === 0) window.add(3, nowMs);
      }
      const waitMs = window.waitMs(limit - wanted, nowMs);
      expect(waitMs).toBeLessThanOrEqual(61_000);
      if (waitMs > 0) expect(window.sum(nowMs + waitMs - 1)).toBeGreaterThan(limit - wanted);
      expect(window.sum(nowMs + waitMs)).toBeLessThanOrEqual(limit - wanted);
    }),
  );
});

describe("a correction", () => {
  test("takes back what was counted too much, in the second it was counted in", () => {
    const window = new MinuteWindow();
    const second = window.add(100, 1500);
    window.add(10, 30_000);
    window.correct(second, -60, 40_000);
    expect(window.sum(40_000)).toBe(50);
    expect(window.sum(62_000)).toBe(10);
  });

  test("of a minute that is over gives nothing back, and counts now what is more than was thought", () => {
    const window = new MinuteWindow();
    const second = window.add(100, 0);
    window.correct(second, -60, 90_000);
    expect(window.sum(90_000)).toBe(0);
    window.correct(second, 25, 90_000);
    expect(window.sum(140_000)).toBe(25);
  });
});

test("a model of single amounts agrees, whatever is counted, corrected and waited for", () => {
  const step = fc.record({ ms: fc.nat(20_000), amount: fc.nat(100), used: fc.nat(100), settleLater: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (all) => {
      const window = new MinuteWindow();
      const model: { second: number; amount: number }[] = [];
      const open: { second: number; amount: number; used: number }[] = [];
      let nowMs = 0;
      const counts = (): number => {
        const newest = Math.floor(nowMs / 1000);
        return model.filter(({ second }) => second > newest - 61).reduce((sum, { amount }) => sum + amount, 0);
      };
      for (const { ms, amount, used, settleLater } of all) {
        nowMs += ms;
        open.push({ second: window.add(amount, nowMs), amount, used });
        model.push({ second: Math.floor(nowMs / 1000), amount });
        const due = settleLater ? undefined : open.shift();
        if (due !== undefined) {
          const by = due.used - due.amount;
          window.correct(due.second, by, nowMs);
          const isGone = due.second <= Math.floor(nowMs / 1000) - 61;
          if (!isGone || by > 0) model.push({ second: isGone ? Math.floor(nowMs / 1000) : due.second, amount: by });
        }
        expect(window.sum(nowMs)).toBe(counts());
      }
    }),
  );
});
