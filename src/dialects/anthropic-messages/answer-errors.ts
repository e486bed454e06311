import type { ErrorShape } from "../../core/dialect.ts";
import type { ChatError, Failure } from "../../core/error.ts";
import type { Fields } from "./fields.ts";
import { limitHeaders } from "./limit-headers.ts";

/** Type of each failure (docs/protocols.md, outcomes). */
const types = {
  INVALID_REQUEST: "invalid_request_error",
  CONTEXT_LENGTH_EXCEEDED: "invalid_request_error",
  CONTENT_POLICY: "invalid_request_error",
  UNSUPPORTED_FEATURE: "invalid_request_error",
  REQUEST_TOO_LARGE: "request_too_large",
  CALLER_UNAUTHENTICATED: "authentication_error",
  CALLER_FORBIDDEN: "permission_error",
  MODEL_NOT_FOUND: "not_found_error",
  CALLER_RATE_LIMITED: "rate_limit_error",
  BUDGET_EXHAUSTED: "rate_limit_error",
  RATE_LIMITED: "rate_limit_error",
  QUOTA_EXHAUSTED: "api_error",
  UPSTREAM_AUTH: "api_error",
  UPSTREAM_UNAVAILABLE: "api_error",
  UPSTREAM_PROTOCOL: "api_error",
  OVERLOADED: "overloaded_error",
  NO_TARGET: "overloaded_error",
  SHED: "overloaded_error",
  DRAINING: "overloaded_error",
  STORE_UNAVAILABLE: "api_error",
  TIMEOUT: "api_error",
  DEADLINE_EXCEEDED: "api_error",
  STREAM_INTERRUPTED: "api_error",
  // Nobody reads it: the caller is gone.
  CANCELLED: "api_error",
  INTERNAL: "api_error",
} as const satisfies Record<Failure, string>;

/** Errors as Anthropic's SDKs expect them. */
export const anthropicErrors: ErrorShape = {
  body: textOfError,
  refusal: ({ status, message }, requestId) =>
    textOf({ type: status === 404 ? "not_found_error" : "invalid_request_error", message }, requestId),
  event: (error, requestId) => `event: error\ndata: ${textOfError(error, requestId)}\n\n`,
  statuses: { OVERLOADED: 529, NO_TARGET: 529, SHED: 529, DRAINING: 529 },
  headers: (requestId) => [["request-id", requestId]],
  limitHeaders,
};

/** What nobody foresaw says no more than that. A more exact name of a fault is what SDKs act upon. */
function textOfError({ failure, message, code }: ChatError, requestId: string): string {
  const told = { type: types[failure], message: failure === "INTERNAL" ? "internal error" : message };
  return textOf(code === undefined ? told : { ...told, details: { error_code: code } }, requestId);
}

function textOf(error: Fields, requestId: string): string {
  return JSON.stringify({ type: "error", error, request_id: requestId });
}
