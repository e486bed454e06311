import type { Clock } from "../core/clock.ts";

/** Vendors change prices at full and half hours. */
const everyMs = 30 * 60_000;

/** Calls back at each of them; the answer stops it. What the callback throws goes to `onBug`, and later ones come all the same. */
export function startRepricing(clock: Clock, reprice: () => void, onBug: (error: unknown) => void): () => void {
  let cancel: () => void;
  const wait = (): void => {
    cancel = clock.after(everyMs - (clock.wall() % everyMs), () => {
      wait();
      try {
        reprice();
      } catch (bug) {
        onBug(bug);
      }
    });
  };
  wait();
  return () => cancel();
}
