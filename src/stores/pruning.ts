import type { Clock } from "../core/clock.ts";

/** How often what is too old is forgotten, and how much of it at once. */
const everyMs = 60_000;
const limit = 2000;

/**
 * What is older than it is to be kept goes, a little at a time, so that the store's other work is not kept waiting. `prune` answers
 * how much went; undefined: all that was to go. The answer stops it.
 */
export function startPruning(
  { clock, keepMs }: { readonly clock: Clock; readonly keepMs: number },
  prune: (beforeWall: number, limit: number) => Promise<number> | undefined,
): () => void {
  let cancel: (() => void) | undefined;
  let over = false;
  const run = async (): Promise<void> => {
    const beforeWall = clock.wall() - keepMs;
    // A store that does not answer will be asked again in a minute.
    for (let gone = prune(beforeWall, limit); gone !== undefined; gone = prune(beforeWall, limit))
      if ((await gone.catch(() => 0)) < limit || over) break;
    if (!over) cancel = clock.after(everyMs, () => void run());
  };
  // Never rejects.
  void run();
  return () => {
    over = true;
    cancel?.();
  };
}
