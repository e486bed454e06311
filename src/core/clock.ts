import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

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

/** What was waited for; undefined: it takes longer than `ms`. */
export async function within<T>(clock: Clock, ms: number, wanted: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const cancel = clock.after(ms, () => resolve(undefined));
  try {
    return await Promise.race([wanted, late]);
  } finally {
    cancel();
  }
}

/** A protobuf duration in milliseconds, fractions kept. */
export function msFromDuration(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

// The package's own converters leave fractions in `nanos`, which the binary format then refuses; our clock has fractions.

/** Milliseconds as a protobuf duration, to the nanosecond. */
export function durationFromMs(ms: number): Duration {
  const whole = Math.trunc(ms / 1000);
  const nanos = Math.round((ms - whole * 1000) * 1e6);
  if (Math.abs(nanos) < 1e9) return { $typeName: "google.protobuf.Duration", seconds: BigInt(whole), nanos: nanos + 0 };
  return { $typeName: "google.protobuf.Duration", seconds: BigInt(whole + Math.sign(nanos)), nanos: 0 };
}

/** Milliseconds since the Unix epoch as a protobuf timestamp, to the millisecond. */
export function timestampFromMs(wallMs: number): Timestamp {
  const ms = Math.round(wallMs);
  const seconds = Math.floor(ms / 1000);
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1e6 };
}
