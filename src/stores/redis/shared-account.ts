import type { KeyId, KeyLimits } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { ChatError } from "../../core/error.ts";
import type { Allowance, Allowances, SpentSince } from "../../core/limits.ts";
import { budgetPeriodAt } from "../budget-period.ts";
import { type BudgetTerms, loadMsMax, unknownSpending } from "../key-budget.ts";
import { MinuteWindow } from "../minute-window.ts";
import { within } from "../within.ts";
import type { RedisConnection } from "./connection.ts";
import { type Counted, LimitLine } from "./limit-line.ts";
import { MoneyTurns } from "./money-turns.ts";
import { limitsName } from "./names.ts";
import { beatMs, type Replicas } from "./replicas.ts";

/** What accounts stand on. */
export interface SharedAccountParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  readonly replicas: Replicas;
  readonly spentSince: SpentSince;
}

/** The part of a budget that a replica may spend while nobody can say what the others spend: a hundredth of it, and 5 dollars at most. */
const graceShare = 100n;
const gracePicoMax = 5_000_000_000_000n;
const graceText = "what the key has left over all replicas cannot be asked now, and this call needs more than may be spent without asking";
/** Redis remembers a key's money for so long after its period, and what has no end for so long after its last call. */
const keepMs = { ended: 3_600_000, endless: 90 * 86_400_000, moneyless: 900_000 } as const;
/** What Redis said is as good for the next call for so long: a call that counted may turn out not to. */
const certainMs = 100;

/** A period, as Redis knows it; empty: there is no budget. */
export function periodName({ budgetMicroUsd, budgetPeriod }: KeyLimits, wallMs: number): string {
  return budgetMicroUsd === 0 ? "" : `${budgetPeriod} ${budgetPeriodAt(wallMs, budgetPeriod).startWall}`;
}

/** Money that was given without asking Redis. */
export interface Loan {
  /** 10^-12 dollars. */
  readonly picoUsd: bigint;
  /** So much of it was used. */
  settle(usedPicoUsd: bigint): void;
}

/** What this replica knows and holds of one key. */
export class SharedAccount {
  readonly #parts: SharedAccountParts;
  readonly #id: KeyId;
  seenMs: number;
  /** As they were told last. */
  limits: KeyLimits;
  /** Counted by this replica, whoever allowed it. */
  readonly requests = new MinuteWindow();
  readonly tokens = new MinuteWindow();
  readonly line: LimitLine;
  readonly turns: MoneyTurns;
  #loading: { readonly period: string; readonly done: Promise<bigint> } | undefined;
  /** What the ledger said while Redis could not be asked. */
  #ledger: { readonly period: string; readonly picoUsd: bigint } | undefined;
  /** Money that was given without asking, since Redis was last heard. */
  #grace = { heardMs: 0, picoUsd: 0n };

  constructor(id: KeyId, limits: KeyLimits, parts: SharedAccountParts) {
    const { redis, clock, replicas } = parts;
    this.#parts = parts;
    this.#id = id;
    this.limits = limits;
    this.seenMs = clock.now();
    this.line = new LimitLine({
      redis,
      clock,
      name: limitsName(id),
      replica: replicas.id,
      met: replicas.met,
      steady: replicas.steady,
      counted: () => this.#counted(),
      about: () => ({
        period: periodName(this.limits, clock.wall()),
        requestsMax: this.limits.requestsPerMinute,
        ttlMs: this.#ttlMs(),
      }),
    });
    this.turns = new MoneyTurns(clock, () => this.line.settledMs);
  }

  /** This replica's part of a limit, where it cannot ask; at least 1. */
  readonly share = (limit: number): number => Math.max(1, Math.floor(limit / this.#parts.replicas.count()));

  /** Milliseconds until there is a request again, if that is for certain; else 0. */
  requestsWaitMs(): number {
    const { last, heardMs, inTouch } = this.line;
    const sinceMs = this.#parts.clock.now() - heardMs;
    return last !== undefined && inTouch && sinceMs < certainMs ? Math.max(0, last.requestsWaitMs - sinceMs) : 0;
  }

  /** Asks the ledger, once for all who want to know. */
  async spent(terms: BudgetTerms, period: string): Promise<bigint> {
    if (this.#loading?.period === period) return this.#loading.done;
    const { clock, spentSince } = this.#parts;
    const done = within(clock, loadMsMax, spentSince(this.#id, terms.period.startWall));
    const loading = { period, done };
    this.#loading = loading;
    return done.finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
  }

  /** Tells Redis what the ledger knows; the answer says why it cannot. */
  async load(terms: BudgetTerms, period: string): Promise<ChatError | undefined> {
    const { clock, replicas } = this.#parts;
    // Where Redis has just lost its memory, the others need a moment to say what they have set aside, and to write what they spent.
    const memoryMs = await replicas.memoryMs();
    const youngMs = memoryMs === undefined ? 0 : 1.5 * beatMs - memoryMs;
    if (youngMs > 0) await new Promise<void>((resolve) => void clock.after(youngMs, resolve));
    try {
      this.line.load(period, await this.spent(terms, period));
      return undefined;
    } catch (cause) {
      return unknownSpending(cause);
    }
  }

  /**
   * Money without asking Redis: all of what is wanted, or why not. Never beyond what was last known to be left, so that replicas together
   * overdraw a budget by their graces at most. `held`: what the call has set aside already.
   */
  async borrow(wanted: bigint, terms: BudgetTerms, period: string, held = 0n): Promise<Loan | ChatError> {
    const { line } = this;
    let spent = line.funds(period)?.spentPicoUsd;
    if (spent === undefined && this.#ledger?.period !== period) {
      try {
        this.#ledger = { period, picoUsd: await this.spent(terms, period) };
      } catch (cause) {
        return unknownSpending(cause);
      }
    }
    spent ??= this.#ledger?.picoUsd ?? 0n;
    if (spent + held >= terms.picoUsd) return new ChatError("BUDGET_EXHAUSTED", terms.text());
    const grace = this.#graceNow(line.heardMs);
    const whole = terms.picoUsd / graceShare < gracePicoMax ? terms.picoUsd / graceShare : gracePicoMax;
    const left = terms.picoUsd - spent;
    if (wanted > left || grace.picoUsd + wanted > whole) return unknownSpending(undefined, graceText);
    grace.picoUsd += wanted;
    return {
      picoUsd: wanted,
      settle(used) {
        grace.picoUsd += used - wanted;
      },
    };
  }

  allowances(): Allowances | undefined {
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    const { clock } = this.#parts;
    if (requestsPerMinute === 0 && tokensPerMinute === 0) return undefined;
    return {
      wallMs: clock.wall(),
      ...(requestsPerMinute > 0 && { requests: this.#allowance(requestsPerMinute, "requests") }),
      ...(tokensPerMinute > 0 && { tokens: this.#allowance(tokensPerMinute, "tokens") }),
    };
  }

  /** Nothing of it is worth remembering. */
  get idle(): boolean {
    return this.line.idle && this.turns.waiting === 0 && this.#loading === undefined;
  }

  /** What was borrowed before Redis was last heard, Redis knows. */
  #graceNow(heardMs: number): { picoUsd: bigint } {
    if (this.#grace.heardMs !== heardMs) this.#grace = { heardMs, picoUsd: 0n };
    return this.#grace;
  }

  #allowance(limit: number, what: "requests" | "tokens"): Allowance {
    const nowMs = this.#parts.clock.now();
    const { last, heardMs, inTouch } = this.line;
    const own = this[what];
    if (!inTouch || last === undefined)
      return { limit, remaining: Math.max(0, this.share(limit) - own.sum(nowMs)), resetMs: Math.ceil(own.waitMs(0, nowMs)) };
    const resetMs = Math.max(0, Math.ceil(last[what].resetMs - (nowMs - heardMs)));
    const sum = (resetMs === 0 ? 0 : last[what].sum) + this.line.unheard(what);
    return { limit, remaining: Math.min(limit, Math.max(0, limit - sum)), resetMs };
  }

  #counted(): readonly Counted[] {
    const nowMs = this.#parts.clock.now();
    const tokens = new Map(this.tokens.amounts(nowMs));
    const requests = new Map(this.requests.amounts(nowMs));
    return [...new Set([...requests.keys(), ...tokens.keys()])].map((ageSeconds) => ({
      ageSeconds,
      requests: requests.get(ageSeconds) ?? 0,
      tokens: tokens.get(ageSeconds) ?? 0,
    }));
  }

  #ttlMs(): number {
    const { budgetMicroUsd, budgetPeriod } = this.limits;
    if (budgetMicroUsd === 0) return keepMs.moneyless;
    const wallMs = this.#parts.clock.wall();
    return Math.min(keepMs.endless, Math.ceil(budgetPeriodAt(wallMs, budgetPeriod).endWall - wallMs) + keepMs.ended);
  }
}
