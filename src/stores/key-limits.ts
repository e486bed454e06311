import type { Call, Key, KeyLimits } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Allowance, Allowances, LimitKind, Limits, Place, Reservation, Spend, SpentSince, Standing } from "../core/limits.ts";
import { budgetPeriodAt } from "./budget-period.ts";
import { type Account, type Accounts, createAccounts } from "./key-accounts.ts";
import { KeyBudget, type Purse } from "./key-budget.ts";
import { callsNo, type No, requestsNo, termsOf, tokensNo } from "./key-refusals.ts";
import { MinuteWindow } from "./minute-window.ts";

/** The limits of all keys, as far as this process counts them. */
export interface ProcessLimits extends Limits {
  enter(call: Pick<Call, "key">): ReturnType<Limits["enter"]>;
  reserve(call: Pick<Call, "key" | "signal">, most: () => Spend): ReturnType<Limits["reserve"]>;
  /** Undefined: the key has no budget, or what it spent in the present period is not known here, as where it was not called with lately. */
  standing(this: void, key: Pick<Key, "id" | "limits">): Standing | undefined | Promise<Standing | undefined>;
  /** The key was changed: what it may use now counts at once, for calls that wait or run, too. */
  changed(this: void, key: Key): void;
  /** Calls refused since the start. */
  refusals(this: void, kind: LimitKind): number;
  /** Keys that are remembered. */
  size(): number;
}

/** What the limits stand on. */
export interface KeyLimitsParts {
  readonly clock: Clock;
  /** What was spent before this process, or before a key was forgotten. Default: nothing. */
  readonly spentSince?: SpentSince | undefined;
}

/** One for the process. What is allowed comes with each call's key, so that a reload counts at once and forgets nothing. */
export function createKeyLimits({ clock, spentSince }: KeyLimitsParts): ProcessLimits {
  const accounts = accountsOf({ clock, spentSince });
  const refused: Record<LimitKind, number> = { requests: 0, tokens: 0, concurrency: 0, budget: 0 };

  const budgetOf = (key: Key, limits: KeyLimits, account: Account): KeyBudget | undefined => {
    if (limits.budgetMicroUsd === 0) return undefined;
    const terms = termsOf(key, limits, clock.wall());
    if (account.budget === undefined)
      account.budget = new KeyBudget(clock, terms, async (sinceWall) => (await spentSince?.(key.id, sinceWall)) ?? 0n);
    else account.budget.renew(terms);
    return account.budget;
  };
  const allowances = (key: Key): Allowances | undefined => {
    const { limits } = key;
    if (limits === undefined || (limits.requestsPerMinute === 0 && limits.tokensPerMinute === 0)) return undefined;
    return allowancesOf(limits, accounts.find(key.id), clock);
  };
  const refusal = ({ kind, error }: No, key: Key): ChatError => {
    refused[kind] += 1;
    error.allowances = allowances(key);
    error.limitedKey = key.id;
    return error;
  };
  /** Looks, and counts nothing. */
  const look = (key: Key, limits: KeyLimits, account: Account): ChatError | undefined => {
    const spent = budgetOf(key, limits, account)?.exhausted();
    const no: No | undefined = spent === undefined ? placeNo(key, limits, account, clock) : { kind: "budget", error: spent };
    return no && refusal(no, key);
  };

  return {
    exhausted(key) {
      const { limits } = key;
      const account = limits && accounts.find(key.id);
      return limits && account && look(key, limits, account);
    },
    enter({ key }) {
      const { limits } = key;
      if (limits === undefined) return freePlace;
      const account = accounts.at(key.id);
      return look(key, limits, account) ?? placeIn(account, clock);
    },
    reserve(call, most) {
      const { key } = call;
      const { limits } = key;
      if (limits === undefined) return freeReservation;
      const account = accounts.at(key.id);
      const tokens = holdTokens(account.tokens, key, { most: most().tokens, limits, clock });
      if ("error" in tokens) return refusal(tokens, key);
      const budget = budgetOf(key, limits, account);
      if (budget === undefined) return reservationOf(tokens, undefined);
      const settled = (verdict: Purse | ChatError): Reservation | ChatError => {
        if (!(verdict instanceof ChatError)) return reservationOf(tokens, verdict);
        tokens.settle(0);
        return verdict.failure === "STORE_UNAVAILABLE" ? verdict : refusal({ kind: "budget", error: verdict }, key);
      };
      const verdict = budget.reserve({ most: () => most().picoUsd, signal: call.signal });
      if (!(verdict instanceof Promise)) return settled(verdict);
      return verdict.then(settled, (reason: unknown) => {
        tokens.settle(0);
        throw reason;
      });
    },
    allowances,
    ...budgetsFromOutside(accounts, clock),
    refusals: (kind) => refused[kind],
    size: () => accounts.size(),
  };
}

function accountsOf({ clock, spentSince }: KeyLimitsParts): Accounts<Account> {
  return createAccounts<Account>(clock, {
    make: (_, nowMs) => ({ seenMs: nowMs, running: 0, requests: new MinuteWindow(), tokens: new MinuteWindow(), budget: undefined }),
    // What was spent is forgotten only where it is written down elsewhere.
    isIdle: ({ running, budget }) => running === 0 && (budget === undefined || (spentSince !== undefined && budget.idle)),
  });
}

/** What is asked and told of budgets beside calls. */
function budgetsFromOutside(accounts: Accounts<Account>, clock: Clock): Pick<ProcessLimits, "standing" | "changed"> {
  return {
    standing({ id, limits }) {
      if (limits === undefined || limits.budgetMicroUsd === 0) return undefined;
      return accounts.find(id)?.budget?.standingIn(budgetPeriodAt(clock.wall(), limits.budgetPeriod));
    },
    changed(key) {
      const { id, limits } = key;
      const budget = accounts.find(id)?.budget;
      if (limits === undefined || limits.budgetMicroUsd === 0) budget?.lapse();
      else budget?.renew(termsOf(key, limits, clock.wall()));
    },
  };
}

const freePlace: Place = { release() {} };
const freeReservation: Reservation = { picoUsd: 0n, extend: () => 0n, settle() {} };

function allowancesOf({ requestsPerMinute, tokensPerMinute }: KeyLimits, account: Account | undefined, clock: Clock): Allowances {
  const nowMs = clock.now();
  return {
    wallMs: clock.wall(),
    ...(requestsPerMinute > 0 && { requests: allowanceOf(requestsPerMinute, account?.requests, nowMs) }),
    ...(tokensPerMinute > 0 && { tokens: allowanceOf(tokensPerMinute, account?.tokens, nowMs) }),
  };
}

function allowanceOf(limit: number, window: MinuteWindow | undefined, nowMs: number): Allowance {
  if (window === undefined) return { limit, remaining: limit, resetMs: 0 };
  return { limit, remaining: Math.max(0, limit - window.sum(nowMs)), resetMs: Math.ceil(window.waitMs(0, nowMs)) };
}

/** Why one more call of the key cannot begin now. */
function placeNo(key: Key, limits: KeyLimits, account: Account, clock: Clock): No | undefined {
  const { concurrentCalls, requestsPerMinute } = limits;
  if (concurrentCalls > 0 && account.running >= concurrentCalls) return callsNo(key, limits);
  const waitMs = requestsPerMinute === 0 ? 0 : account.requests.waitMs(requestsPerMinute - 1, clock.now());
  return waitMs === 0 ? undefined : requestsNo(key, limits, waitMs);
}

function placeIn(account: Account, clock: Clock): Place {
  account.running += 1;
  const second = account.requests.add(1, clock.now());
  let held = true;
  return {
    release(wasRefused) {
      if (!held) return;
      held = false;
      account.running -= 1;
      if (wasRefused) account.requests.correct(second, -1, clock.now());
    },
  };
}

interface TokensWanted {
  readonly most: number;
  readonly limits: KeyLimits;
  readonly clock: Clock;
}

/** Tokens that were counted before they were used. */
interface HeldTokens {
  /** So many it were. */
  settle(used: number): void;
}

const noTokens: HeldTokens = { settle() {} };

function holdTokens(window: MinuteWindow, key: Key, { most, limits, clock }: TokensWanted): HeldTokens | No {
  const limit = limits.tokensPerMinute;
  if (limit === 0) return noTokens;
  const nowMs = clock.now();
  const waitMs = most > limit ? Number.POSITIVE_INFINITY : window.waitMs(limit - most, nowMs);
  if (waitMs > 0) return tokensNo(key, limits, most, waitMs);
  const second = window.add(most, nowMs);
  return { settle: (used) => window.correct(second, used - most, clock.now()) };
}

function reservationOf(held: HeldTokens, purse: Purse | undefined): Reservation {
  let open = true;
  return {
    get picoUsd() {
      return purse?.picoUsd ?? 0n;
    },
    extend: (picoUsd) => purse?.extend(picoUsd) ?? 0n,
    settle({ tokens, picoUsd }: Spend) {
      if (!open) return;
      open = false;
      held.settle(tokens);
      purse?.settle(picoUsd);
    },
  };
}
