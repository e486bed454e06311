import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Standing } from "../core/limits.ts";
import type { BudgetPeriod } from "./budget-period.ts";

/** How long a call waits for money that others have set aside, where none of them comes to its end meanwhile. */
export const patienceMs = 5000;
/** How long it waits where they do. */
export const waitMsMax = 30_000;
/** Calls of a key that may wait; more are sent away at once. */
export const waitersMax = 1000;
/** Whoever waited in vain may try again after so long: nobody knows when the money comes back. */
const retryAfterMs = 1000;
/** How long the ledger may take to say what was spent. */
export const loadMsMax = 5000;

/** More than there is: a budget that is none. */
const endless = 10n ** 30n;

/** Money of one period, in 10^-12 US dollars. */
interface Term extends BudgetPeriod {
  spent: bigint;
  reserved: bigint;
  /** Whether what was spent before is in `spent`. */
  loaded: boolean;
}

/** Money of a running call, as it is counted. */
interface Held {
  /** That it is settled in; another one, once the budget's period is another. */
  term: Term;
  picoUsd: bigint;
  readonly sinceWall: number;
}

/** A budget as it is now. */
export interface BudgetTerms {
  /** 10^-12 US dollars. */
  readonly picoUsd: bigint;
  readonly period: BudgetPeriod;
  /** For people: whose it is, how much and until when. */
  readonly text: () => string;
}

/** A call that wants money. */
export interface Ask {
  /** What it may cost at most; see `Limits.reserve`. */
  readonly most: () => bigint;
  readonly signal: AbortSignal;
}

/** Money that was set aside. */
export interface Purse {
  readonly picoUsd: bigint;
  /** See `Reservation`. */
  extend(picoUsd: bigint): bigint;
  /** Without effect after the first time. */
  settle(usedPicoUsd: bigint): void;
}

type Verdict = Purse | ChatError;

interface Waiter {
  readonly ask: Ask;
  /** Ends the wait. */
  readonly settle: (verdict: Verdict) => void;
}

/**
 * The money of one key. A call gets what it asks for as long as it is there; where it is there but for what others have set aside,
 * the call waits for them, first come first served; and where nobody else has anything set aside, one call gets what is left. So
 * that no estimate keeps money from being spent, and none lets more be spent than there is.
 */
export class KeyBudget {
  readonly #clock: Clock;
  readonly #spentSince: (sinceWall: number) => Promise<bigint>;
  readonly #waiters = new Set<Waiter>();
  readonly #running = new Set<Held>();
  #terms: BudgetTerms;
  #term: Term;
  #loading: Promise<void> | undefined;
  /** When a call was settled last. */
  #settledMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, terms: BudgetTerms, spentSince: (sinceWall: number) => Promise<bigint>) {
    this.#clock = clock;
    this.#spentSince = spentSince;
    this.#terms = terms;
    this.#term = newTerm(terms.period);
  }

  /** What holds from now on. Another period begins anew; what was set aside in the one before is settled there. */
  renew(terms: BudgetTerms): void {
    const isMore = terms.picoUsd > this.#terms.picoUsd;
    this.#terms = terms;
    if (!isSame(terms.period, this.#term)) {
      this.#begin(terms.period);
      // Who waits, waits for the new one's money; who asks next hears why it cannot be told.
      if (this.#waiters.size > 0) this.#load().catch(() => undefined);
    } else if (isMore) this.#admitWaiters();
  }

  /** There is no budget for the time being: nobody waits for money any more, and what is spent meanwhile the ledger alone knows. */
  lapse(): void {
    this.#terms = { ...this.#terms, picoUsd: endless };
    this.#admitWaiters();
    this.#begin(this.#term);
  }

  /** BUDGET_EXHAUSTED; undefined: it is not spent, as far as is known. */
  exhausted(): ChatError | undefined {
    const { loaded, spent } = this.#term;
    return loaded && spent >= this.#terms.picoUsd ? new ChatError("BUDGET_EXHAUSTED", this.#terms.text()) : undefined;
  }

  /** Rejects with the signal's reason. */
  reserve(ask: Ask): Verdict | Promise<Verdict> {
    if (!this.#term.loaded) return this.#loadThenReserve(ask);
    // Those who wait came first.
    const verdict = this.#waiters.size === 0 ? this.#verdictOn(ask) : undefined;
    if (verdict !== undefined) return verdict;
    if (this.#waiters.size >= waitersMax) return heldByOthers(`${waitersMax} calls wait for it already`);
    return this.#wait(ask);
  }

  /** Undefined: it is not known, or not of this period. */
  standingIn(period: BudgetPeriod): Standing | undefined {
    return this.#term.loaded && isSame(period, this.#term) ? this.standing() : undefined;
  }

  standing(): Standing {
    return { spentPicoUsd: this.#term.spent, reservedPicoUsd: this.#term.reserved };
  }

  /** Nobody waits, and nothing is set aside. */
  get idle(): boolean {
    return this.#waiters.size === 0 && this.#running.size === 0 && this.#loading === undefined;
  }

  /** Undefined: it has to wait. */
  #verdictOn({ most }: Ask): Verdict | undefined {
    const no = this.exhausted();
    if (no !== undefined) return no;
    const term = this.#term;
    const free = this.#terms.picoUsd - term.spent - term.reserved;
    const wanted = most();
    if (wanted <= free) return this.#purse(term, wanted);
    return term.reserved === 0n ? this.#purse(term, free) : undefined;
  }

  /** What is spent is asked for anew. Calls that run and began in it are settled in it: of a month they may be in a day, too. */
  #begin(period: BudgetPeriod): void {
    const next = newTerm(period);
    const isLater = period.startWall >= this.#term.endWall;
    for (const held of this.#running) {
      if (isLater || held.sinceWall < period.startWall) continue;
      held.term = next;
      next.reserved += held.picoUsd;
    }
    this.#term = next;
    this.#loading = undefined;
  }

  #purse(term: Term, picoUsd: bigint): Purse {
    term.reserved += picoUsd;
    const held: Held = { term, picoUsd, sinceWall: this.#clock.wall() };
    this.#running.add(held);
    return {
      get picoUsd() {
        return held.picoUsd;
      },
      extend: (wanted) => {
        const free = this.#terms.picoUsd - held.term.spent - held.term.reserved;
        if (!this.#running.has(held) || free <= 0n) return 0n;
        const more = wanted < free ? wanted : free;
        held.term.reserved += more;
        held.picoUsd += more;
        return more;
      },
      settle: (used) => {
        if (!this.#running.delete(held)) return;
        held.term.reserved -= held.picoUsd;
        // Whoever asks the ledger from now on is told of this by it; whoever asked before may not be.
        if (held.term.loaded || this.#loading !== undefined) held.term.spent += used;
        this.#settledMs = this.#clock.now();
        this.#admitWaiters();
      },
    };
  }

  #admitWaiters(): void {
    if (!this.#term.loaded) return;
    for (const waiter of this.#waiters) {
      const verdict = this.#verdictOn(waiter.ask);
      if (verdict === undefined) return;
      waiter.settle(verdict);
    }
  }

  #wait(ask: Ask): Promise<Verdict> {
    const { signal } = ask;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const sinceMs = this.#clock.now();
      let cancelTimer: (() => void) | undefined;
      const leave = (): void => {
        this.#waiters.delete(waiter);
        cancelTimer?.();
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason);
        // Who stood behind it may need less.
        this.#admitWaiters();
      };
      const waiter: Waiter = {
        ask,
        settle(verdict) {
          leave();
          resolve(verdict);
        },
      };
      const look = (): void => {
        const nowMs = this.#clock.now();
        const untilMs = Math.min(Math.max(sinceMs, this.#settledMs) + patienceMs, sinceMs + waitMsMax);
        if (nowMs < untilMs) cancelTimer = this.#clock.after(untilMs - nowMs, look);
        else {
          waiter.settle(heldByOthers("it is set aside for calls that run"));
          this.#admitWaiters();
        }
      };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
      look();
    });
  }

  async #loadThenReserve(ask: Ask): Promise<Verdict> {
    try {
      await untilAborted(this.#load(), ask.signal);
    } catch (cause) {
      if (ask.signal.aborted) throw ask.signal.reason;
      return unknownSpending(cause);
    }
    return this.reserve(ask);
  }

  /** One question for all who want to know. */
  #load(): Promise<void> {
    if (this.#loading !== undefined) return this.#loading;
    const term = this.#term;
    const late = Promise.withResolvers<never>();
    const cancelTimer = this.#clock.after(loadMsMax, () => late.reject(new Error(`no answer within ${loadMsMax} ms`)));
    const loading = Promise.race([this.#spentSince(term.startWall), late.promise])
      .then((spent) => {
        term.spent += spent;
        term.loaded = true;
        this.#admitWaiters();
      })
      .finally(() => {
        cancelTimer();
        if (this.#loading === loading) this.#loading = undefined;
      });
    this.#loading = loading;
    return loading;
  }
}

/** There may be money for a call later. */
export function heldByOthers(why: string): ChatError {
  return new ChatError("CALLER_RATE_LIMITED", `what is left of the budget is not enough for this call now: ${why}`, { retryAfterMs });
}

/** Nobody can say how much money there is. */
export function unknownSpending(cause?: unknown, text = "what the key has spent cannot be looked up"): ChatError {
  return new ChatError("STORE_UNAVAILABLE", text, { cause, retryAfterMs });
}

function isSame(one: BudgetPeriod, other: BudgetPeriod): boolean {
  return one.startWall === other.startWall && one.endWall === other.endWall;
}

function newTerm(period: BudgetPeriod): Term {
  const { startWall, endWall } = period;
  return { startWall, endWall, spent: 0n, reserved: 0n, loaded: false };
}

function untilAborted(pending: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    void pending.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
