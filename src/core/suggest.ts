/** The candidate that was probably meant; undefined where nothing is near. Letter case and `-` for `_` do not count. */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  const wanted = folded(written);
  let best: string | undefined;
  // A third of the letters may be wrong: more, and the guess is noise.
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let prefixed: string | undefined;
  for (const candidate of candidates) {
    const known = folded(candidate);
    const distance = editDistance(wanted, known, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
    if (wanted.length >= 3 && known.length >= 3 && (known.startsWith(wanted) || wanted.startsWith(known))) prefixed ??= candidate;
  }
  return best ?? prefixed;
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll("-", "_");
}

/** Insertions, deletions, replacements and swaps of neighbours; `limit` where it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforePrevious = previous;
    previous = row;
  }
  return Math.min(previous[b.length] ?? limit, limit);
}
