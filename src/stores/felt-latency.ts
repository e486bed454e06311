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
  /** Means of other time constants, by milliseconds. */
  #others: ReadonlyMap<number, OtherMeans> = new Map();
  #penalisedMs = Number.NEGATIVE_INFINITY;

  /** Keeps means of these time constants, too, in milliseconds; those it keeps already go on. */
  keep(decaysMs: readonly number[]): void {
    this.#others = new Map(
      decaysMs.map((ms) => [ms, this.#others.get(ms) ?? { measured: new DecayingMean(ms), felt: new DecayingMean(ms) }]),
    );
  }

  /** An answer came after `ms`. */
  add(ms: number, nowMs: number): void {
    this.samples.add(ms, nowMs);
    this.#felt.add(ms, nowMs);
    for (const { measured, felt } of this.#others.values()) {
      measured.add(ms, nowMs);
      felt.add(ms, nowMs);
    }
  }

  /** It failed after `ms`. */
  penalise(ms: number, nowMs: number): void {
    this.#felt.add(Math.max(ms, penaltyMs, this.#felt.value ?? 0), nowMs);
    for (const { felt } of this.#others.values()) felt.add(Math.max(ms, penaltyMs, felt.value ?? 0), nowMs);
    this.#penalisedMs = nowMs;
  }

  /**
   * What policies go by: the mean of answers, and for a while after a failure more than that; undefined: nothing is known. By the
   * usual time constant, or by another that is kept.
   */
  meanMs(nowMs: number, decayMs?: number): number | undefined {
    const other = decayMs === undefined ? undefined : this.#others.get(decayMs);
    const measured = decayMs === undefined ? this.samples.mean : other?.measured.value;
    const felt = decayMs === undefined ? this.#felt.value : other?.felt.value;
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

interface OtherMeans {
  /** Of answers. */
  readonly measured: DecayingMean;
  /** Of answers and failures. */
  readonly felt: DecayingMean;
}
