import { upstreamMs, usedPicoUsd } from "../core/attempts.ts";
import type { AttemptRecord } from "../core/call.ts";
import { CacheStatus, isEmbedRequest, Priority } from "../core/chat.ts";
import type { ChatError, Failure } from "../core/error.ts";
import { usdFromPico } from "../core/price.ts";
import { priorityOf } from "../core/overload.ts";
import type { CallObserver, CallRecord } from "../core/telemetry.ts";
import { causeCode, describeCause } from "./cause.ts";
import type { Log, LogFields } from "./log.ts";
import { cacheWords, isCallersFault, priorityWords } from "./words.ts";

/** Longest model name that is logged; callers choose it. */
const modelLengthMax = 256;

/** One line a call. `statusOf` is the REST status of a failure, also for calls by other doors. */
export function callLog(log: Log, statusOf: (failure: Failure) => number): CallObserver {
  return {
    began() {
      // The line is written when everything is known.
    },
    shadowed(call, attempt) {
      if (log.writes("info")) log.info({ call_id: call.id, ...copyOf(attempt) }, "shadow");
    },
    ended(record) {
      const { error } = record;
      const level = error === undefined || isCallersFault(error.failure) ? "info" : "warn";
      if (log.writes(level)) log[level](fieldsOf(record, error === undefined ? 200 : statusOf(error.failure)), "call");
    },
  };
}

function fieldsOf(record: CallRecord, status: number): LogFields {
  const { call, source, attempts, usage, error, endMs, firstContentMs } = record;
  const model = call.request.model;
  const durationMs = endMs - call.receivedMs;
  const priority = priorityOf(call);
  // A stored answer's usage is told, and was paid for once.
  const cost = source?.cache === CacheStatus.HIT ? 0n : usedPicoUsd(usage, source?.target);
  return {
    call_id: call.id,
    request_id: call.requestId,
    key: call.key.id,
    priority: priority === Priority.NORMAL ? undefined : priorityWords.get(priority),
    door: call.door,
    operation: isEmbedRequest(call.request) ? "embeddings" : undefined,
    model: model.length > modelLengthMax ? model.slice(0, modelLengthMax) : model,
    provider: source?.target.provider,
    target_model: source?.target.model,
    streamed: call.streamed,
    cache: source === undefined ? undefined : cacheWords[source.cache],
    similarity: source?.similarity,
    attempts: attempts.length,
    tries:
      attempts.length > 1 || (error !== undefined && attempts.length > 0) ? attempts.map((attempt) => tryOf(attempt, endMs)) : undefined,
    reason: error?.failure,
    code: error?.code,
    status,
    duration_ms: microseconds(durationMs),
    first_content_ms: firstContentMs === undefined ? undefined : microseconds(firstContentMs - call.receivedMs),
    overhead_ms: microseconds(durationMs - upstreamMs(record)),
    input_tokens: usage?.inputTokens,
    output_tokens: usage?.outputTokens,
    cost_usd: cost === undefined ? undefined : usdFromPico(cost),
    unpriced: usage !== undefined && cost === undefined ? true : undefined,
    policy: call.snapshot.policy.revision,
    rule: source === undefined || source.rule === "" ? undefined : source.rule,
    arm: source?.arm,
    failed_rules: source?.failedRules,
    cause: error?.failure === "INTERNAL" ? describeCause(error.cause) : undefined,
  };
}

/** What came of a copy of the call. */
function copyOf(attempt: AttemptRecord): LogFields {
  const { usage, target, startMs, endMs } = attempt;
  const cost = usedPicoUsd(usage, target);
  return {
    ...tryOf(attempt, endMs ?? startMs),
    input_tokens: usage?.inputTokens,
    output_tokens: usage?.outputTokens,
    cost_usd: cost === undefined ? undefined : usdFromPico(cost),
  };
}

/** No message: an upstream's own words may quote the prompt. */
function tryOf({ target, error, status, startMs, endMs }: AttemptRecord, callEndMs: number): LogFields {
  return { target: target.id, reason: error?.failure, code: codeOf(error), status, ms: microseconds((endMs ?? callEndMs) - startMs) };
}

function codeOf(error: ChatError | undefined): string | undefined {
  return error === undefined ? undefined : causeCode(error.cause);
}

/** Milliseconds to three places. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
