/** A sample's weight falls to 1/e after that long (the default of LatencyPolicy.decay). */
const decayMsDefault = 10_000;

/**
 * A mean that weighs a sample by its age, so that a burst counts as its average and, after a pause, a new sample as nearly all
 * there is.
 */
export class DecayingMean {
  readonly #decayMs: number;
  #sum = 0;
  #weight = 0;
  #lastMs = 0;

  /** Its time constant in milliseconds. */
  constructor(decayMs: number = decayMsDefault) {
    this.#decayMs = decayMs;
  }

  /** Adds a finite sample; `nowMs` must not go back. */
  add(value: number, nowMs: number): void {
    const keep = Math.exp((this.#lastMs - nowMs) / this.#decayMs);
    this.#sum = this.#sum * keep + value;
    this.#weight = this.#weight * keep + 1;
    this.#lastMs = nowMs;
  }

  /** Undefined: no sample. */
  get value(): number | undefined {
    return this.#weight === 0 ? undefined : this.#sum / this.#weight;
  }
}
