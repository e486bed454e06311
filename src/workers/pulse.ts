import type { Clock } from "../core/clock.ts";

/** Who is watched. */
export interface PulseParts {
  readonly clock: Clock;
  /** Asks; false: there was no answer within so many milliseconds. Never rejects. */
  readonly ask: (boundMs: number) => Promise<boolean>;
  /** It has not answered twice, one after the other; it is asked no more. */
  readonly onSilent: () => void;
}

/** Between an answer and the next question; milliseconds. */
const everyMs = 10_000;
/** How long an answer may take; milliseconds. */
const boundMs = 20_000;
/** Once is not enough: after a machine has slept, the clock is heard before the answer. */
const silencesMax = 2;

/** Asks again and again whether somebody lives, until it is told to stop. A process that does not turn is told from one that has much to do. */
export function watchPulse({ clock, ask, onSilent }: PulseParts): () => void {
  let silences = 0;
  let isOver = false;
  const look = async (): Promise<void> => {
    const isAlive = await ask(boundMs);
    if (isOver) return;
    silences = isAlive ? 0 : silences + 1;
    if (silences === silencesMax) onSilent();
    else cancel = clock.after(everyMs, () => void look());
  };
  let cancel = clock.after(everyMs, () => void look());
  return () => {
    isOver = true;
    cancel();
  };
}
