import { BreakerState } from "../core/chat.ts";
import { SlidingCounts } from "./sliding-counts.ts";

/** `resilience.circuit_breaker` of the configuration. */
export interface BreakerOptions {
  /** Failures in a row that trip it. Default 5. */
  readonly consecutiveFailures: number;
  /** Share of failures in the window that trips it. Default 0.5. */
  readonly failureRatio: number;
  /** Below that many calls in the window the share says nothing. Default 20. */
  readonly callsMin: number;
  /** Default 30,000 ms. */
  readonly windowMs: number;
  /** How long it stays open the first time; doubles with each failed trial. Default 5,000 ms. */
  readonly openMs: number;
  /** Never open for longer. Default 300,000 ms. */
  readonly openMsMax: number;
}

/** While the one trial runs nobody knows when it ends; a good guess for those who ask when to come back. */
const trialGuessMs = 1000;

/** So many attempts past the breaker are as good as a trial, and more than that are too many for a target that is down. */
export const insistedEnough = 4;

/**
 * A circuit breaker as a pure state machine over a passed time: no timer, no clock, no wrapped function. Ours and not
 * cockatiel's, because routing must read its state without calling through it, and because a stream's outcome comes long
 * after its start. Whoever is admitted gets a ticket and brings it back with the outcome. A ticket is the number of the state
 * it was drawn in: what began before the breaker tripped or closed says nothing about now and changes nothing.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #random: () => number;
  readonly #counts: SlidingCounts;
  #generation = 0;
  #failuresInRow = 0;
  /** Times it tripped since it was last closed. */
  #trips = 0;
  #openUntilMs: number | undefined;
  /** When it tripped first since it was last closed. */
  #sinceMs: number | undefined;
  #trialRuns = false;
  /** See `isHearsay`. */
  #isHearsay = false;
  /** Tickets of `insist` that were not brought back yet. */
  #insisted = 0;

  /** `random` gives [0, 1): the jitter of ±20 % that keeps replicas from trying at the same moment. */
  constructor(options: BreakerOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
    this.#counts = new SlidingCounts(options.windowMs);
  }

  /** Half-open from the end of the open time until a trial decides. */
  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === undefined) return BreakerState.CLOSED;
    return nowMs < this.#openUntilMs ? BreakerState.OPEN : BreakerState.HALF_OPEN;
  }

  /** Until when nobody is admitted; undefined: somebody would be. */
  barredUntilMs(nowMs: number): number | undefined {
    if (this.#openUntilMs === undefined) return undefined;
    if (nowMs < this.#openUntilMs) return this.#openUntilMs;
    return this.#isTried ? nowMs + trialGuessMs : undefined;
  }

  /** Since when it has not been closed; undefined: it is. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** It opened at one failure because others had said so, and has not closed since. */
  get isHearsay(): boolean {
    return this.#isHearsay;
  }

  /** A ticket, to be brought back by exactly one of the three below; undefined: not now. Half-open admits one at a time. */
  admit(nowMs: number): number | undefined {
    if (this.barredUntilMs(nowMs) !== undefined) return undefined;
    if (this.#openUntilMs !== undefined) this.#trialRuns = true;
    return this.#generation;
  }

  /**
   * A ticket past a breaker that does not admit, to be brought back by `insistedEnded` and, where it succeeded, to `succeeded`
   * before; undefined: so many run already. Its failure is nobody's news, and does not make the breaker stay open for longer.
   */
  insist(max: number): number | undefined {
    if (this.#insisted + (this.#trialRuns ? 1 : 0) >= max) return undefined;
    this.#insisted += 1;
    return this.#generation;
  }

  /** Exactly once for each ticket of `insist`, whatever came of it. */
  insistedEnded(): void {
    this.#insisted -= 1;
  }

  /** Closes a breaker that is not closed. */
  succeeded(ticket: number, nowMs: number): void {
    if (ticket !== this.#generation) return;
    if (this.#openUntilMs !== undefined) this.reset();
    this.#failuresInRow = 0;
    this.#counts.record(false, nowMs);
  }

  /**
   * Opens a half-open breaker again, and a closed one when it was one failure too many; `isForetold`: when it is any, for others have said
   * that there would be one.
   */
  failed(ticket: number, nowMs: number, isForetold = false): void {
    if (ticket !== this.#generation) return;
    this.#failuresInRow += 1;
    this.#counts.record(true, nowMs);
    if (this.#openUntilMs !== undefined || this.#isTooMuch(nowMs)) return this.#trip(nowMs);
    if (!isForetold) return;
    this.#isHearsay = true;
    this.#trip(nowMs);
  }

  /** Half-open from now on, however long it was to stay open. Without effect on one that is not open. */
  tryNow(nowMs: number): void {
    if (this.#openUntilMs !== undefined) this.#openUntilMs = Math.min(this.#openUntilMs, nowMs);
  }

  /** Says nothing about the target: a trial's place is free again. */
  abandoned(ticket: number): void {
    if (ticket === this.#generation) this.#trialRuns = false;
  }

  /** Closes it and forgets what was. */
  reset(): void {
    this.#generation += 1;
    this.#failuresInRow = 0;
    this.#trips = 0;
    this.#openUntilMs = undefined;
    this.#sinceMs = undefined;
    this.#trialRuns = false;
    this.#isHearsay = false;
    this.#counts.clear();
  }

  /** Enough attempts are under way to tell whether it may close. */
  get #isTried(): boolean {
    return this.#trialRuns || this.#insisted >= insistedEnough;
  }

  #isTooMuch(nowMs: number): boolean {
    const { consecutiveFailures, failureRatio, callsMin } = this.#options;
    if (this.#failuresInRow >= consecutiveFailures) return true;
    const calls = this.#counts.calls(nowMs);
    return calls >= callsMin && this.#counts.failures(nowMs) >= failureRatio * calls;
  }

  #trip(nowMs: number): void {
    const { openMs, openMsMax } = this.#options;
    const wait = Math.min(openMs * 2 ** this.#trips, openMsMax) * (0.8 + 0.4 * this.#random());
    this.#generation += 1;
    this.#trips += 1;
    this.#trialRuns = false;
    this.#sinceMs ??= nowMs;
    this.#openUntilMs = nowMs + Math.min(wait, openMsMax);
  }
}
