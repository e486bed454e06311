import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import type { Arrival, Arrivals } from "../arrivals.ts";
import { bodyMs } from "../body.ts";

/** Bytes of a control frame from a client besides what it carries: head, length, mask (RFC 6455, 5.2). */
const controlBytes = 6;

/** What an inflow stands on. */
export interface InflowParts {
  readonly clock: Pick<Clock, "after">;
  readonly arrivals: Pick<Arrivals, "begin">;
  /** The message may not go on: there is no room for it beside all others, it takes too long, or the process goes away. */
  readonly onExcess: (error: ChatError) => void;
}

/**
 * The message that is on its way in on one socket: as much memory as the body of a request, and bounded as one. What follows a message
 * within the same read of the socket is not counted before more of it comes.
 */
export class Inflow {
  readonly #parts: InflowParts;
  #bytes = 0;
  #whole = false;
  #arrival: Arrival | undefined;
  #cancelTimer = (): void => {};

  constructor(parts: InflowParts) {
    this.#parts = parts;
  }

  /** A message is whole; told before `came` is told of the bytes that made it so. */
  message(): void {
    this.#whole = true;
  }

  /** A ping or a pong that carried so many bytes; likewise. */
  control(bytes: number): void {
    this.#bytes -= bytes + controlBytes;
  }

  /** The socket has brought so many bytes, which have been looked at. */
  came(bytes: number): void {
    this.#bytes = this.#whole ? 0 : Math.max(0, this.#bytes + bytes);
    this.#whole = false;
    if (this.#bytes === 0) {
      this.end();
      return;
    }
    const { clock, arrivals, onExcess } = this.#parts;
    if (this.#arrival === undefined) {
      this.#arrival = arrivals.begin(onExcess);
      this.#cancelTimer = clock.after(bodyMs, () => {
        onExcess(new ChatError("INVALID_REQUEST", `the frame did not arrive within ${bodyMs / 1000} s`));
      });
    }
    const refusal = this.#arrival.take(bytes);
    if (refusal !== undefined) onExcess(refusal);
  }

  /** Nothing more will come. */
  end(): void {
    this.#cancelTimer();
    this.#arrival?.end();
    this.#arrival = undefined;
  }
}
