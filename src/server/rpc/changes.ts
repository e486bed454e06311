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
