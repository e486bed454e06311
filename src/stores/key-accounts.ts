import type { KeyId } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { KeyBudget } from "./key-budget.ts";
import { MinuteWindow } from "./minute-window.ts";

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
export interface Accounts {
  /** Undefined: nothing is counted of it. */
  find(key: KeyId): Account | undefined;
  /** Makes it where there is none. */
  at(key: KeyId): Account;
  size(): number;
}

/**
 * In the order in which their keys were last called with, so that the longest idle are found first. What was spent is forgotten only
 * where `isKept` says that it is written down elsewhere.
 */
export function createAccounts(clock: Clock, isKept: boolean): Accounts {
  const accounts = new Map<KeyId, Account>();
  const forgetIdle = (nowMs: number): void => {
    let looked = 0;
    for (const [id, account] of accounts) {
      const { seenMs, running, budget } = account;
      if (looked++ === sweep || nowMs - seenMs < idleMs) return;
      accounts.delete(id);
      // After so long nothing counts in its windows any more.
      const isIdle = running === 0 && (budget === undefined || (isKept && budget.idle));
      if (!isIdle) accounts.set(id, account);
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
      const made: Account = { seenMs: nowMs, running: 0, requests: new MinuteWindow(), tokens: new MinuteWindow(), budget: undefined };
      accounts.set(id, made);
      return made;
    },
    size: () => accounts.size,
  };
}
