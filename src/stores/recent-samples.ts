import { DecayingMean } from "./decaying-mean.ts";

const samplesMax = 128;

/**
 * A decaying mean of all samples, and quantiles of the last 128. The quantiles come from an array that is kept sorted, which
 * makes them free to read: views are read far more often than samples come.
 */
export class RecentSamples {
  /** In order of arrival, as a ring. */
  readonly #ring = new Float64Array(samplesMax);
  readonly #sorted = new Float64Array(samplesMax);
  #size = 0;
  #oldest = 0;
  readonly #mean = new DecayingMean();

  /** Adds a finite sample; `nowMs` must not go back. */
  add(value: number, nowMs: number): void {
    this.#mean.add(value, nowMs);

    if (this.#size === samplesMax) this.#drop(this.#ring[this.#oldest] ?? 0);
    const place = this.#placeOf(value);
    this.#sorted.copyWithin(place + 1, place, this.#size);
    this.#sorted[place] = value;
    this.#size += 1;
    this.#ring[this.#oldest] = value;
    this.#oldest = (this.#oldest + 1) % samplesMax;
  }

  /** Samples that quantiles are of; at most 128. */
  get size(): number {
    return this.#size;
  }

  /** Undefined: no sample. */
  get mean(): number | undefined {
    return this.#mean.value;
  }

  /** By nearest rank; `share` in (0, 1]. Undefined: no sample. */
  quantile(share: number): number | undefined {
    return quantileOf(this.sorted(), share);
  }

  /** The last samples in ascending order, as a view of live memory: to be read at once. */
  sorted(): Float64Array {
    return this.#sorted.subarray(0, this.#size);
  }

  #drop(value: number): void {
    this.#sorted.copyWithin(this.#placeOf(value), this.#placeOf(value) + 1, this.#size);
    this.#size -= 1;
  }

  /** The first place in the sorted samples whose value is not below `value`. */
  #placeOf(value: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** By nearest rank of ascending values; undefined: no value. */
export function quantileOf(sorted: Float64Array, share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
