import type { ChatError, Failure } from "../core/error.ts";

/** No upstream may send a target away for longer, whatever its Retry-After says. */
const toldMsMax = 3_600_000;
/** After the first RATE_LIMITED without a wait; doubles with each refusal in a row. */
const guessMs = 1_000;
const guessMsMax = 60_000;
/**
 * The axis of a target that says it is asked too much: until when it wants to be left alone. What it once said is never
 * shortened, neither by a later word nor by a success of another call.
 */
export class Cooldown {
  #untilMs = 0;
  #sinceMs = 0;
  #reason: Failure | undefined;
  #isTold = false;
  #refusalsInRow = 0;
  #refusedMs = Number.NEGATIVE_INFINITY;

  /** An attempt that began at `beganMs` was refused for a while, or failed otherwise; answers whether that extended the wait. */
  refused({ failure, retryAfterMs }: ChatError, beganMs: number, nowMs: number): boolean {
    if (failure !== "RATE_LIMITED" && failure !== "OVERLOADED") return false;
    // Attempts that ran beside the first refusal belong to the same event; only one that dared after it makes it worse.
    if (beganMs >= this.#refusedMs) {
      this.#refusalsInRow += 1;
      this.#refusedMs = nowMs;
    }
    // A straggler of an event that a success has ended since is a first refusal, too.
    const doublings = Math.max(0, this.#refusalsInRow - 1);
    const guess = failure === "RATE_LIMITED" ? Math.min(guessMs * 2 ** doublings, guessMsMax) : 0;
    const isTold = retryAfterMs !== undefined && retryAfterMs > 0;
    const wait = isTold ? Math.min(retryAfterMs, toldMsMax) : guess;
    const until = nowMs + wait;
    if (until <= this.#untilMs || wait === 0) return false;
    if (!this.holds(nowMs)) this.#sinceMs = nowMs;
    this.#reason = failure;
    this.#isTold = isTold;
    this.#untilMs = until;
    return true;
  }

  /** An attempt succeeded: the next refusal is a first one again. */
  succeeded(): void {
    this.#refusalsInRow = 0;
  }

  /** Whether it was asked to be left alone now. */
  holds(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }

  /** Until when it wants to be left alone; undefined: it does not. To the moment that callers are told, so that what they are told is true. */
  untilMs(nowMs: number): number | undefined {
    return nowMs < this.#untilMs ? this.#untilMs : undefined;
  }

  /** Since when it wants to be left alone, or last did. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** What it last said; undefined: nothing yet. */
  get reason(): Failure | undefined {
    return this.#reason;
  }

  /** The wait is the upstream's own word, and not our guess. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** Ends it. */
  reset(): void {
    this.#untilMs = 0;
    this.#refusalsInRow = 0;
    this.#refusedMs = Number.NEGATIVE_INFINITY;
  }
}
