import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../core/clock.ts";

/** Share of a limit from which it matters how much of it is garbage. */
const matterFrom = 0.8;
/** Milliseconds between two collections at least, and so many times as long as the last one took: one twentieth of the time. */
const pauseMinMs = 3000;
const pauseTimes = 20;

/**
 * Collects garbage where memory looks short, and says whether it did. V8 counts garbage as used, and without new calls it has no
 * reason to look for it: a process that refuses calls for want of memory would go on refusing them for want of calls.
 */
export function createCollector(clock: Pick<Clock, "now">, collect: () => void = garbageCollection()): (share: number) => boolean {
  let notBeforeMs = -Infinity;
  return (share) => {
    const startMs = clock.now();
    if (share < matterFrom || startMs < notBeforeMs) return false;
    collect();
    const endMs = clock.now();
    notBeforeMs = endMs + Math.max(pauseMinMs, pauseTimes * (endMs - startMs));
    return true;
  };
}

/** V8's own; Node shows it only to contexts made after its flag was set, and this is the one there is. */
function garbageCollection(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  return () => {
    if (typeof collect === "function") Reflect.apply(collect, undefined, []);
  };
}
