import type { Socket } from "node:net";
import type { Dispatcher } from "undici";
import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import { readWhole, type WireAnswer, type WireBody, type WireHeaders } from "./body.ts";
import { failureFromTransport } from "./transport-failure.ts";

/** Bytes held for a reader that does not keep up, before the upstream is made to wait. */
const heldBytesMax = 256 * 1024;
/** Headers of an answer; their bytes are bounded by undici. */
const headersMax = 256;
/**
 * A connection that the upstream had closed while it was idle shows it within a round trip of the next request; one
 * that breaks later broke over the request. Idle connections are closed in an orderly way: a reset is a failure.
 */
const staleMs = 1000;
const staleCodes: ReadonlySet<unknown> = new Set(["UND_ERR_SOCKET", "EPIPE"]);

/** One of a pool's connections, over all the sockets it has in its life. */
export interface Line {
  /** Undefined while there is none yet. */
  socket: Socket | undefined;
  /** What is being connected; without pipelining for one exchange alone. Undefined: nothing is. */
  connecting: Socket | undefined;
  /** A request was begun on it, and nothing of its answer was read. */
  atHead: boolean;
}

/** What an exchange needs to know. */
export interface ExchangeOptions {
  readonly clock: Clock;
  /** Who is called, in the words of a message. */
  readonly who: string;
  readonly signal: AbortSignal;
  readonly idleMs: number;
  /** Sends the request once more, over a new connection. That one has not served yet, so it is not stale again. */
  readonly again: (exchange: Exchange) => void;
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** One request and its answer: undici's callbacks on one side, promises on the other. */
export class Exchange implements Dispatcher.DispatchHandler, WireBody {
  /** The connection it was given to; set by the pool before anything else happens. */
  line: Line | undefined;
  readonly #options: ExchangeOptions;
  readonly #head: Waiter<WireAnswer>;
  #controller: Dispatcher.DispatchController | undefined;
  #startedMs = 0;
  /** The connection had brought an answer before this one. */
  #used = false;
  /** How much of the answer came. */
  #came: "nothing" | "something" | "head" = "nothing";
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes of the body that are still to come; NaN: it does not say. */
  #left = Number.NaN;
  #reader: Waiter<readonly Buffer[] | undefined> | undefined;
  #done = false;
  #failure: ChatError | undefined;
  #lastByteMs = 0;
  #cancelIdle: (() => void) | undefined;

  constructor(options: ExchangeOptions, head: Waiter<WireAnswer>) {
    this.#options = options;
    this.#head = head;
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#startedMs = this.#options.clock.now();
    this.#used = (this.line?.socket?.bytesRead ?? 0) > 0;
    if (this.line !== undefined) this.line.atHead = true;
    if (this.#failure !== undefined) controller.abort(this.#failure);
  }

  onResponseStarted(): void {
    this.#came = "something";
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: WireHeaders): void {
    if (status < 200) return;
    this.#came = "head";
    this.#lastByteMs = this.#options.clock.now();
    this.#left = Number(headers["content-length"]);
    // Names and values by turns.
    if (Array.isArray(controller.rawHeaders) && controller.rawHeaders.length > 2 * headersMax)
      this.#abort(new ChatError("UPSTREAM_PROTOCOL", `${this.#options.who} sent more than ${headersMax} headers`));
    else this.#head.resolve({ status, headers, body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#lastByteMs = this.#options.clock.now();
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#left -= chunk.length;
    if (this.#reader !== undefined) this.#deliver();
    // After the last byte there is nothing to hold back, and undici would not see the end before the upstream's closing.
    else if (this.#held > heldBytesMax && this.#left !== 0) controller.pause();
  }

  onResponseEnd(): void {
    const socket = this.line?.socket;
    // An answer that came before the request was sent out: what is left of the request is not for the next one to wait behind.
    if (socket !== undefined && socket.writableLength > 0) socket.destroy();
    this.#finish(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#failure === undefined && this.#isStale(error)) {
      this.#options.again(this);
      return;
    }
    this.#finish(this.#failure ?? failureFromTransport(error, { who: this.#options.who, inHead: this.#came === "something" }));
  }

  read(): Promise<readonly Buffer[] | undefined> {
    if (this.#chunks.length > 0) return Promise.resolve(this.#take());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#done) return Promise.resolve(undefined);
    // Only who waits needs a watch, and most whole answers are there before anybody waits.
    if (this.#cancelIdle === undefined) this.#watchIdle(this.#options.idleMs);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  all(bytesMax: number): Promise<Buffer> {
    return readWhole(this, { who: this.#options.who, bytesMax });
  }

  close(): void {
    if (this.#done) return;
    this.#abort(new ChatError("CANCELLED", "the answer is no longer wanted"));
  }

  /**
   * Whether the request ran into a connection that the upstream had closed before it came: one that had served, that
   * brought no byte of an answer, and that showed it at once, or before the request had left at all.
   */
  #isStale(error: Error & { readonly code?: unknown }): boolean {
    if (this.#came !== "nothing" || !staleCodes.has(error.code)) return false;
    if (this.#controller === undefined) return (this.line?.socket?.bytesRead ?? 0) > 0;
    return this.#used && this.#options.clock.now() - this.#startedMs <= staleMs;
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#options.signal;
    this.#abort(reason instanceof ChatError ? reason : new ChatError("CANCELLED", "the call was aborted", { cause: reason }));
  };

  /**
   * Ends the exchange now, whether or not undici has begun it: a connection that is only being made for it is given up, and
   * a request still in the pool's queue is dropped when its turn comes.
   */
  #abort(error: ChatError): void {
    if (this.#done) return;
    this.#failure = error;
    if (this.#controller === undefined) this.line?.connecting?.destroy(error);
    else this.#controller.abort(error);
    this.#finish(error);
  }

  #finish(error: ChatError | undefined): void {
    if (this.#done) return;
    this.#done = true;
    this.#failure = error;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
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
      this.#lastByteMs = this.#options.clock.now();
      this.#controller.resume();
    }
    return chunks;
  }

  /** One timer that looks again when it fires, instead of one that every chunk moves. */
  #watchIdle(ms: number): void {
    const { clock, who, idleMs } = this.#options;
    this.#cancelIdle = clock.after(ms, () => {
      // A reader that is slow leaves bytes waiting here: that silence is not the upstream's.
      const silentMs = this.#chunks.length > 0 ? 0 : clock.now() - this.#lastByteMs;
      if (silentMs >= idleMs) this.#abort(new ChatError("TIMEOUT", `${who} sent nothing for ${idleMs} ms`));
      else this.#watchIdle(idleMs - silentMs);
    });
  }
}
