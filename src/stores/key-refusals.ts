import type { Key, KeyLimits } from "../core/call.ts";
import { ChatError } from "../core/error.ts";
import type { LimitKind } from "../core/limits.ts";
import { budgetPeriodAt } from "./budget-period.ts";
import type { BudgetTerms } from "./key-budget.ts";

/** A limit's no. */
export interface No {
  readonly kind: LimitKind;
  readonly error: ChatError;
}

/** When a place of a key comes free, nobody knows. */
const placeRetryMs = 1000;

/** As many calls run as may. */
export function callsNo({ name }: Key, { concurrentCalls }: KeyLimits): No {
  const text = `key ${name} has ${concurrentCalls} calls running, which is its limit`;
  return { kind: "concurrency", error: limited(text, placeRetryMs) };
}

/** The minute's requests are used up; `waitMs` until there is one again. */
export function requestsNo({ name }: Key, { requestsPerMinute }: KeyLimits, waitMs: number): No {
  return { kind: "requests", error: limited(`key ${name} has had its limit of ${requestsPerMinute} requests a minute`, waitMs) };
}

/** The minute's tokens are not enough for a call that may need so many; `waitMs` until they are, Infinity: they never will. */
export function tokensNo({ name }: Key, { tokensPerMinute }: KeyLimits, most: number, waitMs: number): No {
  const text = `key ${name} may use ${tokensPerMinute} tokens a minute`;
  if (waitMs === Number.POSITIVE_INFINITY)
    return { kind: "tokens", error: new ChatError("REQUEST_TOO_LARGE", `${text}, and this call alone may need ${most}`) };
  return { kind: "tokens", error: limited(`${text}, and this call may need ${most} of them`, waitMs) };
}

function limited(text: string, retryAfterMs: number): ChatError {
  return new ChatError("CALLER_RATE_LIMITED", text, { retryAfterMs: Math.ceil(retryAfterMs) });
}

/** 10^-12 dollars of a millionth. */
export const picoPerMicro = 1_000_000n;
const each = { day: " a day", month: " a month", total: "" } as const;

/** A key's budget at a moment; milliseconds since the epoch. */
export function termsOf({ name }: Pick<Key, "name">, { budgetMicroUsd, budgetPeriod }: KeyLimits, wallMs: number): BudgetTerms {
  const period = budgetPeriodAt(wallMs, budgetPeriod);
  return {
    picoUsd: BigInt(budgetMicroUsd) * picoPerMicro,
    period,
    text() {
      const next = Number.isFinite(period.endWall) ? `; the next ${budgetPeriod} begins ${new Date(period.endWall).toISOString()}` : "";
      return `the budget of key ${name} is spent: ${budgetMicroUsd / 1e6} US dollars${each[budgetPeriod]}${next}`;
    },
  };
}
