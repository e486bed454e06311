/**
 * How far counts are from their shares: Pearson's χ². With k classes a fair draw stays below `limit(k)` in 999,999 of a million cases.
 */
export function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  return counts.reduce((sum, count, i) => {
    const expected = (total * (shares[i] ?? 0)) / whole;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

/** By the Wilson-Hilferty approximation of the quantile at one in a million. */
export function limit(classes: number): number {
  const freedom = classes - 1;
  return freedom * (1 - 2 / (9 * freedom) + 4.753 * Math.sqrt(2 / (9 * freedom))) ** 3;
}

/** Seeds as calls that follow each other have them. */
export function seedsFrom(start: number, count: number): number[] {
  const step = (Math.sqrt(5) - 1) / 2;
  return Array.from({ length: count }, (_, i) => Math.floor(((start + i * step) % 1) * Number.MAX_SAFE_INTEGER));
}
