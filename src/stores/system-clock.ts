import type { Clock } from "../core/clock.ts";

/** What a Node timer can hold; more would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/**
 * The machine's time, for calls. A pending timer keeps the process alive: a call that waits for its next try has no
 * socket open, and must not be lost because the event loop sees nothing else to do. Who sets a timer cancels it when the
 * call ends, so nothing is pending once all calls ended.
 */
export const systemClock: Clock = {
  now,
  wall,
  after(ms, callback) {
    const timer = setTimeout(callback, timerMs(ms));
    return () => clearTimeout(timer);
  },
};

/** The same time, for housekeeping: probes, sweeps, health notices. Its timers never keep the process alive. */
export const backgroundClock: Clock = {
  now,
  wall,
  after(ms, callback) {
    const timer = setTimeout(callback, timerMs(ms)).unref();
    return () => clearTimeout(timer);
  },
};

function now(): number {
  return performance.now();
}

function wall(): number {
  return Date.now();
}

function timerMs(ms: number): number {
  return Math.min(Math.max(ms, 0), timerMsMax);
}
