import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type Context, type Span, type Tracer } from "@opentelemetry/api";
import { wasMade } from "../core/attempts.ts";
import type { AttemptRecord, Call } from "../core/call.ts";
import { isEmbedRequest, type Usage } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { ChatError } from "../core/error.ts";
import type { CallObserver, CallRecord } from "../core/telemetry.ts";
import { spanNames } from "./span-names.ts";
import { attemptKindWord, cacheWords, isCallersFault } from "./words.ts";

/** Longest model name in a span; callers choose it. */
const modelLengthMax = 256;

/** Makes a call's spans when it is over: one for the call, under it one for each attempt. */
export function callSpans(tracer: Tracer, clock: Pick<Clock, "now" | "wall">): CallObserver {
  return {
    began() {
      // Spans are made at the end, with the times they had: nothing is carried through the call for them.
    },
    ended(record) {
      const { call, endMs } = record;
      // One offset for all times of the call, so that attempts lie within it even when the wall clock was set.
      const toWall = clock.wall() - clock.now();
      const model = call.request.model.slice(0, modelLengthMax);
      const parent = parentContext(call.traceparent);
      const span = tracer.startSpan(
        `${operationOf(call)} ${model}`,
        { kind: SpanKind.SERVER, startTime: call.receivedMs + toWall },
        parent,
      );
      if (span.isRecording()) {
        span.setAttributes(callAttributes(record, model));
        setError(span, record.error);
        const within = trace.setSpan(parent, span);
        for (const attempt of record.attempts) if (wasMade(attempt)) attemptSpan(tracer, within, { attempt, toWall, endMs });
      }
      span.end(endMs + toWall);
    },
  };
}

interface TimedAttempt {
  readonly attempt: AttemptRecord;
  /** What makes a monotonic time one since the epoch; milliseconds. */
  readonly toWall: number;
  /** When the call ended; monotonic milliseconds. */
  readonly endMs: number;
}

function attemptSpan(tracer: Tracer, within: Context, { attempt, toWall, endMs }: TimedAttempt): void {
  const { target, usage } = attempt;
  const options = { kind: SpanKind.CLIENT, startTime: attempt.startMs + toWall, attributes: attemptAttributes(attempt) };
  const span = tracer.startSpan(`${operations[target.kind]} ${target.upstreamModel.slice(0, modelLengthMax)}`, options, within);
  if (usage !== undefined) span.setAttributes(usageAttributes(usage));
  setError(span, attempt.error);
  span.end((attempt.endMs ?? endMs) + toWall);
}

/** The caller's context; the root where it sent none, or nonsense, which the tracer takes for none. */
function parentContext(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = ""] = traceparent.split("-", 4);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16) || 0, isRemote: true });
}

/** What the conventions call them. */
const operations = { chat: "chat", embedding: "embeddings" } as const;

function operationOf({ request }: Call): string {
  return operations[isEmbedRequest(request) ? "embedding" : "chat"];
}

function callAttributes({ call, source, attempts, usage, firstContentMs }: CallRecord, model: string): Attributes {
  const attributes: Attributes = {
    [spanNames.operation]: operationOf(call),
    [spanNames.requestModel]: model,
    [spanNames.requestStream]: call.streamed,
    [spanNames.decision]: call.id,
    [spanNames.door]: call.door,
    [spanNames.key]: call.key.id,
    [spanNames.policy]: call.snapshot.policy.revision,
    [spanNames.attempts]: attempts.length,
  };
  if (firstContentMs !== undefined) attributes[spanNames.firstChunkSeconds] = (firstContentMs - call.receivedMs) / 1000;
  if (source !== undefined) {
    attributes[spanNames.provider] = source.target.provider;
    attributes[spanNames.responseModel] = source.target.upstreamModel;
    const cache = cacheWords[source.cache];
    if (cache !== undefined) attributes[spanNames.cache] = cache;
    if (source.similarity !== undefined) attributes[spanNames.similarity] = source.similarity;
    if (source.rule !== "") attributes[spanNames.rule] = source.rule;
  }
  return usage === undefined ? attributes : Object.assign(attributes, usageAttributes(usage));
}

function attemptAttributes({ id, target, kind, won, status, firstContentMs, startMs }: AttemptRecord): Attributes {
  const attributes: Attributes = {
    [spanNames.operation]: operations[target.kind],
    [spanNames.provider]: target.provider,
    [spanNames.requestModel]: target.upstreamModel,
    [spanNames.attemptId]: id,
    [spanNames.attemptKind]: attemptKindWord(kind),
    [spanNames.attemptWon]: won,
  };
  if (status !== 0) attributes[spanNames.httpStatus] = status;
  if (firstContentMs !== undefined) attributes[spanNames.firstChunkSeconds] = (firstContentMs - startMs) / 1000;
  return attributes;
}

function usageAttributes(usage: Usage): Attributes {
  const attributes: Attributes = { [spanNames.inputTokens]: usage.inputTokens, [spanNames.outputTokens]: usage.outputTokens };
  if (usage.cacheReadTokens !== undefined) attributes[spanNames.cacheReadTokens] = usage.cacheReadTokens;
  if (usage.cacheWriteTokens !== undefined) attributes[spanNames.cacheWriteTokens] = usage.cacheWriteTokens;
  if (usage.reasoningTokens !== undefined) attributes[spanNames.reasoningTokens] = usage.reasoningTokens;
  return attributes;
}

/** The reason alone: an error's text may be an upstream's, and quote the prompt. */
function setError(span: Span, error: ChatError | undefined): void {
  if (error === undefined) return;
  span.setAttribute(spanNames.errorType, error.failure);
  if (!isCallersFault(error.failure)) span.setStatus({ code: SpanStatusCode.ERROR });
}
