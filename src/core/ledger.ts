import { usedPicoUsd, wasMade } from "./attempts.ts";
import type { AttemptRecord, Call } from "./call.ts";
import { AttemptKind, CacheStatus } from "./chat.ts";
import { tryRecord, type TryRecord } from "./decision.ts";
import type { SimilarLook } from "./similar.ts";
import type { CallRecord } from "./telemetry.ts";

/** What a call used, or a copy of one: as it is written, plain JSON. Nothing of what was asked or answered is in it. */
export interface LedgerEntry {
  /** The call's: the decision's id. */
  readonly id: string;
  readonly key: string;
  /** When it was settled; milliseconds since the epoch. */
  readonly wall: number;
  /** Of its arrival, since the epoch, in UTC: a call counts for the budget of the day on which it was let in. */
  readonly day: number;
  /** Version of the prices it was settled by; empty: nobody told. */
  readonly prices: string;
  /** Absent: a copy of the call, or the embedding of its question, which are settled by themselves. */
  readonly call?: SettledCall;
  /** Those that called an upstream; their texts are left out, decisions have them. */
  readonly attempts: readonly TryRecord[];
}

/** A call that is over. */
export interface SettledCall {
  /** Model as asked for, cut where it is longer than 256 characters. */
  readonly asked: string;
  readonly failed: boolean;
  /** Answered from the cache, or by the flight of an equal call. */
  readonly hit: boolean;
  /** Who answered, else who was tried last; empty: nobody. */
  readonly provider: string;
  /** Its model there; empty: nobody was asked. */
  readonly model: string;
}

/** An attempt as it was charged. */
export interface LedgerRow {
  /** The decision's id. */
  readonly call: string;
  readonly key: string;
  readonly wall: number;
  readonly prices: string;
  readonly attempt: TryRecord;
}

/** Which rows; what is absent does not matter. */
export interface LedgerQuery {
  readonly key?: string;
  /** The decision's id. */
  readonly call?: string;
  /** When they were settled, in milliseconds since the epoch; inclusive. */
  readonly sinceWall?: number;
  /** Exclusive. */
  readonly untilWall?: number;
  /** Only those behind this one, in the order of the list. */
  readonly after?: { readonly wall: number; readonly id: string };
  readonly limit: number;
}

/** What sums are told apart by: the model is the one that answered, the day is that of the settlement in UTC. */
export type UsageDimension = "key" | "model" | "provider" | "day";

/** What to sum; what is absent does not matter. */
export interface UsageQuery extends Pick<LedgerQuery, "key" | "sinceWall" | "untilWall"> {
  readonly groupBy: readonly UsageDimension[];
}

/** Counts of calls that were settled. */
export interface CallSums {
  calls: number;
  failedCalls: number;
  /** Among the calls. */
  cacheHits: number;
}

/** Counts of attempts, copies of calls among them. */
export interface AttemptSums {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  reasoningTokens: number;
  /** 10^-12 US dollars. */
  pico: bigint;
  /** Attempts that used tokens no price is known for. */
  unpriced: number;
  /** Attempts whose tokens were estimated, because the upstream told none. */
  estimated: number;
}

/** One group. */
export interface UsageGroup extends CallSums, AttemptSums {
  /** One value for each dimension, in their order; days are `YYYY-MM-DD`. */
  readonly group: readonly string[];
}

/** A ledger that lasts as long as its store. */
export interface LedgerStore {
  /** `LedgerEntry`s as JSON: all of them or none. What is there already is neither added nor summed a second time. */
  add(entries: readonly string[]): Promise<void>;
  /** Newest first. */
  list(query: LedgerQuery): Promise<readonly LedgerRow[]>;
  /** Dearest first; of very many groups only those. */
  usage(query: UsageQuery): Promise<readonly UsageGroup[]>;
  /**
   * What a key has spent on the UTC day of that moment and since, in 10^-12 US dollars. Not touched by `prune`: a budget may be
   * for ever. What is unpriced is not in it, and neither are copies, which no caller asked for.
   */
  spentSince(key: string, sinceWall: number): Promise<bigint>;
  /** Forgets the oldest rows of those settled before a time, at most `limit` of each kind; answers how many went. */
  prune(beforeWall: number, limit: number): Promise<number>;
}

export const dayMs = 86_400_000;
const modelLengthMax = 256;

/** What of a call has to be held until its entry is made; nothing of the request. */
export interface LedgerNote {
  readonly entry: Omit<LedgerEntry, "attempts">;
  readonly attempts: readonly AttemptRecord[];
  /** Monotonic milliseconds. */
  readonly endMs: number;
}

/** Takes out of a call that ended what its entry is made of. */
export function noteSettlement({ call, endMs, error, attempts, source }: CallRecord, wall: number): LedgerNote {
  const { model } = call.request;
  const asked = attempts.at(-1);
  const target = source?.target ?? asked?.target;
  const settled: SettledCall = {
    asked: model.length > modelLengthMax ? model.slice(0, modelLengthMax) : model,
    failed: error !== undefined,
    hit: source?.cache === CacheStatus.HIT,
    provider: target?.provider ?? "",
    model: target?.model ?? "",
  };
  return { entry: { ...entryOf(call, wall, endMs), call: settled }, attempts, endMs };
}

/** The same of a copy of a call. */
export function noteCopy(call: Call, attempt: AttemptRecord, wall: number): LedgerNote {
  return noteLook(call, { attempts: [attempt], endMs: attempt.endMs ?? attempt.startMs }, wall);
}

/** The same of embedding a call's question, which the caller has not asked for and does not pay. */
export function noteLook(call: Call, { attempts, endMs }: Pick<SimilarLook, "attempts" | "endMs">, wall: number): LedgerNote {
  return { entry: entryOf(call, wall, endMs), attempts, endMs };
}

function entryOf({ id, key, receivedMs, snapshot }: Call, wall: number, endMs: number): Omit<LedgerEntry, "attempts" | "call"> {
  const day = Math.floor((wall - (endMs - receivedMs)) / dayMs);
  return { id, key: key.id, wall: Math.round(wall), day, prices: snapshot.priceVersion ?? "" };
}

/** Whether all its attempts are over, so that what they used is known: one that lost its race may be a moment behind its call. */
export function isFinal({ attempts }: LedgerNote): boolean {
  for (const attempt of attempts) if (attempt.endMs === undefined) return false;
  return true;
}

/** Whether an attempt is the key's to pay: what the house did by itself is the operator's. */
export function isCharged({ kind }: Pick<TryRecord, "kind">): boolean {
  return kind !== AttemptKind.SHADOW;
}

/** The entry itself; made later, off the call's way. */
export function entryFrom({ entry, attempts, endMs }: LedgerNote): LedgerEntry {
  const charged = attempts.filter(wasMade).map((attempt) => chargedFrom(attempt, endMs));
  // Whatever dispatch called them: as shadows they are known to be the operator's.
  return { ...entry, attempts: entry.call === undefined ? charged.map((each) => ({ ...each, kind: AttemptKind.SHADOW })) : charged };
}

function chargedFrom(attempt: AttemptRecord, endMs: number): TryRecord {
  const record = { ...tryRecord(attempt, endMs), text: "" };
  const pico = usedPicoUsd(attempt.usage, attempt.target);
  return record.usage === undefined || pico === undefined ? record : { ...record, usage: { ...record.usage, pico: String(pico) } };
}

/** Groups beyond are not told: callers choose some of the names. */
const groupsMax = 10_000;

/** Sums of calls and of attempts, brought together by their groups; dearest first. */
export function usageGroups(
  calls: Iterable<readonly [group: readonly string[], sums: CallSums]>,
  attempts: Iterable<readonly [group: readonly string[], sums: AttemptSums]>,
): readonly UsageGroup[] {
  const groups = new Map<string, UsageGroup>();
  const groupOf = (group: readonly string[]): UsageGroup => {
    const name = JSON.stringify(group);
    const known = groups.get(name) ?? { group, ...noCalls(), ...nothingUsed() };
    groups.set(name, known);
    return known;
  };
  for (const [group, sums] of calls) Object.assign(groupOf(group), sums);
  for (const [group, sums] of attempts) Object.assign(groupOf(group), sums);
  return [...groups.values()].toSorted(dearestFirst).slice(0, groupsMax);
}

function dearestFirst(one: UsageGroup, other: UsageGroup): number {
  if (one.pico !== other.pico) return one.pico > other.pico ? -1 : 1;
  return other.calls - one.calls || (String(one.group) < String(other.group) ? -1 : 1);
}

export function noCalls(): CallSums {
  return { calls: 0, failedCalls: 0, cacheHits: 0 };
}

export function nothingUsed(): AttemptSums {
  return {
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    pico: 0n,
    unpriced: 0,
    estimated: 0,
  };
}

/** `YYYY-MM-DD` of a day since the epoch. */
export function dayName(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}
