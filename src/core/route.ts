import type { AttemptRecord, Call, Source } from "./call.ts";
import { type AttemptInfo, type ChatResponse, type RouteInfo, routeInfo } from "./chat.ts";
import { type Clock, durationFromMs, timestampFromMs } from "./clock.ts";

/** What the gateway signs an answer with. */
export interface Identity {
  /** The decision's id; doors prefix it as their dialect wants. */
  readonly id: string;
  /** The catalogue's name of the model that answered: one that callers can ask for. */
  readonly model: string;
  /** To the second. */
  readonly createTime: NonNullable<ChatResponse["createTime"]>;
}

/** One identity an answer. */
export function identityOf(call: Call, { target }: Source, clock: Clock): Identity {
  return { id: call.id, model: target.model, createTime: timestampFromMs(Math.floor(clock.wall() / 1000) * 1000) };
}

/** How a call was routed, as known now: complete once its last event has come. */
export function routeOf(call: Call, source: Source, clock: Clock): RouteInfo {
  const { target } = source;
  return routeInfo({
    provider: target.provider,
    upstreamModel: target.upstreamModel,
    policyRevision: call.snapshot.policy.revision,
    rule: source.rule,
    arm: source.arm ?? "",
    attempts: source.attempts.map((record) => attemptInfo(record, clock)),
    notes: [...source.notes],
    decisionId: call.id,
    cache: source.cache,
    requestId: call.requestId,
  });
}

/** An attempt as the API shows it. */
export function attemptInfo(record: AttemptRecord, clock: Clock): AttemptInfo {
  const info: AttemptInfo = {
    $typeName: "semaroute.v1.Attempt",
    id: record.id,
    provider: record.target.provider,
    model: record.target.model,
    kind: record.kind,
    startTime: timestampFromMs(record.startWall),
    latency: durationFromMs((record.endMs ?? clock.now()) - record.startMs),
    httpStatus: record.status,
    errorReason: record.error?.reason ?? 0,
    errorMessage: record.error?.message ?? "",
    upstreamRequestId: record.upstreamRequestId,
    won: record.won,
  };
  if (record.usage !== undefined) info.usage = record.usage;
  return info;
}
