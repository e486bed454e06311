import type { Call, Source } from "../core/call.ts";
import type { Batch } from "../core/chat.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream } from "../core/handler.ts";

/** One caller's seat in a flight. */
export interface FlightReader extends AsyncIterableIterator<Batch> {
  /** Settles with the first content. */
  source(): Promise<Source>;
  /**
   * Whether what was tried upstream is told by this caller: the first one, or whoever stayed when it left. So each
   * attempt is told by one call, and by one only.
   */
  owns(): boolean;
  /** As `owns`, and true to one caller at most: for a flight that failed before anybody had content. */
  claim(): boolean;
}

/** See `FlightReader`. Its caller may leave at any time; it is given up with the last. */
export class Seat implements FlightReader {
  /** Number of the next batch. */
  at = 0;
  readonly call: Call;
  readonly #flight: FlightView;
  #seated = true;
  /** Set with the first content. */
  #source: Source | undefined;
  /** Why it left before the end. */
  #why: ChatError | undefined;
  #waiter: { resolve(result: IteratorResult<Batch>): void; reject(error: ChatError): void } | undefined;
  #interrupt: ((error: ChatError) => void) | undefined;

  constructor(call: Call, flight: FlightView) {
    this.call = call;
    this.#flight = flight;
    call.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  owns(): boolean {
    return this.#flight.owns();
  }

  claim(): boolean {
    return this.#flight.claim();
  }

  source(): Promise<Source> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.call.signal.aborted) this.#onAbort();
      this.#flight.stream.then(
        ({ source }) => {
          if (!this.#seated) return;
          this.#source = source;
          resolve(source);
        },
        (thrown: unknown) => {
          if (this.#seated) reject(chatErrorFrom(thrown));
        },
      );
    });
  }

  next(): Promise<IteratorResult<Batch>> {
    if (!this.#seated) return this.#why === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(this.#why);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.wake();
      if (this.#waiter !== undefined) this.#flight.pull();
    });
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#leave(cancelled());
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Gives the one who waits what there is by now. */
  wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const batch = this.#flight.batch(this.at);
    const end = batch === undefined ? this.#flight.end() : undefined;
    if (batch === undefined && end === undefined) return;
    this.#waiter = undefined;
    if (batch !== undefined) {
      this.at++;
      waiter.resolve({ done: false, value: batch });
      return;
    }
    const error = end?.error;
    // The flight is over: nobody asks for a reason.
    this.#leave(error ?? cancelled());
    if (error === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(error);
  }

  readonly #onAbort = (): void => {
    if (!this.#seated) return;
    const reason = chatErrorFrom(this.call.signal.reason);
    const wasLast = this.#leave(reason);
    if (this.#source === undefined) {
      if (wasLast) void this.#flight.farewell(reason).then(this.#interrupt);
      else this.#interrupt?.(reason);
      return;
    }
    this.#why = brokenOff(reason, this.#source);
    this.#waiter?.reject(this.#why);
    this.#waiter = undefined;
  };

  #leave(reason: ChatError): boolean {
    if (!this.#seated) return false;
    this.#seated = false;
    this.call.signal.removeEventListener("abort", this.#onAbort);
    return this.#flight.left(reason);
  }
}

/** What a seat sees of its flight. */
export interface FlightView {
  readonly stream: Promise<ChatStream>;
  batch(number: number): Batch | undefined;
  pull(): void;
  /** Undefined: it is under way. */
  end(): { readonly error: ChatError | undefined } | undefined;
  owns(): boolean;
  claim(): boolean;
  /** True: it was the last, and has ended the flight for this reason. */
  left(reason: ChatError): boolean;
  /** For the last where no content came. Never rejects. */
  farewell(reason: ChatError): Promise<ChatError>;
}

function cancelled(): ChatError {
  return new ChatError("CANCELLED", "the caller left");
}

/** After content, a time that is over breaks an answer off, as it does without a flight; a caller's own reasons keep their names. */
function brokenOff(reason: ChatError, { target }: Source): ChatError {
  if (reason.failure !== "TIMEOUT") return reason;
  return new ChatError("STREAM_INTERRUPTED", `the answer of target ${target.id} broke off: ${reason.message}`, { cause: reason });
}
