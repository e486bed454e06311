import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import type { Reservation } from "../../core/limits.ts";
import type { BudgetTerms } from "../key-budget.ts";
import type { Loan, SharedAccount } from "./shared-account.ts";

/** What a call was given. */
export interface Given {
  /** Undefined: the key's tokens are not limited. */
  readonly tokens: number | undefined;
  /** Redis has counted the tokens in; undefined: it is to be told. */
  readonly second: number | undefined;
  readonly picoUsd: bigint;
  /** Redis was not asked for the money. */
  readonly loan: Loan | undefined;
  readonly terms: BudgetTerms;
  /** Empty: there is no budget. */
  readonly period: string;
}

/** Sets it aside until it is settled; where Redis was not asked, it is told. */
export function reservationOf(account: SharedAccount, clock: Clock, given: Given): Reservation {
  const { line } = account;
  const { period, terms, loan } = given;
  const own = given.tokens === undefined ? undefined : account.tokens.add(given.tokens, clock.now());
  const second = given.second ?? line.second();
  if (given.second === undefined && given.tokens !== undefined) line.count(second, 0, given.tokens);
  let held = given.picoUsd;
  const loans: Loan[] = loan === undefined ? [] : [loan];
  if (loan !== undefined) line.hold(period, loan.picoUsd);
  let open = true;
  let unasked = false;

  /** Money that was counted already; none where the call has ended meanwhile. */
  const take = (picoUsd: bigint): bigint => {
    if (open) {
      held += picoUsd;
      return picoUsd;
    }
    line.hold(period, -picoUsd);
    return 0n;
  };
  return {
    get picoUsd() {
      return held;
    },
    get unasked() {
      return unasked;
    },
    async extend(wanted) {
      if (!open || period === "") return 0n;
      // A budget that was taken from the key is none that could be spent.
      const budgetMicroUsd = account.limits.budgetMicroUsd === 0 ? Number.MAX_SAFE_INTEGER : account.limits.budgetMicroUsd;
      const verdict = await line.ask({ kind: "extend", period, budgetMicroUsd, picoUsd: wanted });
      if (verdict?.kind === "granted") return take(verdict.picoUsd);
      const more = await account.borrow(wanted, terms, period, held);
      unasked = more instanceof ChatError && more.failure === "STORE_UNAVAILABLE";
      if (more instanceof ChatError) return 0n;
      if (open) loans.push(more);
      else more.settle(0n);
      line.hold(period, more.picoUsd);
      return take(more.picoUsd);
    },
    settle(used) {
      if (!open) return;
      open = false;
      if (own !== undefined && given.tokens !== undefined) {
        const by = used.tokens - given.tokens;
        account.tokens.correct(own, by, clock.now());
        if (by !== 0) line.count(second, 0, by);
      }
      if (period !== "") {
        if (held !== 0n) line.hold(period, -held);
        line.spend(period, used.picoUsd);
        // What was set aside with Redis's word is used first.
        let beyond = used.picoUsd - (held - loans.reduce((sum, { picoUsd }) => sum + picoUsd, 0n));
        for (const each of loans) {
          each.settle(beyond > 0n ? beyond : 0n);
          beyond = 0n;
        }
      }
      if (account.turns.waiting > 0) line.sayNow();
      else line.saySoon();
      account.turns.poke();
    },
  };
}
