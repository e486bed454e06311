import type { Clock } from "../core/clock.ts";

/** Vendors change prices at full and half hours. */
const everyMs = 30 * 60_000;

/** What it needs. */
export interface RepricingParts {
  readonly clock: Clock;
  /** Looks all prices up again; true where one changed. */
  readonly reprice: () => boolean;
  readonly onChange: () => void;
  /** Hears what the two threw, which does not stop later times. Must not throw. */
  readonly onBug: (error: unknown) => void;
}

/** Looks at each full and half hour; the answer stops it. */
export function startRepricing({ clock, reprice, onChange, onBug }: RepricingParts): () => void {
  let cancel: () => void;
  const wait = (): void => {
    cancel = clock.after(everyMs - (clock.wall() % everyMs), () => {
      wait();
      try {
        if (reprice()) onChange();
      } catch (bug) {
        onBug(bug);
      }
    });
  };
  wait();
  return () => cancel();
}
