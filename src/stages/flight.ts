import type { Call, Source } from "../core/call.ts";
import type { Batch } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler } from "../core/handler.ts";

/** Batches that may be behind a newcomer; a flight that is further on takes no one more aboard. */
const joinBatchesMax = 512;

/** One caller's seat in a flight. */
export interface FlightReader extends AsyncIterableIterator<Batch> {
  /** Settles with the first content. */
  source(): Promise<Source>;
}

/**
 * One upstream answer with several readers. It is pulled by whoever is furthest on, has an abort of its own, and ends
 * early only when the last reader has left.
 */
export class Flight {
  readonly #stop = new AbortController();
  readonly #stream: Promise<ChatStream>;
  readonly #leaderSignal: AbortSignal;
  readonly #onEnd: () => void;
  readonly #batches: Batch[] = [];
  #readers = 0;
  #pull: Promise<void> | undefined;
  #ended = false;
  #error: ChatError | undefined;

  constructor(next: Handler<Call>, call: Call, clock: Clock, onEnd: () => void) {
    this.#leaderSignal = call.signal;
    this.#onEnd = onEnd;
    const { totalMs } = call.snapshot.options;
    // The flight outlives its first caller, and so must not have that caller's deadline.
    this.#stream = next({ ...call, signal: this.#stop.signal, deadline: clock.now() + totalMs, deadlineByCaller: false });
    this.#stream.catch((thrown: unknown) => {
      this.#finish(chatErrorFrom(thrown));
    });
  }

  /** The first caller's seat. */
  lead(): FlightReader {
    return this.#seat(this.#leaderSignal);
  }

  /** A seat for one more; undefined: too late. */
  join(signal: AbortSignal): FlightReader | undefined {
    return this.#ended || this.#batches.length > joinBatchesMax ? undefined : this.#seat(signal);
  }

  #seat(signal: AbortSignal): FlightReader {
    this.#readers++;
    let at = 0;
    let seated = true;
    let onAbort: (() => void) | undefined;
    const left = new Promise<never>((_resolve, reject) => {
      onAbort = (): void => {
        reject(chatErrorFrom(signal.reason));
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
    left.catch(() => undefined);
    const leave = (): void => {
      if (!seated) return;
      seated = false;
      if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
      if (--this.#readers === 0 && !this.#ended) this.#abandon();
    };
    const orLeave = async <T>(wait: Promise<T>): Promise<T> => {
      try {
        return await Promise.race([wait, left]);
      } catch (thrown) {
        leave();
        throw thrown;
      }
    };
    return {
      source: async () => (await orLeave(this.#stream)).source,
      next: async () => {
        while (at >= this.#batches.length && !this.#ended) await orLeave(this.#pullMore());
        const batch = this.#batches[at++];
        if (batch !== undefined) return { done: false, value: batch };
        leave();
        if (this.#error !== undefined) throw this.#error;
        return { done: true, value: undefined };
      },
      return() {
        leave();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** One read of the upstream at a time, whoever asks for it. */
  #pullMore(): Promise<void> {
    this.#pull ??= this.#readOne().finally(() => {
      this.#pull = undefined;
    });
    return this.#pull;
  }

  async #readOne(): Promise<void> {
    try {
      const { batches } = await this.#stream;
      const result = await batches.next();
      if (result.done === true) this.#finish(undefined);
      else this.#batches.push(result.value);
    } catch (thrown) {
      this.#finish(chatErrorFrom(thrown));
    }
  }

  #abandon(): void {
    const error = new ChatError("CANCELLED", "every caller left");
    this.#stop.abort(error);
    void this.#stream.then(({ batches }) => batches.return?.()).catch(() => undefined);
    this.#finish(error);
  }

  #finish(error: ChatError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#onEnd();
  }
}
