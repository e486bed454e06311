import type { Call, Key, KeyLimits } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import type { LimitKind, Place, Reservation, Spend, SpentSince } from "../../core/limits.ts";
import { createAccounts } from "../key-accounts.ts";
import { unknownSpending } from "../key-budget.ts";
import type { ProcessLimits } from "../key-limits.ts";
import { callsNo, type No, requestsNo, termsOf, tokensNo } from "../key-refusals.ts";
import type { RedisConnection } from "./connection.ts";
import type { Verdict } from "./limit-message.ts";
import { leaseMs } from "./limit-script.ts";
import { startReplicas } from "./replicas.ts";
import { periodName, SharedAccount } from "./shared-account.ts";
import { reservationOf } from "./shared-reservation.ts";

/** Limits over all replicas. */
export interface SharedLimits extends ProcessLimits {
  /** Tells Redis what it does not know yet, if it answers, and says good-bye to the other replicas. Never rejects. */
  close(): Promise<void>;
}

/** What they stand on. */
export interface SharedLimitsParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  /** What was spent before, by all replicas. */
  readonly spentSince: SpentSince;
}

/** Nothing, as long as nobody has told anything else. */
const noLimits: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "month" };
const freePlace: Place = { release() {} };
const freeReservation: Reservation = { picoUsd: 0n, extend: () => 0n, settle() {} };
/** Times that a call asks the ledger what was spent, before it is sent away. */
const loadsMax = 3;
/** What a call has counted, counts no longer than so. */
const countsMs = 61_000;

/**
 * The limits of all keys, exact over the replicas that share a Redis. Where Redis cannot be asked, each replica keeps to its part of what a
 * minute has, and of budgets spends no more than a small grace; what it counted alone, Redis is told when it is back.
 */
export function createSharedLimits(parts: SharedLimitsParts): SharedLimits {
  const { redis, clock } = parts;
  const refused: Record<LimitKind, number> = { requests: 0, tokens: 0, concurrency: 0, budget: 0 };
  const replicas = startReplicas({
    redis,
    clock,
    onBeat: (forgotten) => sayAll(accounts.all(), clock.now(), forgotten),
  });
  const accounts = createAccounts<SharedAccount>(clock, {
    make: (id) => new SharedAccount(id, noLimits, { ...parts, replicas }),
    isIdle: ({ idle }) => idle,
  });
  const desk: Desk = {
    clock,
    account({ id }, limits) {
      const account = accounts.at(id);
      account.limits = limits;
      return account;
    },
    refuse({ kind, error }, key, account) {
      refused[kind] += 1;
      error.allowances = account.allowances();
      error.limitedKey = key.id;
      return error;
    },
  };
  return {
    exhausted(key) {
      const account = accounts.find(key.id);
      const no = account && key.limits && certainNo(key, key.limits, account, clock);
      return account && no && desk.refuse(no, key, account);
    },
    enter: ({ key }) => (key.limits === undefined ? freePlace : entered(key, key.limits, desk)),
    reserve(call, most) {
      const { key } = call;
      if (key.limits === undefined) return freeReservation;
      const account = desk.account(key, key.limits);
      const attempt = async (): Promise<Reservation | ChatError | undefined> => {
        const got = await reserved(call, most(), account, clock);
        return got === undefined || !("kind" in got) ? got : desk.refuse(got, key, account);
      };
      return account.turns.take(attempt, call.signal);
    },
    allowances: (key) => (key.limits && (accounts.find(key.id) ?? desk.account(key, key.limits)).allowances()) ?? undefined,
    async standing(key) {
      const { limits } = key;
      if (limits === undefined || limits.budgetMicroUsd === 0) return undefined;
      const { line } = desk.account(key, limits);
      await line.ask({ kind: "look" });
      const funds = line.funds(periodName(limits, clock.wall()));
      return funds && { spentPicoUsd: funds.spentPicoUsd, reservedPicoUsd: funds.reservedPicoUsd };
    },
    changed({ id, limits }) {
      const account = accounts.find(id);
      if (account === undefined) return;
      account.limits = limits ?? noLimits;
      account.turns.poke();
    },
    refusals: (kind) => refused[kind],
    size: () => accounts.size(),
    async close() {
      await Promise.all([...accounts.all()].map(({ line }) => line.close()));
      replicas.close();
    },
  };
}

/** What was not heard, what runs, and, of what was forgotten, what a minute has had. */
function sayAll(accounts: Iterable<SharedAccount>, nowMs: number, forgotten: boolean): void {
  for (const { line, seenMs } of accounts) {
    const isDue = !line.idle && nowMs - line.heardMs >= leaseMs / 3;
    if (!line.isTold || isDue || (forgotten && (!line.idle || nowMs - seenMs <= countsMs))) line.say();
  }
}

/** Who knows keys, and counts those that are sent away. */
interface Desk {
  readonly clock: Clock;
  /** The limits are those that hold from now on. */
  account(this: void, key: Pick<Key, "id">, limits: KeyLimits): SharedAccount;
  refuse(this: void, no: No, key: Key, account: SharedAccount): ChatError;
}

async function entered(key: Key, limits: KeyLimits, { clock, account: accountOf, refuse }: Desk): Promise<Place | ChatError> {
  const account = accountOf(key, limits);
  const { requestsPerMinute: requestsMax, concurrentCalls: callsMax, budgetMicroUsd } = limits;
  const period = periodName(limits, clock.wall());
  const isCounted = requestsMax > 0 || callsMax > 0;
  const verdict = isCounted ? await account.line.ask({ kind: "enter", requestsMax, callsMax, period, budgetMicroUsd }) : undefined;
  if (verdict?.kind === "granted") return placeOf(account, clock, verdict.second);
  if (verdict?.kind === "refused") return refuse(noOf(verdict, key, limits, 0) ?? budgetNo(key, limits, clock), key, account);
  const no = spentNo(key, limits, account, clock) ?? localNo(key, limits, account, clock);
  return no === undefined ? placeOf(account, clock, undefined) : refuse(no, key, account);
}

function budgetNo(key: Key, limits: KeyLimits, clock: Clock): No {
  return { kind: "budget", error: new ChatError("BUDGET_EXHAUSTED", termsOf(key, limits, clock.wall()).text()) };
}

/** The budget is spent, as far as is known without asking: that does not change before its period ends. */
function spentNo(key: Key, limits: KeyLimits, { line }: SharedAccount, clock: Clock): No | undefined {
  if (limits.budgetMicroUsd === 0) return undefined;
  const funds = line.funds(periodName(limits, clock.wall()));
  const isSpent = funds !== undefined && funds.spentPicoUsd >= termsOf(key, limits, clock.wall()).picoUsd;
  return isSpent ? budgetNo(key, limits, clock) : undefined;
}

/** Why the key's next call is refused for certain, without asking. */
function certainNo(key: Key, limits: KeyLimits, account: SharedAccount, clock: Clock): No | undefined {
  const waitMs = limits.requestsPerMinute === account.limits.requestsPerMinute ? account.requestsWaitMs() : 0;
  return spentNo(key, limits, account, clock) ?? (waitMs > 0 ? requestsNo(key, limits, waitMs) : undefined);
}

/** What a refusal of Redis says; undefined: the money is spent. */
function noOf({ by, waitMs }: Extract<Verdict, { kind: "refused" }>, key: Key, limits: KeyLimits, tokens: number): No | undefined {
  if (by === "requests") return requestsNo(key, limits, waitMs);
  if (by === "tokens") return tokensNo(key, limits, tokens, waitMs);
  return by === "concurrency" ? callsNo(key, limits) : undefined;
}

/** Why one more call cannot begin, by what this replica has counted itself. */
function localNo(key: Key, limits: KeyLimits, { line, requests, share }: SharedAccount, clock: Clock): No | undefined {
  const { concurrentCalls, requestsPerMinute } = limits;
  if (concurrentCalls > 0 && line.running >= share(concurrentCalls)) return callsNo(key, limits);
  const waitMs = requestsPerMinute === 0 ? 0 : requests.waitMs(share(requestsPerMinute) - 1, clock.now());
  return waitMs === 0 ? undefined : requestsNo(key, limits, waitMs);
}

/** `second`: Redis has counted it in; undefined: it is to be told. */
function placeOf({ line, requests }: SharedAccount, clock: Clock, heardSecond: number | undefined): Place {
  const own = requests.add(1, clock.now());
  const second = heardSecond ?? line.second();
  if (heardSecond === undefined) {
    line.running += 1;
    line.count(second, 1, 0);
  }
  let held = true;
  return {
    release(wasRefused) {
      if (!held) return;
      held = false;
      line.running -= 1;
      if (wasRefused) {
        requests.correct(own, -1, clock.now());
        line.count(second, -1, 0);
      }
      line.sayNow();
    },
  };
}

/** One try to get what a call may use; undefined: others have set it aside. */
async function reserved(
  call: Pick<Call, "key" | "signal">,
  most: Spend,
  account: SharedAccount,
  clock: Clock,
): Promise<Reservation | No | ChatError | undefined> {
  const { key } = call;
  for (let loads = 0; loads < loadsMax; loads++) {
    // They may have been changed while the call waited.
    const { limits } = account;
    const { tokensPerMinute, budgetMicroUsd } = limits;
    if (tokensPerMinute > 0 && most.tokens > tokensPerMinute) return tokensNo(key, limits, most.tokens, Number.POSITIVE_INFINITY);
    const period = periodName(limits, clock.wall());
    const terms = termsOf(key, limits, clock.wall());
    const { tokens, picoUsd } = most;
    const verdict = await account.line.ask({ kind: "reserve", tokens, tokensMax: tokensPerMinute, period, budgetMicroUsd, picoUsd });
    const wanted = { tokens: tokensPerMinute > 0 ? tokens : undefined, terms, period };
    switch (verdict?.kind) {
      case "granted":
        return reservationOf(account, clock, { ...wanted, second: verdict.second, picoUsd: verdict.picoUsd, loan: undefined });
      case "refused":
        return noOf(verdict, key, limits, tokens) ?? { kind: "budget", error: new ChatError("BUDGET_EXHAUSTED", terms.text()) };
      case "wait":
        return undefined;
      case "unloaded": {
        const error = await account.load(terms, period);
        if (error !== undefined) return error;
        break;
      }
      case undefined: {
        const no = localTokensNo(key, limits, account, tokens, clock);
        if (no !== undefined) return no;
        const loan = period === "" ? undefined : await account.borrow(picoUsd, terms, period);
        if (!(loan instanceof ChatError))
          return reservationOf(account, clock, { ...wanted, second: undefined, picoUsd: loan?.picoUsd ?? 0n, loan });
        return loan.failure === "BUDGET_EXHAUSTED" ? { kind: "budget", error: loan } : loan;
      }
      default:
        return verdict satisfies never;
    }
  }
  return unknownSpending();
}

/** A call that needs more than this replica's part gets it where nothing was used. */
function localTokensNo(key: Key, limits: KeyLimits, { tokens, share }: SharedAccount, most: number, clock: Clock): No | undefined {
  const { tokensPerMinute } = limits;
  if (tokensPerMinute === 0) return undefined;
  const waitMs = tokens.waitMs(Math.max(0, share(tokensPerMinute) - most), clock.now());
  return waitMs === 0 ? undefined : tokensNo(key, limits, most, waitMs);
}
