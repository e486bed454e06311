const slots = 10;

/**
 * Calls and failures of a sliding window, in ten slots of time: what is counted covers between nine and ten tenths of
 * the window. Time is passed in and must not go back.
 */
export class SlidingCounts {
  readonly #slotMs: number;
  readonly #calls = new Uint32Array(slots);
  readonly #failures = new Uint32Array(slots);
  /** Number of the newest slot since time 0. */
  #newest = 0;
  #callsSum = 0;
  #failuresSum = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / slots;
  }

  /** Counts one call. */
  record(failed: boolean, nowMs: number): void {
    this.#slideTo(nowMs);
    const slot = this.#newest % slots;
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1;
    this.#callsSum += 1;
    if (!failed) return;
    this.#failures[slot] = (this.#failures[slot] ?? 0) + 1;
    this.#failuresSum += 1;
  }

  /** Calls in the window. */
  calls(nowMs: number): number {
    this.#slideTo(nowMs);
    return this.#callsSum;
  }

  /** Failures in the window. */
  failures(nowMs: number): number {
    this.#slideTo(nowMs);
    return this.#failuresSum;
  }

  /** Until when the counts stay as they are, if nothing is recorded: the end of the slot; Infinity where nothing is counted. */
  steadyUntilMs(nowMs: number): number {
    this.#slideTo(nowMs);
    return this.#callsSum === 0 ? Number.POSITIVE_INFINITY : (this.#newest + 1) * this.#slotMs;
  }

  /** Forgets everything. */
  clear(): void {
    this.#calls.fill(0);
    this.#failures.fill(0);
    this.#callsSum = 0;
    this.#failuresSum = 0;
  }

  #slideTo(nowMs: number): void {
    const current = Math.floor(nowMs / this.#slotMs);
    if (current <= this.#newest) return;
    const from = Math.max(this.#newest + 1, current - slots + 1);
    for (let number = from; number <= current; number += 1) {
      const slot = number % slots;
      this.#callsSum -= this.#calls[slot] ?? 0;
      this.#failuresSum -= this.#failures[slot] ?? 0;
      this.#calls[slot] = 0;
      this.#failures[slot] = 0;
    }
    this.#newest = current;
  }
}
