import type { Clock } from "../core/clock.ts";
import type { News } from "../core/news.ts";

/** Who hears looks within that time, each at a moment of its own, so that a fleet does not fall onto one database. Milliseconds. */
const lookWithinMs = 200;

/** What it needs. */
export interface LookOnNewsOptions {
  readonly news: News;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Must not throw. */
  readonly look: () => void;
}

/**
 * Looks soon after somebody said something on a channel, or may have. What was said is not believed and not even read: it is a reason to
 * look. However much is said meanwhile, it is one look. The answer stops it.
 */
export function lookOnNews(channel: string, { news, clock, random, look }: LookOnNewsOptions): () => void {
  let cancel: (() => void) | undefined;
  let isStopped = false;
  const soon = (): void => {
    if (isStopped) return;
    cancel ??= clock.after(lookWithinMs * random(), () => {
      cancel = undefined;
      look();
    });
  };
  news.listen(channel, { said: soon, missed: soon });
  return () => {
    isStopped = true;
    cancel?.();
  };
}
