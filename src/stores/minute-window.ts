/** Whole seconds in which something counts; and the one that has begun. */
const seconds = 61;

/**
 * What was counted in the last minute, by whole seconds: each amount counts for at least 60 s and at most 61 s, so that no
 * 60 s ever hold more than the window said. Time is passed in, in monotonic milliseconds.
 */
export class MinuteWindow {
  readonly #amounts = new Float64Array(seconds);
  #newest = 0;
  #sum = 0;

  /** Counts an amount; the answer is the second it is counted in, for `correct`. */
  add(amount: number, nowMs: number): number {
    this.#slideTo(nowMs);
    this.#put(this.#newest, amount);
    return this.#newest;
  }

  /**
   * An amount that was counted in that second turns out to be so much more, or less. What is more than was counted, and is
   * found out after its minute, counts from now on.
   */
  correct(second: number, by: number, nowMs: number): void {
    this.#slideTo(nowMs);
    if (second > this.#newest - seconds) this.#put(second, by);
    else if (by > 0) this.#put(this.#newest, by);
  }

  /** What counts now. */
  sum(nowMs: number): number {
    this.#slideTo(nowMs);
    return this.#sum;
  }

  /** Milliseconds until at most `sum` counts, where nothing is added; 0: it is so now. */
  waitMs(sum: number, nowMs: number): number {
    this.#slideTo(nowMs);
    let left = this.#sum;
    for (let second = this.#newest - seconds + 1; left > sum && second <= this.#newest; second++) {
      left -= this.#amountIn(second);
      if (left <= sum) return (second + seconds) * 1000 - nowMs;
    }
    return 0;
  }

  /** What counts now, by its age in whole seconds. */
  amounts(nowMs: number): readonly (readonly [ageSeconds: number, amount: number])[] {
    this.#slideTo(nowMs);
    return Array.from({ length: seconds }, (_, age) => [age, this.#amountIn(this.#newest - age)] as const).filter(
      ([, amount]) => amount !== 0,
    );
  }

  #amountIn(second: number): number {
    return second < 0 ? 0 : (this.#amounts[second % seconds] ?? 0);
  }

  #put(second: number, amount: number): void {
    const at = second % seconds;
    this.#amounts[at] = (this.#amounts[at] ?? 0) + amount;
    this.#sum += amount;
  }

  #slideTo(nowMs: number): void {
    const current = Math.floor(nowMs / 1000);
    if (current <= this.#newest) return;
    const from = Math.max(this.#newest + 1, current - seconds + 1);
    for (let second = from; second <= current; second++) {
      const at = second % seconds;
      this.#sum -= this.#amounts[at] ?? 0;
      this.#amounts[at] = 0;
    }
    this.#newest = current;
  }
}
