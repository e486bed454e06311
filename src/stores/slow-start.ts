/** From coming back to being asked as before. */
const rampMs = 30_000;
const steps = 10;
const stepMs = rampMs / steps;

/** Brings a target that was out back in ten steps, so that what has just recovered is not run over again. */
export class SlowStart {
  #fromMs = Number.NEGATIVE_INFINITY;

  /** It is back from `fromMs` on, which may be to come. */
  begin(fromMs: number): void {
    this.#fromMs = fromMs;
  }

  /** Share of its usual part, in (0, 1]. */
  warmth(nowMs: number): number {
    return Math.min(steps, this.#step(nowMs) + 1) / steps;
  }

  /** Until when `warmth` stays as it is; Infinity: for good. */
  steadyUntilMs(nowMs: number): number {
    const step = this.#step(nowMs);
    return step >= steps - 1 ? Number.POSITIVE_INFINITY : this.#fromMs + (step + 1) * stepMs;
  }

  /** All of its part, at once. */
  skip(): void {
    this.#fromMs = Number.NEGATIVE_INFINITY;
  }

  /** Whole steps since it began. */
  #step(nowMs: number): number {
    return Math.max(0, Math.floor((nowMs - this.#fromMs) / stepMs));
  }
}
