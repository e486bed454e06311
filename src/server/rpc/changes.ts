/** Names of what changed since it was last asked; the same name twice is one change, so a slow reader costs nothing. */
export interface Changes {
  /** Waits for at least one; undefined once the signal aborted. */
  next(): Promise<ReadonlySet<string> | undefined>;
  /** Unsubscribes. */
  close(): void;
}

/** Subscribes at once, so that nothing is lost between this call, a snapshot, and the first `next`. */
export function collectChanges(watch: (listener: (name: string) => void) => () => void, signal: AbortSignal): Changes {
  let pending = new Set<string>();
  let wake: (() => void) | undefined;
  const rouse = (): void => {
    wake?.();
    wake = undefined;
  };
  const unsubscribe = watch((name) => {
    pending.add(name);
    rouse();
  });
  signal.addEventListener("abort", rouse, { once: true });
  return {
    async next() {
      if (pending.size === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (signal.aborted) return undefined;
      const taken = pending;
      pending = new Set();
      return taken;
    },
    close() {
      unsubscribe();
      signal.removeEventListener("abort", rouse);
    },
  };
}

/** What happened since it was last asked, as long as it is not too much. */
export interface Recent<T> {
  /** The oldest that is left, and how many before it were dropped; undefined once the signal aborted. */
  next(): Promise<{ readonly item: T; readonly dropped: number } | undefined>;
  /** Unsubscribes. */
  close(): void;
}

/** Subscribes at once; of what a slow reader does not fetch, the oldest beyond `max` is dropped. */
export function collectRecent<T>(
  watch: (listener: (item: T) => void) => () => void,
  { signal, max }: { readonly signal: AbortSignal; readonly max: number },
): Recent<T> {
  let waiting: T[] = [];
  let dropped = 0;
  let wake: (() => void) | undefined;
  const rouse = (): void => {
    wake?.();
    wake = undefined;
  };
  const unsubscribe = watch((item) => {
    waiting.push(item);
    if (waiting.length > max) {
      waiting = waiting.slice(waiting.length - max);
      dropped += 1;
    }
    rouse();
  });
  signal.addEventListener("abort", rouse, { once: true });
  return {
    async next() {
      if (waiting.length === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const item = waiting.shift();
      if (signal.aborted || item === undefined) return undefined;
      const told = { item, dropped };
      dropped = 0;
      return told;
    },
    close() {
      unsubscribe();
      signal.removeEventListener("abort", rouse);
    },
  };
}
