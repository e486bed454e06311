import type { Clock } from "../core/clock.ts";

/** What a Node timer can hold; more would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/**
 * The machine's time. A pending timer keeps the process alive: a call that waits for its next try has no socket open, and
 * must not be lost because the event loop sees nothing else to do. So that a process can end, who sets a timer cancels it
 * once nobody waits for it: calls when they end, rooms with a life of their own (probes, health, watches) in their `close`.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), timerMsMax));
    return () => clearTimeout(timer);
  },
};
