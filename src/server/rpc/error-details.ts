import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextKey, createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";

import { ErrorInfoSchema, RequestInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { ChatError, chatErrorFrom, type Failure, isFailure } from "../../core/error.ts";
import { openedKey } from "./context.ts";
import { connectErrorFrom, errorDomain, statusOf } from "../errors.ts";
import { toldFault } from "./parse-faults.ts";

/** The request id of an RPC: set it with `contextValues` of the adapter. Empty: not known. */
export const requestIdKey: ContextKey<string> = createContextKey("", { description: "request id" });

/** Runs when the headers are there and before the body is read. */
export type RequestGate = (context: HandlerContext) => void | Promise<void>;

/**
 * The gate, told of ChatErrors, in front of every RPC. It also completes what Connect itself refuses (bad JSON, too many
 * bytes, unknown methods): those errors pass no interceptor, but abort the context's signal before they are written.
 */
export function gateWithDetails(gate: RequestGate, onRefused: OnRefused = ignore): RequestGate {
  return async (context) => {
    const requestId = context.values.get(requestIdKey);
    if (requestId !== "") context.responseHeader.set("x-request-id", requestId);
    const onAbort = (): void => {
      const { reason } = context.signal;
      completeInPlace(reason, requestId, context.method.input);
      if (isRefusal(reason) && !context.values.get(openedKey)) onRefused(context, failureOf(reason));
    };
    context.signal.addEventListener("abort", onAbort, { once: true });
    try {
      await gate(context);
    } catch (thrown) {
      context.signal.removeEventListener("abort", onAbort);
      if (!(thrown instanceof ConnectError) || isRefusal(thrown)) onRefused(context, failureOf(thrown));
      throw connectErrorOf(thrown, requestId);
    }
  };
}

/** Hears of requests that never became a call. */
export type OnRefused = (context: HandlerContext, failure: Failure) => void;

function ignore(): void {}

/** A method that is not there is nobody's fault. */
function isRefusal(reason: unknown): boolean {
  if (reason instanceof ChatError) return true;
  return reason instanceof ConnectError && !reason.isWireError && !foreignCodes.has(reason.code) && reason.code !== Code.Unimplemented;
}

/** What a refusal is called in our words; by its ErrorInfo where it has one. */
function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof ConnectError)) return chatErrorFrom(thrown).failure;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  const told = info?.reason ?? reasons.get(thrown.code);
  return told !== undefined && isFailure(told) ? told : "INVALID_REQUEST";
}

/**
 * gRPC percent-encodes a message's bytes that are not visible ASCII, and the percent sign ("gRPC over HTTP2", Responses).
 * Connect encodes punctuation too, which grpc-js then leaves as it is: people would read `model%3A`.
 */
export function encodeMessagesByTheBook(trailer: Headers): void {
  const set = trailer.set.bind(trailer);
  const byTheBook = (name: string, value: string): void => {
    set(name, name.toLowerCase() === "grpc-message" ? decodeURIComponent(value).replace(/[^ -$&-~]+/g, encodeURIComponent) : value);
  };
  Object.defineProperty(trailer, "set", { value: byTheBook });
}

/**
 * Turns what unary handlers and other interceptors throw into errors with details; the outermost interceptor. What a
 * stream throws under way is left to its handler, so that no chunk pays for it.
 */
export const errorDetails: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (thrown) {
    throw connectErrorOf(thrown, request.contextValues.get(requestIdKey));
  }
};

/** Why a stream ends whose context was aborted: the deadline, the drain, or a caller who no longer listens. */
export function abortError(context: Pick<HandlerContext, "signal" | "values">): ConnectError {
  const reason: unknown = context.signal.reason;
  const error = reason instanceof ConnectError || reason instanceof ChatError ? reason : new ChatError("CANCELLED", "the caller left");
  return connectErrorOf(error, context.values.get(requestIdKey));
}

function connectErrorOf(thrown: unknown, requestId: string): ConnectError {
  if (!(thrown instanceof ConnectError)) return connectErrorFrom(chatErrorFrom(thrown), { requestId });
  const missing = missingDetails(thrown, requestId);
  if (missing.length === 0) return thrown;
  // A copy: the reason of a shutdown is one error for all calls, and must not collect their ids.
  const copy = new ConnectError(toldFault(thrown.rawMessage), thrown.code, thrown.metadata, undefined, thrown.cause ?? thrown);
  copy.details.push(...thrown.details, ...missing);
  return copy;
}

/** Codes that come by a signal shared with other calls, never from Connect's reading of this one. */
const foreignCodes: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Canceled, Code.Aborted]);

function completeInPlace(error: unknown, requestId: string, input: DescMessage): void {
  if (!(error instanceof ConnectError) || error.isWireError || foreignCodes.has(error.code)) return;
  // Connect calls JSON that it cannot read the caller's fault, and binary that it cannot read its own.
  if (error.rawMessage.startsWith(unreadable)) Object.assign(error, { code: Code.InvalidArgument });
  const missing = missingDetails(error, requestId);
  if (missing.length === 0) return;
  if (statusOf(failureOf(error)).shouldRetry === false) error.metadata.set("x-should-retry", "false");
  error.details.push(...missing);
  const rawMessage = toldFault(error.rawMessage, input);
  // The fields are readonly to us, but this is the one moment when an error of Connect's parser can still be changed.
  if (rawMessage !== error.rawMessage) Object.assign(error, { rawMessage, message: rawMessage });
}

/** How Connect begins what it says about binary messages. */
const unreadable = "parse binary: ";

/** Reasons of errors that Connect raises by itself; UNIMPLEMENTED is its own word. */
const reasons: ReadonlyMap<Code, Failure | "UNIMPLEMENTED"> = new Map<Code, Failure | "UNIMPLEMENTED">([
  [Code.InvalidArgument, "INVALID_REQUEST"],
  [Code.ResourceExhausted, "REQUEST_TOO_LARGE"],
  [Code.DeadlineExceeded, "DEADLINE_EXCEEDED"],
  [Code.Canceled, "CANCELLED"],
  [Code.Aborted, "CANCELLED"],
  [Code.Unavailable, "DRAINING"],
  [Code.Unimplemented, "UNIMPLEMENTED"],
]);

function missingDetails(error: ConnectError, requestId: string): ConnectError["details"] {
  const present = new Set(error.details.map((detail) => ("desc" in detail ? detail.desc.typeName : detail.type)));
  const missing: ConnectError["details"] = [];
  if (!present.has(ErrorInfoSchema.typeName))
    missing.push({ desc: ErrorInfoSchema, value: { reason: reasons.get(error.code) ?? "INTERNAL", domain: errorDomain } });
  if (requestId !== "" && !present.has(RequestInfoSchema.typeName)) missing.push({ desc: RequestInfoSchema, value: { requestId } });
  return missing;
}
