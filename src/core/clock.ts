/** Time as an argument. */
export interface Clock {
  /** Monotonic milliseconds since some start; for durations and deadlines. */
  now(): number;
  /** Milliseconds since the Unix epoch; for what people read. */
  wall(): number;
  /** Calls back after `ms`, clamped to what a timer can hold; the answer cancels. */
  after(ms: number, callback: () => void): () => void;
}

/** Resolves after `ms`, rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
