import * as fc from "fast-check";
import { expect, test } from "vitest";

import { BreakerState } from "../../src/core/chat.ts";
import { Breaker } from "../../src/stores/breaker.ts";

const inRow = 3;
const window = { failureRatio: 0.5, callsMin: 6, windowMs: 10_000 };
const open = { openMs: 1_000, openMsMax: 5_000 };
/** Panic's; a lone target's calls have none. */
const insistedMax = 4;

/** The breaker in thirty lines: no cleverness, all of history in arrays, jitter of 1. */
class ReferenceBreaker {
  outcomes: { readonly failed: boolean; readonly ms: number }[] = [];
  era = 0;
  trips = 0;
  row = 0;
  openUntil: number | undefined;
  trial = false;
  insisted = 0;

  state(now: number): BreakerState {
    if (this.openUntil === undefined) return BreakerState.CLOSED;
    return now < this.openUntil ? BreakerState.OPEN : BreakerState.HALF_OPEN;
  }

  admits(now: number): boolean {
    return this.openUntil === undefined || (now >= this.openUntil && !this.trial && this.insisted < insistedMax);
  }

  end(era: number, insisted: boolean, outcome: "good" | "bad" | "neutral", now: number): void {
    if (insisted) this.insisted -= 1;
    if (era !== this.era || (insisted && outcome !== "good")) return;
    if (outcome === "neutral") this.trial = false;
    if (outcome === "good") {
      if (this.openUntil !== undefined) Object.assign(this, { era: era + 1, trips: 0, openUntil: undefined, trial: false, outcomes: [] });
      this.row = 0;
      this.outcomes.push({ failed: false, ms: now });
    }
    if (outcome !== "bad") return;
    this.row += 1;
    this.outcomes.push({ failed: true, ms: now });
    // Ten slots of time, the newest not yet full: the same edges as the real one's.
    const slot = (ms: number): number => Math.floor(ms / (window.windowMs / 10));
    const seen = this.outcomes.filter(({ ms }) => slot(ms) > slot(now) - 10);
    const ratio = seen.filter(({ failed }) => failed).length / seen.length;
    if (this.openUntil === undefined && this.row < inRow && !(seen.length >= window.callsMin && ratio >= window.failureRatio)) return;
    const openUntil = now + Math.min(open.openMs * 2 ** this.trips, open.openMsMax);
    Object.assign(this, { era: era + 1, trips: this.trips + 1, openUntil, trial: false });
  }
}

test("under any interleaving it does what a breaker of thirty lines does", () => {
  const deed = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("admit", "panic", "lone") },
    { weight: 5, arbitrary: fc.constantFrom("good", "bad", "bad", "neutral") },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(deed, fc.nat()), { maxLength: 150 }), (deeds) => {
      const real = new Breaker({ ...window, ...open, consecutiveFailures: inRow }, () => 0.5);
      const model = new ReferenceBreaker();
      const running: { readonly ticket: number; readonly era: number; readonly insisted: boolean }[] = [];
      let now = 0;
      for (const [what, pick] of deeds) {
        if (typeof what === "number") now += what;
        else if (what === "admit" || what === "panic" || what === "lone") {
          const admitted = model.admits(now);
          const ticket = real.admit(now);
          expect(ticket !== undefined).toBe(admitted);
          if (ticket !== undefined) {
            if (model.openUntil !== undefined) model.trial = true;
            running.push({ ticket, era: model.era, insisted: false });
          } else if (what !== "admit") {
            const passes = what === "lone" || model.insisted + (model.trial ? 1 : 0) < insistedMax;
            const past = real.insist(what === "lone" ? Infinity : insistedMax);
            expect(past !== undefined).toBe(passes);
            if (past !== undefined) {
              model.insisted += 1;
              running.push({ ticket: past, era: model.era, insisted: true });
            }
          }
        } else {
          const [ended] = running.splice(pick % Math.max(1, running.length), 1);
          if (ended === undefined) continue;
          model.end(ended.era, ended.insisted, what, now);
          if (what === "good") real.succeeded(ended.ticket, now);
          else if (!ended.insisted) {
            if (what === "bad") real.failed(ended.ticket, now);
            else real.abandoned(ended.ticket);
          }
          if (ended.insisted) real.insistedEnded();
        }
        expect(real.state(now)).toBe(model.state(now));
        expect(real.state(now) === BreakerState.OPEN ? real.barredUntilMs(now) : 0).toBe(
          model.state(now) === BreakerState.OPEN ? model.openUntil : 0,
        );
        expect(real.sinceMs === undefined).toBe(model.openUntil === undefined);
      }
    }),
    { numRuns: 500 },
  );
});
