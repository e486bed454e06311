import type { Clock } from "../../src/core/clock.ts";

/** A clock whose time passes as fast as what happens in it can be reckoned. */
export interface VirtualClock extends Clock {
  /**
   * Lets time pass until `untilMs`. Timers fire in the order of their time, each only after everything that the one before set off has come
   * to rest. Rejects with what a timer throws.
   */
  run(untilMs: number): Promise<void>;
}

interface Timer {
  readonly atMs: number;
  /** Of those for the same moment, lower was set first. */
  readonly order: number;
  /** Undefined: cancelled. */
  callback: (() => void) | undefined;
}

/** Rounds of Node's event loop cost more than what happens in most of them, so that many moments share one. */
const momentsPerRound = 256;

/**
 * Steps of time a millisecond: a power of two, so that sums and differences of times are exact. With other fractions a timer may fire a
 * last bit before its time, and whoever then waits for that bit would wait for ever.
 */
const stepsPerMs = 1024;

/** Starts at 0, which is `epochMs` since the Unix epoch. */
export function createVirtualClock(epochMs: number): VirtualClock {
  const timers = new TimerHeap();
  let nowMs = 0;
  let order = 0;
  return {
    now: () => nowMs,
    wall: () => epochMs + nowMs,
    after(ms, callback) {
      const timer: Timer = { atMs: nowMs + Math.ceil(Math.max(0, ms) * stepsPerMs) / stepsPerMs, order: order++, callback };
      timers.add(timer);
      return () => {
        timer.callback = undefined;
      };
    },
    run: (untilMs) =>
      new Promise((resolve, reject) => {
        let isOver = false;
        // Node empties the queue of microtasks after each immediate, however many promises lead to each other: so the rooms, which wait
        // for nothing but promises and this clock, are at rest when the next one is called.
        const moment = (): void => {
          if (isOver) return;
          const timer = timers.takeUntil(untilMs);
          if (timer === undefined) {
            isOver = true;
            nowMs = Math.max(nowMs, untilMs);
            resolve();
            return;
          }
          nowMs = timer.atMs;
          try {
            timer.callback?.();
          } catch (thrown) {
            isOver = true;
            reject(thrown);
          }
        };
        const round = (): void => {
          if (isOver) return;
          for (let i = 0; i < momentsPerRound; i++) setImmediate(moment);
          setImmediate(round);
        };
        round();
      }),
  };
}

/** A binary heap, the soonest on top. The cancelled stay in it until their time, without what they held. */
class TimerHeap {
  readonly #heap: Timer[] = [];

  add(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isSooner(timer, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
  }

  /** The soonest that is not cancelled; undefined: none is due until then. */
  takeUntil(untilMs: number): Timer | undefined {
    for (let top = this.#heap[0]; top !== undefined && top.atMs <= untilMs; top = this.#heap[0]) {
      this.#removeTop();
      if (top.callback !== undefined) return top;
    }
    return undefined;
  }

  #removeTop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const child = right !== undefined && isSooner(right, left) ? right : left;
      if (!isSooner(child, last)) break;
      heap[at] = child;
      at = child === left ? 2 * at + 1 : 2 * at + 2;
    }
    heap[at] = last;
  }
}

function isSooner(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
