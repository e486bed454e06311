/** What a target is left with at least, unless its provider's maximum is below that. */
const floorMin = 4;
const cutTo = 0.9;
/** A round trip that nobody has seen yet. */
const roundTripGuessMs = 1_000;

/**
 * How many calls a target may have at a time, by additive increase and multiplicative decrease: it starts at the provider's
 * maximum, so that a healthy target never feels it, and shrinks where the target says it is asked too much. Time until the
 * end of an answer is no signal: it depends on what was asked for.
 */
export class AdaptiveLimit {
  /** The provider's maximum, where it is known. */
  max = Number.POSITIVE_INFINITY;
  /** Infinity: never cut, or grown back. Between steps it is a fraction. */
  #limit = Number.POSITIVE_INFINITY;
  #cutMs = Number.NEGATIVE_INFINITY;

  /** Whole calls, at least 1. */
  get value(): number {
    return Math.floor(Math.min(this.#limit, this.max));
  }

  /** What of it a target has while it comes back with `warmth` of its usual part. */
  warming(warmth: number): number {
    return warmth === 1 ? this.value : Math.min(this.value, Math.max(this.#floor, Math.floor(this.max * warmth)));
  }

  /** The target is overloaded. What one wave of calls meets cuts once: not again within a round trip. */
  cut(nowMs: number, roundTripMs: number = roundTripGuessMs): void {
    if (nowMs - this.#cutMs < roundTripMs || this.max === Number.POSITIVE_INFINITY) return;
    this.#cutMs = nowMs;
    this.#limit = Math.max(this.#floor, Math.min(this.#limit, this.max) * cutTo);
  }

  /** A call succeeded while `inFlight` ran, itself among them. What is not used at least by half proves no room for more. */
  grow(inFlight: number): void {
    if (this.#limit === Number.POSITIVE_INFINITY || inFlight * 2 < this.value) return;
    this.#limit += 1;
    if (this.#limit >= this.max) this.#limit = Number.POSITIVE_INFINITY;
  }

  /** Back to the maximum. */
  reset(): void {
    this.#limit = Number.POSITIVE_INFINITY;
    this.#cutMs = Number.NEGATIVE_INFINITY;
  }

  get #floor(): number {
    return Math.min(floorMin, this.max);
  }
}
