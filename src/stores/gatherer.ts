import type { Clock } from "../core/clock.ts";

/** What happened in the last moment. */
export interface Gatherer<T> {
  add(item: T): void;
  /** Hands over what there is, now. */
  flush(): void;
}

/** How long things may wait for each other; what a killed process loses. */
const gatherMs = 10;
/** So many do not wait. */
const gatherMax = 256;

/** Collects what calls leave behind, and hands it over a moment later, many at a time: off the calls' way. */
export function createGatherer<T>(clock: Clock, take: (items: readonly T[]) => void): Gatherer<T> {
  let items: T[] = [];
  let cancelTimer: (() => void) | undefined;
  const flush = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    const taken = items;
    items = [];
    take(taken);
  };
  return {
    add(item) {
      items.push(item);
      if (items.length === gatherMax) flush();
      else cancelTimer ??= clock.after(gatherMs, flush);
    },
    flush,
  };
}
