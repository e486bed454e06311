import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { BreakerState } from "../../src/core/chat.ts";
import { Breaker, type BreakerOptions } from "../../src/stores/breaker.ts";

const options: BreakerOptions = {
  consecutiveFailures: 5,
  failureRatio: 0.5,
  callsMin: 20,
  windowMs: 30_000,
  openMs: 5_000,
  openMsMax: 300_000,
};
/** The middle of the jitter: none. */
const noJitter = () => 0.5;

function admitted(breaker: Breaker, nowMs: number): number {
  const ticket = breaker.admit(nowMs);
  if (ticket === undefined) throw new Error(`not admitted at ${nowMs}`);
  return ticket;
}

function fail(breaker: Breaker, nowMs: number, times = 1): void {
  for (let each = 0; each < times; each += 1) breaker.failed(admitted(breaker, nowMs), nowMs);
}

function succeed(breaker: Breaker, nowMs: number): void {
  breaker.succeeded(admitted(breaker, nowMs), nowMs);
}

/** Open until 5 s. */
function opened(): Breaker {
  const breaker = new Breaker(options, noJitter);
  fail(breaker, 0, 5);
  return breaker;
}

describe("tripping", () => {
  test("the fifth failure in a row opens it, the fourth does not", () => {
    const breaker = new Breaker(options, noJitter);
    fail(breaker, 0, 4);
    expect(breaker.state(0)).toBe(BreakerState.CLOSED);
    fail(breaker, 0);
    expect(breaker.state(0)).toBe(BreakerState.OPEN);
    expect(breaker.barredUntilMs(0)).toBe(5_000);
    expect(breaker.admit(4_999)).toBeUndefined();
  });

  test("a success in between starts the row anew", () => {
    const breaker = new Breaker(options, noJitter);
    fail(breaker, 0, 4);
    succeed(breaker, 0);
    fail(breaker, 0, 4);
    expect(breaker.state(0)).toBe(BreakerState.CLOSED);
  });

  test("half of twenty calls opens it, half of fewer does not", () => {
    const breaker = new Breaker(options, noJitter);
    for (let pair = 0; pair < 9; pair += 1) {
      succeed(breaker, 0);
      fail(breaker, 0);
    }
    expect(breaker.state(0)).toBe(BreakerState.CLOSED);
    succeed(breaker, 0);
    fail(breaker, 0);
    expect(breaker.state(0)).toBe(BreakerState.OPEN);
  });

  test("failures that have left the window do not count", () => {
    const breaker = new Breaker(options, noJitter);
    for (let pair = 0; pair < 9; pair += 1) {
      fail(breaker, 0);
      succeed(breaker, 0);
    }
    succeed(breaker, 31_000);
    fail(breaker, 31_000);
    expect(breaker.state(31_000)).toBe(BreakerState.CLOSED);
  });

  test("one failure of one call is no share of anything", () => {
    const breaker = new Breaker({ ...options, consecutiveFailures: 100 }, noJitter);
    fail(breaker, 0);
    expect(breaker.state(0)).toBe(BreakerState.CLOSED);
  });
});

describe("half-open", () => {
  test("admits exactly one at a time", () => {
    const breaker = opened();
    expect(breaker.state(5_000)).toBe(BreakerState.HALF_OPEN);
    expect(breaker.barredUntilMs(5_000)).toBeUndefined();
    admitted(breaker, 5_000);
    for (let each = 0; each < 10; each += 1) expect(breaker.admit(5_000 + each * 10_000)).toBeUndefined();
    expect(breaker.barredUntilMs(5_000)).toBeGreaterThan(5_000);
  });

  test("a trial that says nothing gives its place back", () => {
    const breaker = opened();
    breaker.abandoned(admitted(breaker, 5_000));
    expect(breaker.state(5_000)).toBe(BreakerState.HALF_OPEN);
    expect(breaker.admit(5_000)).toBeDefined();
    expect(breaker.admit(5_000)).toBeUndefined();
  });

  test("a good trial closes it, with a clean slate", () => {
    const breaker = opened();
    succeed(breaker, 5_000);
    expect(breaker.state(5_000)).toBe(BreakerState.CLOSED);
    fail(breaker, 5_000, 4);
    expect(breaker.state(5_000)).toBe(BreakerState.CLOSED);
    fail(breaker, 5_000);
    expect(breaker.barredUntilMs(5_000)).toBe(10_000);
  });

  test("a bad trial doubles the open time, up to its maximum", () => {
    const breaker = opened();
    const waits: number[] = [];
    let nowMs = 5_000;
    for (let each = 0; each < 8; each += 1) {
      fail(breaker, nowMs);
      const untilMs = breaker.barredUntilMs(nowMs) ?? 0;
      waits.push(untilMs - nowMs);
      nowMs = untilMs;
    }
    expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  });
});

test("what began before the breaker tripped neither closes nor extends it", () => {
  const breaker = new Breaker(options, noJitter);
  const good = admitted(breaker, 0);
  const bad = admitted(breaker, 0);
  const gone = admitted(breaker, 0);
  fail(breaker, 0, 5);
  breaker.succeeded(good, 1_000);
  breaker.failed(bad, 2_000);
  expect(breaker.barredUntilMs(2_000)).toBe(5_000);
  admitted(breaker, 5_000);
  breaker.abandoned(gone);
  expect(breaker.admit(5_000)).toBeUndefined();
});

test("a reset closes it at once and forgets what was", () => {
  const breaker = new Breaker(options, noJitter);
  const old = admitted(breaker, 0);
  fail(breaker, 0, 5);
  breaker.reset();
  breaker.failed(old, 0);
  fail(breaker, 0, 4);
  expect(breaker.state(0)).toBe(BreakerState.CLOSED);
});

test("jitter moves the open time by at most a fifth, and never beyond the maximum", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 12 }), (roll, trials) => {
      const breaker = new Breaker(options, () => roll);
      let nowMs = 0;
      fail(breaker, nowMs, 5);
      for (let each = 0; each < trials; each += 1) {
        nowMs = breaker.barredUntilMs(nowMs) ?? 0;
        fail(breaker, nowMs);
      }
      const plain = Math.min(5_000 * 2 ** trials, 300_000);
      const wait = (breaker.barredUntilMs(nowMs) ?? 0) - nowMs;
      expect(wait).toBeGreaterThanOrEqual(plain * 0.8 - 0.001);
      expect(wait).toBeLessThanOrEqual(Math.min(plain * 1.2, 300_000) + 0.001);
    }),
  );
});

/** The rules again, the slow way: a list of all outcomes since the breaker was last closed. */
class ModelBreaker {
  outcomes: { readonly atMs: number; readonly failed: boolean }[] = [];
  openUntilMs = -1;
  trips = 0;
  isTrialOut = false;
  epoch = 0;

  admit(nowMs: number): number | undefined {
    if (this.trips > 0 && (nowMs < this.openUntilMs || this.isTrialOut)) return undefined;
    this.isTrialOut = this.trips > 0;
    return this.epoch;
  }

  end(ticket: number, outcome: "good" | "bad" | "none", nowMs: number): void {
    if (ticket !== this.epoch) return;
    const wasTrial = this.isTrialOut;
    this.isTrialOut = false;
    if (outcome === "none") return;
    if (outcome === "good" && wasTrial) {
      this.outcomes = [];
      this.trips = 0;
      this.epoch += 1;
    }
    this.outcomes.push({ atMs: nowMs, failed: outcome === "bad" });
    if (outcome === "bad" && (wasTrial || this.isTooMuch(nowMs))) {
      this.openUntilMs = nowMs + Math.min(options.openMs * 2 ** this.trips, options.openMsMax);
      this.trips += 1;
      this.epoch += 1;
    }
  }

  isTooMuch(nowMs: number): boolean {
    const lastFive = this.outcomes.slice(-5);
    if (lastFive.length === 5 && lastFive.every((each) => each.failed)) return true;
    const window = this.outcomes.filter((each) => Math.floor(each.atMs / 3_000) > Math.floor(nowMs / 3_000) - 10);
    return window.length >= 20 && window.filter((each) => each.failed).length * 2 >= window.length;
  }
}

test("it behaves as a slow, plain model of the rules under any sequence of calls", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("begin" as const) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("end" as const),
        which: fc.nat(),
        outcome: fc.constantFrom("good" as const, "bad" as const, "bad" as const, "none" as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 700, 3_000, 5_000, 31_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const breaker = new Breaker(options, noJitter);
      const model = new ModelBreaker();
      const running: { readonly ours: number; readonly theirs: number }[] = [];
      let nowMs = 0;
      for (const each of steps) {
        if (each.kind === "wait") nowMs += each.ms;
        if (each.kind === "begin") {
          const ours = breaker.admit(nowMs);
          const theirs = model.admit(nowMs);
          expect(ours === undefined).toBe(theirs === undefined);
          if (ours !== undefined && theirs !== undefined) running.push({ ours, theirs });
        }
        if (each.kind === "end") {
          const [ended] = running.splice(running.length === 0 ? 0 : each.which % running.length, 1);
          if (ended === undefined) continue;
          model.end(ended.theirs, each.outcome, nowMs);
          if (each.outcome === "good") breaker.succeeded(ended.ours, nowMs);
          else if (each.outcome === "bad") breaker.failed(ended.ours, nowMs);
          else breaker.abandoned(ended.ours);
        }
        const theirState = model.trips === 0 ? BreakerState.CLOSED : nowMs < model.openUntilMs ? BreakerState.OPEN : BreakerState.HALF_OPEN;
        expect(breaker.state(nowMs)).toBe(theirState);
      }
    }),
    { numRuns: 300 },
  );
});
