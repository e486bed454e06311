import type { Call } from "../core/call.ts";
import type { Batch } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { type ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler } from "../core/handler.ts";
import { type FlightReader, Seat } from "./seat.ts";

/** Batches that may be behind a newcomer; a flight that is further on takes no one more aboard. */
const joinBatchesMax = 512;
/** Batches that everybody has read are dropped so many at a time. */
const dropBatches = 64;
/** Longest that the last caller's end waits for the upstream's: they are microtasks apart, unless a room overlooks its abort. */
const farewellMs = 1000;

/** What the rooms behind see. Its deadline is the latest of those aboard, and moves as they come and go. */
interface SharedCall extends Omit<Call, "deadline" | "deadlineByCaller"> {
  deadline: number;
  deadlineByCaller: boolean;
}

/**
 * One upstream answer with several readers. It is pulled by whoever is furthest on, has an abort of its own, and ends
 * early only when the last reader has left, for that reader's reason: with one reader it is as a call without a flight.
 * It needs no timer, because each reader leaves at its own deadline.
 */
export class Flight {
  readonly #stop = new AbortController();
  readonly #leader: Call;
  readonly #call: SharedCall;
  readonly #clock: Clock;
  readonly #stream: Promise<ChatStream>;
  /** Set with the first content. */
  #answer: ChatStream | undefined;
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
    this.#leader = call;
    this.#clock = clock;
    this.#onEnd = onEnd;
    // Who left while the cache was asked has no upstream called.
    if (call.signal.aborted) this.#stop.abort(call.signal.reason);
    this.#call = { ...call, signal: this.#stop.signal };
    this.#stream = next(this.#call);
    this.#stream.then(
      (answer) => {
        this.#answer = answer;
        // Content that came in the same moment as the last reader left.
        if (this.#ended) leave(answer);
      },
      (thrown: unknown) => {
        this.#finish(chatErrorFrom(thrown));
      },
    );
  }

  /** The first caller's seat. */
  lead(): FlightReader {
    return this.#seat(this.#leader);
  }

  /**
   * A seat for one more; undefined: too late. Nobody boards after the first caller's deadline: an upstream that hangs
   * would be kept by newcomers for ever, and would hang for all of them.
   */
  join(call: Call): FlightReader | undefined {
    const isFar = this.#first + this.#batches.length > joinBatchesMax;
    if (this.#ended || isFar || this.#clock.now() >= this.#leader.deadline) return undefined;
    if (call.deadline > this.#call.deadline) this.#takeDeadline(call);
    return this.#seat(call);
  }

  #takeDeadline({ deadline, deadlineByCaller }: Call): void {
    this.#call.deadline = deadline;
    this.#call.deadlineByCaller = deadlineByCaller;
  }

  #seat(call: Call): Seat {
    const seat: Seat = new Seat(call, {
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
      left: (reason) => this.#left(seat, reason),
      farewell: (reason) => this.#farewell(reason),
    });
    this.#seats.add(seat);
    this.#owner ??= seat;
    return seat;
  }

  #left(seat: Seat, reason: ChatError): boolean {
    this.#seats.delete(seat);
    // Once the flight is over its attempts are complete, and stay with who told of them last.
    if (this.#ended) return false;
    const [other] = this.#seats;
    if (other === undefined) {
      this.#abandon(reason);
      return true;
    }
    if (this.#owner === seat) this.#owner = other;
    if (seat.call.deadline >= this.#call.deadline) this.#takeDeadline(this.#latest(other).call);
    return false;
  }

  #latest(seat: Seat): Seat {
    let latest = seat;
    for (const each of this.#seats) if (each.call.deadline > latest.call.deadline) latest = each;
    return latest;
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

  #abandon(reason: ChatError): void {
    this.#stop.abort(reason);
    // At once: the last reader tells of the attempt in this very moment.
    if (this.#answer !== undefined) leave(this.#answer);
    this.#finish(reason);
  }

  /** What the last reader is told where no content came: its reason, with all that was tried. */
  #farewell(reason: ChatError): Promise<ChatError> {
    const told = Promise.withResolvers<ChatError>();
    const cancelTimer = this.#clock.after(farewellMs, () => told.resolve(reason));
    this.#stream.then(
      ({ source }) => {
        cancelTimer();
        reason.attempts = source.attempts;
        told.resolve(reason);
      },
      (thrown: unknown) => {
        cancelTimer();
        told.resolve(chatErrorFrom(thrown));
      },
    );
    return told.promise;
  }

  #finish(error: ChatError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#onEnd();
    for (const seat of this.#seats) seat.wake();
  }
}

/** Its iterator closes the upstream; what it throws on its way out has nobody to go to. */
function leave({ batches }: ChatStream): void {
  void Promise.resolve(batches.return?.()).catch(() => undefined);
}
