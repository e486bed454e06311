import { DecayingMean } from "./decaying-mean.ts";
import { RecentSamples } from "./recent-samples.ts";

/** A failure counts as an answer that took at least that long. */
const penaltyMs = 5_000;
/** A penalty that nothing has confirmed is gone after that long, or the target would never be tried again. */
const fadeMs = 30_000;
/** While it fades, what is felt is told in steps of that much time. */
const fadeStepMs = 1_000;

/**
 * How long a target takes, twice: as measured, of its answers only; and as callers feel it, where a failure counts as a slow
 * answer. Without that a target that refuses within milliseconds would look like the fastest, and get all calls.
 */
export class FeltLatency {
  /** Of answers only: what is reported, and what hedges go by. */
  readonly samples = new RecentSamples();
  readonly #felt = new DecayingMean();
  #penalisedMs = Number.NEGATIVE_INFINITY;

  /** An answer came after `ms`. */
  add(ms: number, nowMs: number): void {
    this.samples.add(ms, nowMs);
    this.#felt.add(ms, nowMs);
  }

  /** It failed after `ms`. */
  penalise(ms: number, nowMs: number): void {
    this.#felt.add(Math.max(ms, penaltyMs, this.#felt.value ?? 0), nowMs);
    this.#penalisedMs = nowMs;
  }

  /** What policies go by: the mean of answers, and for a while after a failure more than that; undefined: nothing is known. */
  meanMs(nowMs: number): number | undefined {
    const measured = this.samples.mean;
    const felt = this.#felt.value;
    const faded = (nowMs - this.#penalisedMs) / fadeMs;
    if (felt === undefined || faded >= 1) return measured;
    return measured === undefined ? felt : measured + Math.max(0, felt - measured) * (1 - faded);
  }

  /** Until when `meanMs` may be taken as it is now; Infinity where only a sample can change it. */
  steadyUntilMs(nowMs: number): number {
    const fadedMs = this.#penalisedMs + fadeMs;
    if (nowMs >= fadedMs) return Number.POSITIVE_INFINITY;
    return this.samples.size === 0 ? fadedMs : Math.min(fadedMs, nowMs + fadeStepMs);
  }
}
