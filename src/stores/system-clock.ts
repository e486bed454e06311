import type { Clock } from "../core/clock.ts";

/** What a Node timer can hold; more would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** A timer that comes later than this was kept waiting by us: the event loop was at work, or the process stood still. */
const lateMs = 10;

/**
 * The machine's time. A pending timer keeps the process alive: a call that waits for its next try has no socket open, and
 * must not be lost because the event loop sees nothing else to do. So that a process can end, who sets a timer cancels it
 * once nobody waits for it: calls when they end, rooms with a life of their own (probes, health, watches) in their `close`.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const waitMs = Math.min(Math.max(ms, 0), timerMsMax);
    const dueMs = performance.now() + waitMs;
    let turn: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      // Node runs timers before it reads sockets. What came in while we were late must be seen first, or an upstream would
      // be blamed for a time-out that is ours: reading it cancels the timer, and only a timer that is still wanted is believed.
      if (performance.now() - dueMs > lateMs) turn = setImmediate(callback);
      else callback();
    }, waitMs);
    return () => {
      clearTimeout(timer);
      clearImmediate(turn);
    };
  },
};
