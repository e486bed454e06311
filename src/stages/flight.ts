import type { Call, Source } from "../core/call.ts";
import type { Batch } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler } from "../core/handler.ts";

/** Batches that may be behind a newcomer; a flight that is further on takes no one more aboard. */
const joinBatchesMax = 512;
/** Batches that everybody has read are dropped so many at a time. */
const dropBatches = 64;

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

/**
 * One upstream answer with several readers. It is pulled by whoever is furthest on, has an abort of its own, and ends
 * early only when the last reader has left.
 */
export class Flight {
  readonly #stop = new AbortController();
  readonly #stream: Promise<ChatStream>;
  readonly #leaderSignal: AbortSignal;
  readonly #onEnd: () => void;
  readonly #seats = new Set<Seat>();
  /** The batches from number `#first` on. */
  readonly #batches: Batch[] = [];
  #first = 0;
  #owner: Seat | undefined;
  #pulling = false;
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
    return this.#ended || this.#first + this.#batches.length > joinBatchesMax ? undefined : this.#seat(signal);
  }

  #seat(signal: AbortSignal): Seat {
    const seat: Seat = new Seat(signal, {
      stream: this.#stream,
      batch: (number) => this.#batches[number - this.#first],
      pull: () => this.#pull(),
      end: () => (this.#ended ? { error: this.#error } : undefined),
      owns: () => this.#owner === seat,
      claim: () => {
        if (this.#owner !== seat) return false;
        this.#owner = undefined;
        return true;
      },
      left: () => this.#left(seat),
    });
    this.#seats.add(seat);
    this.#owner ??= seat;
    return seat;
  }

  #left(seat: Seat): void {
    this.#seats.delete(seat);
    const [other] = this.#seats;
    // Once the flight is over its attempts are complete, and stay with who told of them last.
    if (this.#ended) return;
    if (other === undefined) this.#abandon();
    else if (this.#owner === seat) this.#owner = other;
  }

  /** One read of the upstream at a time, whoever asks for it. */
  #pull(): void {
    if (this.#pulling || this.#ended) return;
    this.#pulling = true;
    this.#stream
      .then(({ batches }) => batches.next())
      .then(
        (result) => {
          this.#pulling = false;
          if (result.done === true) this.#finish(undefined);
          else this.#batches.push(result.value);
          for (const seat of this.#seats) seat.wake();
          this.#drop();
        },
        (thrown: unknown) => {
          this.#pulling = false;
          this.#finish(chatErrorFrom(thrown));
        },
      );
  }

  /** Once nobody can join any more, what all have read is no longer needed. */
  #drop(): void {
    if (this.#first + this.#batches.length <= joinBatchesMax) return;
    let read = Number.POSITIVE_INFINITY;
    for (const seat of this.#seats) read = Math.min(read, seat.at);
    const drop = read - this.#first;
    if (drop < dropBatches || !Number.isFinite(drop)) return;
    this.#batches.splice(0, drop);
    this.#first = read;
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
    for (const seat of this.#seats) seat.wake();
  }
}

/** What a seat sees of its flight. */
interface View {
  readonly stream: Promise<ChatStream>;
  batch(number: number): Batch | undefined;
  pull(): void;
  /** Undefined: it is under way. */
  end(): { readonly error: ChatError | undefined } | undefined;
  owns(): boolean;
  claim(): boolean;
  left(): void;
}

class Seat implements FlightReader {
  /** Number of the next batch. */
  at = 0;
  readonly #signal: AbortSignal;
  readonly #flight: View;
  #seated = true;
  #waiter: { resolve(result: IteratorResult<Batch>): void; reject(error: ChatError): void } | undefined;
  #interrupt: ((error: ChatError) => void) | undefined;

  constructor(signal: AbortSignal, flight: View) {
    this.#signal = signal;
    this.#flight = flight;
    signal.addEventListener("abort", this.#onAbort, { once: true });
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
    if (this.#signal.aborted) this.#onAbort();
    return new Promise((resolve, reject) => {
      if (!this.#seated) {
        reject(chatErrorFrom(this.#signal.reason));
        return;
      }
      this.#interrupt = reject;
      this.#flight.stream.then(({ source }) => resolve(source), reject);
    });
  }

  next(): Promise<IteratorResult<Batch>> {
    if (!this.#seated)
      return this.#signal.aborted ? Promise.reject(chatErrorFrom(this.#signal.reason)) : Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.wake();
      if (this.#waiter !== undefined) this.#flight.pull();
    });
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#leave();
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
    this.#leave();
    if (end?.error === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(end.error);
  }

  readonly #onAbort = (): void => {
    const error = chatErrorFrom(this.#signal.reason);
    this.#leave();
    this.#interrupt?.(error);
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  };

  #leave(): void {
    if (!this.#seated) return;
    this.#seated = false;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#flight.left();
  }
}
