import { Code, ConnectError } from "@connectrpc/connect";

import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { durationFromMs } from "../core/clock.ts";
import type { ChatError, Failure } from "../core/error.ts";
import { limitHeaders } from "./limit-headers.ts";

/** How a failure leaves the house. */
export interface FailureStatus {
  /** Status of REST doors. For STREAM_INTERRUPTED and CANCELLED it is what the log says; no caller gets to see it. */
  readonly http: number;
  /** Canonical code of gRPC, gRPC-Web and Connect. */
  readonly code: Code;
  /** False: `x-should-retry: false`, because SDKs try 5xx and 429 again unless told not to. Undefined: no header. */
  readonly shouldRetry?: false;
  /** True: the answer says how long to wait, one second where nobody knows better. No other answer does. */
  readonly waits?: true;
}

/** The table of outcomes (docs/protocols.md); OpenAI's types and codes live with that dialect. */
const statuses = {
  INVALID_REQUEST: { http: 400, code: Code.InvalidArgument },
  CONTEXT_LENGTH_EXCEEDED: { http: 400, code: Code.InvalidArgument },
  CONTENT_POLICY: { http: 400, code: Code.InvalidArgument },
  UNSUPPORTED_FEATURE: { http: 400, code: Code.InvalidArgument },
  // Connect makes a 429 of this code, which SDKs try again.
  REQUEST_TOO_LARGE: { http: 413, code: Code.ResourceExhausted, shouldRetry: false },
  CALLER_UNAUTHENTICATED: { http: 401, code: Code.Unauthenticated },
  CALLER_FORBIDDEN: { http: 403, code: Code.PermissionDenied },
  MODEL_NOT_FOUND: { http: 404, code: Code.NotFound },
  CALLER_RATE_LIMITED: { http: 429, code: Code.ResourceExhausted, waits: true },
  BUDGET_EXHAUSTED: { http: 429, code: Code.ResourceExhausted, shouldRetry: false },
  RATE_LIMITED: { http: 429, code: Code.ResourceExhausted, waits: true },
  QUOTA_EXHAUSTED: { http: 502, code: Code.Internal, shouldRetry: false },
  UPSTREAM_AUTH: { http: 502, code: Code.Internal, shouldRetry: false },
  UPSTREAM_UNAVAILABLE: { http: 502, code: Code.Unavailable, shouldRetry: false },
  UPSTREAM_PROTOCOL: { http: 502, code: Code.Unavailable, shouldRetry: false },
  OVERLOADED: { http: 503, code: Code.Unavailable, waits: true },
  NO_TARGET: { http: 503, code: Code.Unavailable, waits: true },
  SHED: { http: 503, code: Code.Unavailable, waits: true },
  DRAINING: { http: 503, code: Code.Unavailable },
  STORE_UNAVAILABLE: { http: 503, code: Code.Unavailable, waits: true },
  TIMEOUT: { http: 504, code: Code.Unavailable, shouldRetry: false },
  // The table says "no" to trying these two again, and a 5xx says so only by header.
  DEADLINE_EXCEEDED: { http: 504, code: Code.DeadlineExceeded, shouldRetry: false },
  INTERNAL: { http: 500, code: Code.Internal, shouldRetry: false },
  STREAM_INTERRUPTED: { http: 502, code: Code.Unavailable },
  CANCELLED: { http: 499, code: Code.Canceled },
} as const satisfies Record<Failure, FailureStatus>;

/** `ErrorInfo.domain` of every error. */
export const errorDomain = "semaroute.dev";

/** Bytes of a message; gRPC carries it percent-encoded in a trailer, and 8 KiB of those is a common limit. */
const messageBytesMax = 1024;
/** Bytes of all field violations of one error, for the same reason. */
const violationBytesMax = 3072;
/** Milliseconds to wait where the table wants a wait and nobody knows one. */
const waitDefaultMs = 1000;

/** What an error answer says about the call besides the error. */
export interface ErrorContext {
  /** As in `x-request-id`; empty: not known. */
  readonly requestId: string;
  /** Our own id of the call, where one was made. */
  readonly callId?: string | undefined;
}

/** A field and what is wrong with it. */
export interface FieldProblem {
  /** Path in the request's own terms. */
  readonly field: string;
  readonly description: string;
}

/** Status, code and retry rule of a failure. */
export function statusOf(failure: Failure): FailureStatus {
  return statuses[failure];
}

/** What a caller may read of an error: at most 1 KiB, and nothing of one that nobody foresaw. */
export function shownMessage(error: ChatError): string {
  return error.failure === "INTERNAL" ? "internal error" : cutText(error.message, messageBytesMax);
}

/** Headers of an error answer, the same on REST doors and as metadata. The request id is not among them: every answer has it. */
export function errorHeaders(error: ChatError): [name: string, value: string][] {
  const status = statusOf(error.failure);
  const headers: [string, string][] = [["x-semaroute-attempts", String(error.attempts.length)]];
  const waitMs = waitOf(error);
  if (waitMs !== undefined) {
    headers.push(["retry-after", String(Math.ceil(waitMs / 1000))]);
    headers.push(["retry-after-ms", String(waitMs)]);
  }
  if (status.shouldRetry === false) headers.push(["x-should-retry", "false"]);
  return headers;
}

/** The error as gRPC, gRPC-Web and Connect carry it, with its google.rpc details. */
export function connectErrorFrom(error: ChatError, context: ErrorContext): ConnectError {
  const status = statusOf(error.failure);
  const text = shownMessage(error);
  const refusal = createRefusal({
    code: status.code,
    reason: error.failure,
    text,
    metadata: knownFacts(error, context),
    problems: status.code === Code.InvalidArgument && error.field !== undefined ? [{ field: error.field, description: text }] : [],
    requestId: context.requestId,
    cause: error,
  });
  for (const [name, value] of [...errorHeaders(error), ...limitHeaders(error.allowances), ...pushback(error)])
    refusal.metadata.set(name, value);
  const waitMs = waitOf(error);
  if (waitMs !== undefined) refusal.details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(waitMs) } });
  if (error.failure === "BUDGET_EXHAUSTED")
    refusal.details.push({ desc: QuotaFailureSchema, value: { violations: [{ subject: "key", description: text }] } });
  return refusal;
}

/** An error of a method that has no row in the table, such as a lost compare-and-swap. */
export interface RefusalInit {
  readonly code: Code;
  /** `ErrorInfo.reason`, upper snake case. */
  readonly reason: string;
  /** At most 1 KiB of it is sent. */
  readonly text: string;
  /** `ErrorInfo.metadata`; small. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Become BadRequest; as many as fit into 3 KiB. */
  readonly problems?: readonly FieldProblem[];
  /** Empty or absent: no RequestInfo; the error machinery adds it (`rpc/error-details.ts`). */
  readonly requestId?: string;
  readonly cause?: unknown;
}

/** A ConnectError with ErrorInfo, and BadRequest where fields are to blame. */
export function createRefusal(init: RefusalInit): ConnectError {
  const error = new ConnectError(cutText(init.text, messageBytesMax), init.code, undefined, undefined, init.cause);
  const info: Omit<ErrorInfo, "$typeName"> = { reason: init.reason, domain: errorDomain, metadata: { ...init.metadata } };
  error.details.push({ desc: ErrorInfoSchema, value: info });
  if (init.problems !== undefined && init.problems.length > 0)
    error.details.push({ desc: BadRequestSchema, value: badRequestFrom(init.problems) });
  if (init.requestId !== undefined && init.requestId !== "")
    error.details.push({ desc: RequestInfoSchema, value: { requestId: init.requestId } });
  return error;
}

function knownFacts(error: ChatError, context: ErrorContext): Record<string, string> {
  const facts: Record<string, string> = {};
  const last = error.attempts.at(-1);
  const upstream = error.upstream ?? (last && { status: last.status, requestId: last.upstreamRequestId });
  if (last !== undefined) {
    facts["provider"] = last.target.provider;
    facts["model"] = last.target.model;
    facts["attempts"] = String(error.attempts.length);
  }
  if (upstream !== undefined && upstream.status !== 0) facts["upstream_status"] = String(upstream.status);
  if (upstream !== undefined && upstream.requestId !== "") facts["upstream_request_id"] = cutText(upstream.requestId, 128);
  if (context.callId !== undefined) facts["decision"] = context.callId;
  return facts;
}

function badRequestFrom(problems: readonly FieldProblem[]): Omit<BadRequest, "$typeName"> {
  const fieldViolations: BadRequest["fieldViolations"] = [];
  let bytes = 0;
  for (const { field, description } of problems) {
    const violation = { field: cutText(field, 256), description: cutText(description, messageBytesMax), reason: "" };
    bytes += Buffer.byteLength(violation.field) + Buffer.byteLength(violation.description);
    if (bytes > violationBytesMax) break;
    fieldViolations.push({ $typeName: "google.rpc.BadRequest.FieldViolation", ...violation });
  }
  return { fieldViolations };
}

/** What a gRPC client's own retry policy is to do: gRFC A6. Absent: as it is configured. */
function pushback(error: ChatError): [name: string, value: string][] {
  if (statusOf(error.failure).shouldRetry === false) return [["grpc-retry-pushback-ms", "-1"]];
  const waitMs = waitOf(error);
  return waitMs === undefined ? [] : [["grpc-retry-pushback-ms", String(waitMs)]];
}

/** Whole milliseconds to wait; undefined: the table wants none, and one beside "do not retry" would contradict itself. */
export function waitOf(error: ChatError): number | undefined {
  if (statusOf(error.failure).waits !== true) return undefined;
  return Math.max(0, Math.ceil(error.retryAfterMs ?? waitDefaultMs));
}

/** The text, or as much of it as fits into so many bytes of UTF-8 with an ellipsis, never half a character. */
function cutText(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const room = new Uint8Array(bytesMax - 3);
  const { read } = new TextEncoder().encodeInto(text, room);
  return `${text.slice(0, read)}…`;
}
