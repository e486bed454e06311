import type { LimitKind } from "../../core/limits.ts";
import { picoPerMicro } from "../key-refusals.ts";

/** Money as Redis counts it, whose numbers are exact up to 2^53: millionths of a dollar, and 10^-12 dollars below one. */
export type Limbs = readonly [micro: number, rest: number];

/** A call that wants something. */
export type Ask =
  | {
      readonly kind: "enter";
      readonly requestsMax: number;
      readonly callsMax: number;
      readonly period: string;
      readonly budgetMicroUsd: number;
    }
  | {
      readonly kind: "reserve";
      readonly tokens: number;
      readonly tokensMax: number;
      readonly period: string;
      readonly budgetMicroUsd: number;
      readonly picoUsd: bigint;
    }
  | { readonly kind: "extend"; readonly period: string; readonly budgetMicroUsd: number; readonly picoUsd: bigint }
  | { readonly kind: "look" };

/** What a replica says of one key. All but `changes`, `spent` and `asks` says how it is, so that saying it again changes nothing. */
export interface Message {
  readonly replica: string;
  /** Of this message. */
  readonly number: number;
  /** Messages from this one on may have been carried out, but nobody heard of it: their callers went without. Undefined: there are none. */
  readonly undo?: number | undefined;
  /** When Redis last answered, by its clock; undefined: it never did, or has been told all. */
  readonly heardMs?: number | undefined;
  /** Whether it was in touch for so long that all others that live must have been, too. */
  readonly steady: boolean;
  /** Number of `changes` and `spent`, which are counted once. */
  readonly batch: number;
  /** Redis's second, requests, tokens. */
  readonly changes: readonly (readonly [second: number, requests: number, tokens: number])[];
  /** What was used, by period. */
  readonly spent: Readonly<Record<string, Limbs>>;
  /** Calls that run. */
  readonly running: number;
  /** Money set aside for them, by period. */
  readonly held: Readonly<Record<string, Limbs>>;
  /** What the ledger said of periods. */
  readonly loaded: Readonly<Record<string, Limbs>>;
  readonly asks: readonly (readonly (string | number)[])[];
  /** The period that is asked about; empty: none. */
  readonly period: string;
  /** The limit of requests that is asked about; 0: none. */
  readonly requestsMax: number;
  /** How long the whole is kept. */
  readonly ttlMs: number;
  /** For tests, which cannot wait: what Redis's clock would say. */
  readonly nowMs?: number;
}

/** What an ask comes to. `wait`: the money is set aside for others; `unloaded`: nobody has said what was spent. */
export type Verdict =
  | { readonly kind: "granted"; readonly second: number; readonly picoUsd: bigint }
  | { readonly kind: "refused"; readonly by: LimitKind; readonly waitMs: number }
  | { readonly kind: "wait" }
  | { readonly kind: "unloaded" };

/** Money of the period that was asked about. */
export interface Funds {
  readonly period: string;
  readonly spentPicoUsd: bigint;
  readonly reservedPicoUsd: bigint;
  /** Counts settlements. */
  readonly settled: number;
}

/** How a limit a minute stands. */
export interface Count {
  readonly sum: number;
  readonly resetMs: number;
}

/** The answer. `lost`: Redis knows nothing of the replica any more, and has done nothing. */
export type Reply =
  | { readonly kind: "lost"; readonly nowMs: number }
  | {
      readonly kind: "heard";
      readonly nowMs: number;
      readonly verdicts: readonly Verdict[];
      readonly requests: Count;
      /** Milliseconds until there is a request again. */
      readonly requestsWaitMs: number;
      readonly tokens: Count;
      /** Undefined: nobody has said what was spent. */
      readonly funds: Funds | undefined;
    };

/** More than any budget, and exact. */
const microMax = 9e15;

/** Of 10^-12 dollars. */
export function limbsFrom(picoUsd: bigint): Limbs {
  const micro = Number(picoUsd / picoPerMicro);
  return micro >= microMax ? [microMax, 0] : [micro, Number(picoUsd % picoPerMicro)];
}

/** As the script takes it. */
export function wordsOf(ask: Ask): readonly (string | number)[] {
  switch (ask.kind) {
    case "enter":
      return ["enter", ask.requestsMax, ask.callsMax, ask.period, ask.budgetMicroUsd];
    case "reserve":
      return ["reserve", ask.tokens, ask.tokensMax, ask.period, ask.budgetMicroUsd, ...limbsFrom(ask.picoUsd)];
    case "extend":
      return ["extend", ask.period, ask.budgetMicroUsd, ...limbsFrom(ask.picoUsd)];
    case "look":
      return ["look"];
    default:
      return ask satisfies never;
  }
}

const limitKindOf = new Map<number, LimitKind>([
  [1, "requests"],
  [2, "tokens"],
  [3, "concurrency"],
  [4, "budget"],
]);
const waits = 5;

/** Reads what the script answered to a message about this period. */
export function replyFrom(answer: unknown, period: string): Reply {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
  const [kind, nowMs, verdicts, requests, requestsReset, requestsWaitMs, tokens, tokensReset, funds] = list;
  if (kind !== 1) return { kind: "lost", nowMs: Number(nowMs) };
  return {
    kind: "heard",
    nowMs: Number(nowMs),
    verdicts: (Array.isArray(verdicts) ? verdicts : []).map(verdictFrom),
    requests: { sum: Number(requests), resetMs: Number(requestsReset) },
    requestsWaitMs: Number(requestsWaitMs),
    tokens: { sum: Number(tokens), resetMs: Number(tokensReset) },
    funds: fundsFrom(numbersFrom(funds), period),
  };
}

function verdictFrom(words: unknown): Verdict {
  const [code = -1, amount = 0, micro = 0, rest = 0] = numbersFrom(words);
  if (code === 0) return { kind: "granted", second: amount, picoUsd: picoFrom(micro, rest) };
  const by = limitKindOf.get(code);
  if (by !== undefined) return { kind: "refused", by, waitMs: amount };
  return { kind: code === waits ? "wait" : "unloaded" };
}

function fundsFrom([micro, rest, heldMicro, heldRest, settled]: readonly number[], period: string): Funds | undefined {
  if (micro === undefined || rest === undefined || heldMicro === undefined || heldRest === undefined || settled === undefined)
    return undefined;
  return { period, spentPicoUsd: picoFrom(micro, rest), reservedPicoUsd: picoFrom(heldMicro, heldRest), settled };
}

function picoFrom(micro: number, rest: number): bigint {
  return BigInt(micro) * picoPerMicro + BigInt(rest);
}

function numbersFrom(words: unknown): readonly number[] {
  return Array.isArray(words) ? words.map(Number) : [];
}
