import { chance, purposeOf } from "../../src/core/chance.ts";

/** Draws one after the other from a seed: what a world is made of. */
export interface Draws {
  /** In [0, 1). */
  uniform(this: void): number;
  exponential(this: void, mean: number): number;
  /** `sigma` is that of the logarithm. */
  logNormal(this: void, median: number, sigma: number): number;
}

const lot = purposeOf("simulator");

/** The same seed draws the same. */
export function createDraws(seed: number): Draws {
  let count = 0;
  const uniform = (): number => chance(seed * 2 ** 32 + count++, lot);
  return {
    uniform,
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    logNormal: (median, sigma) => logNormalFrom({ median, sigma }, uniform(), uniform()),
  };
}

/** By two numbers in [0, 1) (Box and Muller). */
export function logNormalFrom({ median, sigma }: { readonly median: number; readonly sigma: number }, one: number, other: number): number {
  return median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - one)) * Math.cos(2 * Math.PI * other));
}
