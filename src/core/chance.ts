import { fnv1a } from "./text-hash.ts";

const seeds = 2 ** 53;

/**
 * Where a seed stands among all, in [0, 1). Calls that follow each other have seeds that are spread evenly, so that whatever is dealt
 * out by this comes close to its shares within few calls. Only one thing on the way of a call may be dealt by it: two would not be
 * independent. All others take `chance`.
 */
export function placeOf(seed: number): number {
  return seed / seeds;
}

/** In [0, 1): the same for the same seed and purpose, and independent of any other purpose's. */
export function chance(seed: number, purpose: number): number {
  const low = mixed((seed >>> 0) ^ purpose);
  return mixed(low ^ ((seed / 2 ** 32) >>> 0)) / 2 ** 32;
}

/** A purpose by its name; to be made once. */
export function purposeOf(name: string): number {
  return fnv1a(name);
}

/** In [0, 1): by a text alone, the same in every process. */
export function chanceOfText(text: string, purpose: number): number {
  return mixed(fnv1a(text, purpose)) / 2 ** 32;
}

/** The end of MurmurHash3 (Austin Appleby, public domain): every bit of it hangs on every bit that goes in. */
function mixed(word: number): number {
  let bits = word ^ (word >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
