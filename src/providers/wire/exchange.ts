import type { Dispatcher } from "undici";
import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import { failureFromTransport } from "./transport-failure.ts";

/** Upstream headers, lower-case names. */
export type WireHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The head of an upstream answer, and its body still to be read. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: WireHeaders;
  readonly body: WireBody;
}

/** A body that is pulled: what has arrived is held up to a bound, then the socket waits. */
export interface WireBody {
  /** All chunks that came since the last call, at least one; undefined at the body's end. Rejects with a ChatError. */
  read(): Promise<readonly Buffer[] | undefined>;
  /** Everything to the end. More than `bytesMax` is UPSTREAM_PROTOCOL. */
  all(bytesMax: number): Promise<Buffer>;
  /** Closes the socket unless the body was read to its end. */
  close(): void;
}

/** Bytes held for a reader that does not keep up, before the upstream is made to wait. */
const heldBytesMax = 256 * 1024;

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** One request and its answer: undici's callbacks on one side, promises on the other. */
export class Exchange implements Dispatcher.DispatchHandler, WireBody {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #idleMs: number;
  readonly #head: Waiter<WireAnswer>;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #held = 0;
  #reader: Waiter<readonly Buffer[] | undefined> | undefined;
  #done = false;
  #failure: ChatError | undefined;
  #lastByteMs = 0;
  #cancelIdle: (() => void) | undefined;

  constructor(options: { readonly clock: Clock; readonly signal: AbortSignal; readonly idleMs: number }, head: Waiter<WireAnswer>) {
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#idleMs = options.idleMs;
    this.#head = head;
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) controller.abort(this.#failure);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: WireHeaders): void {
    if (status < 200) return;
    this.#lastByteMs = this.#clock.now();
    this.#head.resolve({ status, headers, body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#lastByteMs = this.#clock.now();
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#reader !== undefined) this.#deliver();
    else if (this.#held > heldBytesMax) controller.pause();
  }

  onResponseEnd(): void {
    this.#finish(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish(this.#failure ?? failureFromTransport(error));
  }

  read(): Promise<readonly Buffer[] | undefined> {
    if (this.#chunks.length > 0) return Promise.resolve(this.#take());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#done) return Promise.resolve(undefined);
    // Only who waits needs a watch, and most whole answers are there before anybody waits.
    if (this.#cancelIdle === undefined) this.#watchIdle(this.#idleMs);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  async all(bytesMax: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (let chunks = await this.read(); chunks !== undefined; chunks = await this.read()) {
      for (const chunk of chunks) {
        parts.push(chunk);
        bytes += chunk.length;
      }
      if (bytes > bytesMax) {
        this.close();
        throw new ChatError("UPSTREAM_PROTOCOL", `the upstream's answer is larger than ${bytesMax} bytes`);
      }
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, bytes);
  }

  close(): void {
    if (this.#done) return;
    this.#abort(new ChatError("CANCELLED", "the answer is no longer wanted"));
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#signal;
    this.#abort(reason instanceof ChatError ? reason : new ChatError("CANCELLED", "the call was aborted", { cause: reason }));
  };

  /** Ends the exchange now, whether or not undici has begun it: a request still in the pool's queue is dropped when its turn comes. */
  #abort(error: ChatError): void {
    if (this.#done) return;
    this.#failure = error;
    this.#controller?.abort(error);
    this.#finish(error);
  }

  #finish(error: ChatError | undefined): void {
    if (this.#done) return;
    this.#done = true;
    this.#failure = error;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#cancelIdle?.();
    if (error !== undefined) this.#head.reject(error);
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return;
    if (error === undefined) reader.resolve(undefined);
    else reader.reject(error);
  }

  #deliver(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(this.#take());
  }

  #take(): readonly Buffer[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#held = 0;
    if (this.#controller?.paused === true) {
      // It was silent because it was made to: its time begins anew.
      this.#lastByteMs = this.#clock.now();
      this.#controller.resume();
    }
    return chunks;
  }

  /** One timer that looks again when it fires, instead of one that every chunk moves. */
  #watchIdle(ms: number): void {
    this.#cancelIdle = this.#clock.after(ms, () => {
      // A reader that is slow leaves bytes waiting here: that silence is not the upstream's.
      const silentMs = this.#chunks.length > 0 ? 0 : this.#clock.now() - this.#lastByteMs;
      if (silentMs >= this.#idleMs) this.#abort(new ChatError("TIMEOUT", `the upstream sent nothing for ${this.#idleMs} ms`));
      else this.#watchIdle(this.#idleMs - silentMs);
    });
  }
}
