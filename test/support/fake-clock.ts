import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until it is told to move. */
export interface FakeClock extends Clock {
  /** Moves time on by `ms`, calling due timers in the order of their time, each at its own time. Timers set on the way count too. */
  advance(ms: number): void;
  /** Timers that wait; 0 when everything was cancelled or has fired. */
  pending(): number;
  /** When the next timer is due; undefined: none waits. */
  nextMs(): number | undefined;
}

/** Starts at 0; its wall time is 2026-01-01T00:00:00Z plus the time passed. */
export function createFakeClock(): FakeClock {
  const epoch = Date.UTC(2026, 0, 1);
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  let time = 0;

  const nextDue = (until: number) => {
    let next: { readonly at: number; readonly callback: () => void } | undefined;
    // A set keeps the order of insertion, so that equal times fire first come, first served.
    for (const timer of timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
    return next;
  };

  return {
    now: () => time,
    wall: () => epoch + time,
    after(ms, callback) {
      const timer = { at: time + Math.max(0, ms), callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      const until = time + ms;
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        timers.delete(timer);
        time = timer.at;
        timer.callback();
      }
      time = until;
    },
    pending: () => timers.size,
    nextMs: () => nextDue(Infinity)?.at,
  };
}
