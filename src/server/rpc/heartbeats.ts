import type { Batch } from "../../core/chat.ts";
import type { Clock } from "../../core/clock.ts";
import type { ChatStream } from "../../core/handler.ts";

/**
 * A stream with a sign of life after each silence, the wait for the first content included: first the stream itself when
 * it is there, then its batches.
 */
export async function* heartbeats(
  pending: Promise<ChatStream>,
  clock: Clock,
  silenceMs: number,
): AsyncGenerator<ChatStream | Batch | "heartbeat", undefined> {
  const beat = createBeat(clock, silenceMs);
  let batches: AsyncIterableIterator<Batch> | undefined;
  let begun = false;
  try {
    for await (const stream of untilSettled(pending, beat)) {
      if (stream !== "heartbeat") {
        ({ batches } = stream);
        begun = true;
      }
      yield stream;
    }
    while (batches !== undefined) {
      let done = false;
      for await (const result of untilSettled(batches.next(), beat)) {
        if (result === "heartbeat") yield result;
        else if (result.done === true) done = true;
        else yield result.value;
      }
      if (done) batches = undefined;
    }
  } finally {
    beat.stop();
    await batches?.return?.();
    // Left before there was a stream: nobody waits for it any more, and nobody else would leave it.
    if (!begun) void pending.then((late) => late.batches.return?.()).catch(() => undefined);
  }
}

interface Beat {
  /** Settles after the silence; begins anew with every call. */
  wait(): Promise<"heartbeat">;
  stop(): void;
}

function createBeat(clock: Clock, silenceMs: number): Beat {
  let cancel: (() => void) | undefined;
  return {
    wait() {
      cancel?.();
      return new Promise((resolve) => {
        cancel = clock.after(silenceMs, () => resolve("heartbeat"));
      });
    },
    stop() {
      cancel?.();
    },
  };
}

async function* untilSettled<T>(pending: Promise<T>, beat: Beat): AsyncGenerator<T | "heartbeat", undefined> {
  for (;;) {
    const first = await Promise.race([pending, beat.wait()]);
    yield first;
    if (first !== "heartbeat") return;
  }
}
