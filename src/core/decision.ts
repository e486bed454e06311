import {
  type AttemptKind,
  BreakerState,
  type CacheStatus,
  type ErrorReason,
  HealthStatus,
  type TranslationAction,
  type TranslationNote,
  type Usage,
} from "./chat.ts";
import type { AttemptRecord, Source } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { HealthView, LatencyMeans } from "./health.ts";
import type { Candidate, CallFacts, PlanView, Ranked } from "./policy.ts";
import type { CallRecord } from "./telemetry.ts";

/**
 * Why a call went where it went, and what came of it, as it is kept: plain JSON. Every field is ours, or a name the caller chose;
 * there is no prompt, no answer, and no word of an upstream's.
 */
export interface DecisionRecord {
  /** The call's. */
  readonly id: string;
  /** When the call had arrived; milliseconds since the epoch. */
  readonly wall: number;
  readonly key: string;
  /** As asked for, cut where it is longer than 256 characters. */
  readonly model: string;
  readonly revision: string;
  readonly rule: string;
  readonly arm: string;
  readonly seed: number;
  readonly requestId: string;
  readonly replica: string;
  readonly streamed: boolean;
  readonly cache: CacheStatus;
  /** 0 on success. */
  readonly reason: ErrorReason;
  /** From the arrival; absent: no content was sent. */
  readonly firstMs?: number;
  readonly totalMs: number;
  /** Who answered: `provider/model`. */
  readonly target?: string;
  readonly usage?: UsageRecord;
  /** What the policy was told; absent where nothing was ranked. */
  readonly facts?: CallFacts;
  /** Sizes of the runs of candidates that were ranked together. */
  readonly groups: readonly number[];
  /** How many of these, from the end, are last resorts; absent: none. */
  readonly resorts?: number;
  /** Those that were ranked first, in their order. */
  readonly candidates: readonly CandidateRecord[];
  readonly attempts: readonly TryRecord[];
}

/** A target and its verdict. */
export interface CandidateRecord {
  /** `provider/model`. */
  readonly target: string;
  readonly provider: string;
  readonly upstream: string;
  /** Absent: ranked. */
  readonly excluded?: string;
  readonly score: number;
  /** Name, raw, ratio, weight. */
  readonly terms: readonly (readonly [string, number, number, number])[];
  readonly remark?: string;
  /** Expected, in millionths of a US dollar; absent: unpriced. */
  readonly cost?: number;
  /** See `Candidate.load`; absent: 0. */
  readonly load?: number;
  /** Where in its group the policy was given it; absent: where it was ranked. */
  readonly place?: number;
  /** What differs from a target that nobody ever called (`untouched`). */
  readonly health: Partial<HealthView>;
  /** `HealthView.otherMeans`, a map of which is no JSON; absent: none. */
  readonly means?: readonly (readonly [decayMs: number, means: LatencyMeans])[];
  /** What the translation to it changed; of the target that answered. */
  readonly notes?: readonly (readonly [field: string, action: TranslationAction, text: string])[];
}

/** An attempt. */
export interface TryRecord {
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly kind: AttemptKind;
  readonly wall: number;
  readonly ms: number;
  readonly status: number;
  readonly reason: ErrorReason;
  /** Empty on success, and where it would be the upstream's own words, which may quote the prompt. */
  readonly text: string;
  readonly upstreamId: string;
  readonly won: boolean;
  readonly usage?: UsageRecord;
}

/** Counts without extensions; the cost is text, for it may be larger than JSON's numbers. */
export type UsageRecord = Omit<Usage, "$typeName" | "$unknown" | "extensionsJson" | "costPicoUsd"> & { readonly pico?: string };

/** Health of a target that nobody ever called; what a record does not say of a candidate is so. */
export const untouched: HealthView = {
  status: HealthStatus.UNKNOWN,
  breaker: BreakerState.CLOSED,
  openUntilMs: 0,
  coolingUntilMs: 0,
  lockedUntilMs: 0,
  lockedBy: undefined,
  lacks: [],
  warmth: 1,
  hearsay: undefined,
  firstTokenMs: undefined,
  unaryMs: undefined,
  firstTokenP95Ms: undefined,
  successRatio: 1,
  failedAtMs: undefined,
  heardMs: undefined,
  otherMeans: new Map(),
};

/** What of a call's record has to be held until its decision is made; nothing of the request. */
export interface NotedCall {
  readonly record: Omit<DecisionRecord, "candidates" | "attempts" | "groups" | "resorts" | "facts" | "usage">;
  readonly plan: PlanView | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly usage: Usage | undefined;
  readonly source: Source | undefined;
  readonly endMs: number;
}

const modelLengthMax = 256;

/** Takes out of a record what its decision is made of: cheap, while the call ends. */
export function noteCall(
  { call, endMs, error, attempts, firstContentMs, source, usage, plan }: CallRecord,
  clock: Clock,
  replica: string,
): NotedCall {
  const { model } = call.request;
  const record = {
    id: call.id,
    wall: Math.round(clock.wall() - (clock.now() - call.receivedMs)),
    key: call.key.id,
    model: model.length > modelLengthMax ? model.slice(0, modelLengthMax) : model,
    revision: call.snapshot.policy.revision,
    rule: plan?.rule ?? "",
    arm: plan?.arm ?? "",
    // Of callers who share a flight, one was planned for all.
    seed: plan?.facts.seed ?? call.seed,
    requestId: call.requestId,
    replica,
    streamed: call.streamed,
    cache: source?.cache ?? 0,
    reason: error?.reason ?? 0,
    totalMs: endMs - call.receivedMs,
    ...(firstContentMs !== undefined && { firstMs: firstContentMs - call.receivedMs }),
    ...(source !== undefined && { target: source.target.id }),
  };
  return { record, plan, attempts, usage, source, endMs };
}

/** The decision itself; made later, off the call's way. */
export function decisionFrom({ record, plan, attempts, usage, source, endMs }: NotedCall): DecisionRecord {
  const groups = plan?.groups ?? [];
  const resorts = groups.filter(({ isLastResort }) => isLastResort).length;
  return {
    ...record,
    ...(usage !== undefined && { usage: usageRecord(usage) }),
    ...(plan !== undefined && { facts: plan.facts }),
    groups: groups.map(({ candidates }) => candidates.length),
    ...(resorts > 0 && { resorts }),
    candidates: plan === undefined ? similarRecords(source) : [...rankedRecords(plan, source), ...plan.excluded.map(excludedRecord)],
    attempts: attempts.map((attempt) => tryRecord(attempt, endMs)),
  };
}

/** Of an answer to a similar question: whose it was, and how similar. Nobody was ranked. */
function similarRecords(source: Source | undefined): CandidateRecord[] {
  if (source?.similarity === undefined) return [];
  const { target, notes } = source;
  return [
    {
      target: target.id,
      provider: target.provider,
      upstream: target.upstreamModel,
      score: 0,
      terms: [["similarity", source.similarity, 1, 0]],
      notes: notes.map(noteRecord),
      health: {},
    },
  ];
}

function noteRecord({ field, action, message }: TranslationNote) {
  return [field, action, message] as const;
}

function rankedRecords({ ranked, groups }: PlanView, source: Source | undefined): CandidateRecord[] {
  const given = new Map<string, number>();
  const places: number[] = [];
  for (const { candidates } of groups) {
    for (const [place, { target }] of candidates.entries()) {
      given.set(target.id, place);
      places.push(place);
    }
  }
  return ranked.map((each, index) => {
    const record = rankedRecord(each, source);
    const place = given.get(each.candidate.target.id);
    return place === undefined || place === places[index] ? record : { ...record, place };
  });
}

function rankedRecord({ candidate, score, terms, remark }: Ranked, source: Source | undefined): CandidateRecord {
  const notes = source?.target.id === candidate.target.id ? source.notes : [];
  return {
    ...candidateRecord(candidate),
    score,
    terms: terms.map(({ name, raw, ratio, weight }) => [name, raw, ratio, weight] as const),
    ...(remark !== "" && { remark }),
    ...(notes.length > 0 && { notes: notes.map(noteRecord) }),
  };
}

function excludedRecord(candidate: Candidate & { readonly reason: string }): CandidateRecord {
  return { ...candidateRecord(candidate), score: 0, terms: [], excluded: candidate.reason };
}

function candidateRecord({ target, health, costMicroUsd, load }: Candidate) {
  return {
    target: target.id,
    provider: target.provider,
    upstream: target.upstreamModel,
    ...(costMicroUsd !== undefined && { cost: costMicroUsd }),
    ...(load > 0 && { load }),
    health: touched(health),
    ...(health.otherMeans.size > 0 && { means: [...health.otherMeans] }),
  };
}

/** What differs from `untouched`; most of it does not. Means of other time constants stand beside it. */
function touched(health: HealthView): Partial<HealthView> {
  const known = touchedViews.get(health);
  if (known !== undefined) return known;
  const entries: readonly [string, unknown][] = Object.entries(health);
  const made: Partial<HealthView> = Object.fromEntries(
    entries.filter(([name, value]) => name !== "otherMeans" && value !== usual[name] && !(Array.isArray(value) && value.length === 0)),
  );
  touchedViews.set(health, made);
  return made;
}

const usual: Readonly<Record<string, unknown>> = { ...untouched };
/** A view serves many calls while nothing happens to its target, and never changes: this is the dearest part of a decision. */
const touchedViews = new WeakMap<HealthView, Partial<HealthView>>();

/** An attempt of a call that ended at `endMs`. */
export function tryRecord(attempt: AttemptRecord, endMs: number): TryRecord {
  const { id, target, kind, startWall, startMs, status, error, upstreamRequestId, won, usage } = attempt;
  return {
    id,
    provider: target.provider,
    model: target.model,
    kind,
    wall: startWall,
    ms: (attempt.endMs ?? endMs) - startMs,
    status,
    reason: error?.reason ?? 0,
    text: error === undefined || error.fromUpstream ? "" : error.message,
    upstreamId: upstreamRequestId,
    won,
    ...(usage !== undefined && { usage: usageRecord(usage) }),
  };
}

function usageRecord({ $typeName: _name, $unknown: _unknown, extensionsJson: _extensions, costPicoUsd, ...counts }: Usage): UsageRecord {
  return costPicoUsd === undefined ? counts : { ...counts, pico: String(costPicoUsd) };
}
