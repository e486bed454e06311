import type { ChatError, Failure } from "../core/error.ts";

/** No upstream may send a target away for longer, whatever its Retry-After says. */
const toldMsMax = 3_600_000;
/** After the first RATE_LIMITED without a wait; doubles with each refusal in a row. */
const guessMs = 1_000;
const guessMsMax = 60_000;
/** New calls come back up to that share of the wait later, and not all replicas at the same moment. */
const jitter = 0.1;

/**
 * The axis of a target that says it is asked too much: until when it wants to be left alone. What it once said is never
 * shortened, neither by a later word nor by a success of another call.
 */
export class Cooldown {
  readonly #random: () => number;
  #toldUntilMs = 0;
  #untilMs = 0;
  #sinceMs = 0;
  #reason: Failure | undefined;
  #refusalsInRow = 0;
  #refusedMs = Number.NEGATIVE_INFINITY;

  /** `random` gives [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** An attempt that began at `beganMs` was refused for a while, or failed otherwise; answers whether that extended the wait. */
  refused({ failure, retryAfterMs }: ChatError, beganMs: number, nowMs: number): boolean {
    if (failure !== "RATE_LIMITED" && failure !== "OVERLOADED") return false;
    // Attempts that ran beside the first refusal belong to the same event; only one that dared after it makes it worse.
    if (beganMs >= this.#refusedMs) {
      this.#refusalsInRow += 1;
      this.#refusedMs = nowMs;
    }
    const guess = failure === "RATE_LIMITED" ? Math.min(guessMs * 2 ** (this.#refusalsInRow - 1), guessMsMax) : 0;
    const wait = retryAfterMs !== undefined && retryAfterMs > 0 ? Math.min(retryAfterMs, toldMsMax) : guess;
    const until = nowMs + wait;
    if (until <= this.#toldUntilMs || wait === 0) return false;
    if (!this.holds(nowMs)) this.#sinceMs = nowMs;
    this.#reason = failure;
    this.#toldUntilMs = until;
    this.#untilMs = Math.max(this.#untilMs, until + wait * jitter * this.#random());
    return true;
  }

  /** An attempt succeeded: the next refusal is a first one again. */
  succeeded(): void {
    this.#refusalsInRow = 0;
  }

  /** Whether it was asked to be left alone now: the bare word, for the call that has sat it out. */
  holds(nowMs: number): boolean {
    return nowMs < this.#toldUntilMs;
  }

  /** Until when new calls leave it alone; undefined: they do not. */
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

  /** Ends it. */
  reset(): void {
    this.#toldUntilMs = 0;
    this.#untilMs = 0;
    this.#refusalsInRow = 0;
    this.#refusedMs = Number.NEGATIVE_INFINITY;
  }
}
