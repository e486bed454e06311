import type { KeyId } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { KeyBudget } from "./key-budget.ts";
import type { MinuteWindow } from "./minute-window.ts";

/** A key nobody has called with for so long, and of which nothing runs and nothing counts, is forgotten. */
const idleMs = 600_000;
/** Idle keys that are looked for when a new one comes. */
const sweep = 4;

/** What is counted of one key. */
export interface Account {
  seenMs: number;
  running: number;
  readonly requests: MinuteWindow;
  readonly tokens: MinuteWindow;
  /** Undefined: it has none, or nothing was asked of it. */
  budget: KeyBudget | undefined;
}

/** What is counted, by key. */
export interface Accounts<A> {
  /** Undefined: nothing is counted of it. */
  find(key: KeyId): A | undefined;
  /** Makes it where there is none. */
  at(key: KeyId): A;
  all(): Iterable<A>;
  size(): number;
}

/** How accounts come and go. */
export interface AccountRules<A> {
  readonly make: (key: KeyId, nowMs: number) => A;
  /** Whether it may be forgotten, as far as what counts longer than a minute is concerned. */
  readonly isIdle: (account: A) => boolean;
}

/** In the order in which their keys were last called with, so that the longest idle are found first. */
export function createAccounts<A extends { seenMs: number }>(clock: Clock, { make, isIdle }: AccountRules<A>): Accounts<A> {
  const accounts = new Map<KeyId, A>();
  const forgetIdle = (nowMs: number): void => {
    let looked = 0;
    for (const [id, account] of accounts) {
      if (looked++ === sweep || nowMs - account.seenMs < idleMs) return;
      accounts.delete(id);
      // After so long nothing counts in its windows any more.
      if (!isIdle(account)) accounts.set(id, account);
    }
  };
  return {
    find: (id) => accounts.get(id),
    at(id) {
      const nowMs = clock.now();
      const known = accounts.get(id);
      if (known !== undefined) {
        known.seenMs = nowMs;
        accounts.delete(id);
        accounts.set(id, known);
        return known;
      }
      forgetIdle(nowMs);
      const made = make(id, nowMs);
      accounts.set(id, made);
      return made;
    },
    all: () => accounts.values(),
    size: () => accounts.size,
  };
}
