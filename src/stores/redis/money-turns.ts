import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import type { Reservation } from "../../core/limits.ts";
import { heldByOthers, patienceMs, waitersMax, waitMsMax } from "../key-budget.ts";

/** One try to get what a call wants; undefined: others have it set aside. */
export type Try = () => Promise<Reservation | ChatError | undefined>;

interface Waiter {
  readonly attempt: Try;
  readonly sinceMs: number;
  readonly settle: (verdict: Reservation | ChatError) => void;
  readonly fail: (reason: unknown) => void;
}

/** Pauses between two looks, at first and at most: who has the money may be in another replica. */
const lookMs = { first: 10, max: 80 } as const;

/** Calls of one key that wait in this replica for money others have set aside: in the order of arrival, and only the first of them asks. */
export class MoneyTurns {
  readonly #clock: Clock;
  /** When somebody was settled last, here or elsewhere. */
  readonly #settledMs: () => number;
  #waiters: Waiter[] = [];
  #serving = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock, settledMs: () => number) {
    this.#clock = clock;
    this.#settledMs = settledMs;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Rejects with the signal's reason while it waits. */
  async take(attempt: Try, signal: AbortSignal): Promise<Reservation | ChatError> {
    // Those who wait came first.
    const verdict = this.#waiters.length === 0 ? await attempt() : undefined;
    if (verdict !== undefined) return verdict;
    if (this.#waiters.length >= waitersMax) return heldByOthers(`${waitersMax} calls wait for it already`);
    return this.#wait(attempt, signal);
  }

  /** Money may have come free. */
  poke(): void {
    this.#wake?.();
  }

  #wait(attempt: Try, signal: AbortSignal): Promise<Reservation | ChatError> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = (): void => {
        signal.removeEventListener("abort", onAbort);
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason);
        this.poke();
      };
      const waiter: Waiter = {
        attempt,
        sinceMs: this.#clock.now(),
        settle(verdict) {
          leave();
          resolve(verdict);
        },
        fail(reason) {
          leave();
          reject(reason);
        },
      };
      this.#waiters.push(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
      if (!this.#serving) void this.#serve();
    });
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    let pauseMs: number = lookMs.first;
    let settledMs = this.#settledMs();
    for (let head = this.#waiters[0]; head !== undefined; head = this.#waiters[0]) {
      const verdict = await head.attempt().catch(head.fail);
      if (this.#waiters[0] !== head) {
        // It has left meanwhile.
        if (verdict !== undefined && !(verdict instanceof ChatError)) verdict.settle({ tokens: 0, picoUsd: 0n });
        continue;
      }
      if (settledMs !== this.#settledMs()) pauseMs = lookMs.first;
      settledMs = this.#settledMs();
      if (verdict !== undefined) {
        head.settle(verdict);
        pauseMs = lookMs.first;
      } else if (this.#clock.now() >= Math.min(Math.max(head.sinceMs, settledMs) + patienceMs, head.sinceMs + waitMsMax))
        head.settle(heldByOthers("it is set aside for calls that run"));
      else {
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 1.5, lookMs.max);
      }
    }
    this.#serving = false;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
  }
}
