import type { Call, Key, KeyId } from "./call.ts";
import type { ChatError } from "./error.ts";

/** What a key can be limited in; a metric label. */
export const limitKinds = ["requests", "tokens", "concurrency", "budget"] as const;

/** One of them. */
export type LimitKind = (typeof limitKinds)[number];

/** What a call uses up. */
export interface Spend {
  /** Input and output. */
  readonly tokens: number;
  /** 10^-12 US dollars. */
  readonly picoUsd: bigint;
}

/** A call's place among those of its key; to be given back exactly once. */
export interface Place {
  /** `refused`: it was turned away after all, and does not count as a request. */
  release(refused: boolean): void;
}

/** What is set aside for one call, until it is known what it used. A shared form's expire where their process died. */
export interface Reservation {
  /** 10^-12 US dollars set aside now. */
  readonly picoUsd: bigint;
  /** Sets more aside, as far as there is money: how much it was, 0 where there was none. */
  extend(picoUsd: bigint): bigint | Promise<bigint>;
  /** Whether there was none the last time because nobody could be asked; absent: there is always somebody. */
  readonly unasked?: boolean;
  /** Gives back what was set aside, and counts what was used; to be called exactly once. */
  settle(used: Spend): void;
}

/** How one of a key's limits a minute stands. */
export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until all of it is there again. */
  readonly resetMs: number;
}

/** How those of a key stand; what it is not limited in is absent. */
export interface Allowances {
  readonly requests?: Allowance;
  readonly tokens?: Allowance;
  /** When it was so; milliseconds since the epoch. */
  readonly wallMs: number;
}

/** The money of a key in its budget's present period, in 10^-12 US dollars. */
export interface Standing {
  readonly spentPicoUsd: bigint;
  readonly reservedPicoUsd: bigint;
}

/**
 * What keys may use. A shared form has to ask somebody, and answers with promises; the one in this process answers at once
 * unless a call has to wait. Refusals are CALLER_RATE_LIMITED with a wait, BUDGET_EXHAUSTED, REQUEST_TOO_LARGE for what no wait
 * lets pass, and STORE_UNAVAILABLE where nobody can say what was spent.
 */
export interface Limits {
  /** Why the key's next call would be refused for certain, before it is read; counts nothing. Undefined: perhaps it would not. */
  exhausted(this: void, key: Key): ChatError | undefined;
  /** Counts a call, and gives it a place. Only for keys with limits. */
  enter(call: Call): Place | ChatError | Promise<Place | ChatError>;
  /**
   * Sets aside what a call is going to use at most. Asked for anew while the call waits for the money, for what is known of such
   * calls may have changed meanwhile. Rejects with the signal's reason. Only for keys with limits.
   */
  reserve(call: Call, most: () => Spend): Reservation | ChatError | Promise<Reservation | ChatError>;
  /** Undefined: the key is limited in none of them. */
  allowances(this: void, key: Key): Allowances | undefined;
}

/** What a key has spent since a time, by the ledger, in 10^-12 US dollars. `sinceWall` is the beginning of a day in UTC, in milliseconds since the epoch. */
export type SpentSince = (key: KeyId, sinceWall: number) => Promise<bigint>;

/** What earlier calls have taught of the size of answers. Bounded. */
export interface AnswerSizes {
  /** Output tokens of a choice of the longest among the latest answers; undefined: there was none. `asked`: as the caller calls the model. */
  longest(key: KeyId, asked: string): number | undefined;
  /** What answers of a target lately cost, over what was reckoned from the text that came; 1 where nothing is known. */
  correction(target: string): number;
  learn(answer: SizedAnswer): void;
}

/** An answer that came to its good end. */
export interface SizedAnswer {
  readonly key: KeyId;
  readonly asked: string;
  readonly target: string;
  /** Output tokens of a choice. */
  readonly tokens: number;
  /** What it cost, over what was reckoned from its text; undefined: nobody reckoned. */
  readonly ratio: number | undefined;
}
