import type { ChatError, Failure } from "../error.ts";
import { chatParams, type ParamNames, paramOf } from "./param-names.ts";

/** OpenAI's error body; all four keys are always there. */
export interface ErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

/** Type and code of each failure (docs/protocols.md, outcomes). */
const outcomes = {
  INVALID_REQUEST: ["invalid_request_error", "invalid_request"],
  CONTEXT_LENGTH_EXCEEDED: ["invalid_request_error", "context_length_exceeded"],
  CONTENT_POLICY: ["invalid_request_error", "content_policy_violation"],
  UNSUPPORTED_FEATURE: ["invalid_request_error", "unsupported_parameter"],
  REQUEST_TOO_LARGE: ["invalid_request_error", "request_too_large"],
  CALLER_UNAUTHENTICATED: ["authentication_error", "invalid_api_key"],
  CALLER_FORBIDDEN: ["permission_error", "permission_denied"],
  MODEL_NOT_FOUND: ["invalid_request_error", "model_not_found"],
  CALLER_RATE_LIMITED: ["rate_limit_error", "rate_limit_exceeded"],
  BUDGET_EXHAUSTED: ["insufficient_quota", "insufficient_quota"],
  RATE_LIMITED: ["rate_limit_error", "upstream_rate_limited"],
  QUOTA_EXHAUSTED: ["server_error", "upstream_quota_exhausted"],
  UPSTREAM_AUTH: ["server_error", "upstream_auth"],
  UPSTREAM_UNAVAILABLE: ["server_error", "upstream_unavailable"],
  UPSTREAM_PROTOCOL: ["server_error", "upstream_invalid_response"],
  OVERLOADED: ["overloaded_error", "upstream_overloaded"],
  NO_TARGET: ["server_error", "no_target_available"],
  SHED: ["overloaded_error", "overloaded"],
  DRAINING: ["server_error", "draining"],
  STORE_UNAVAILABLE: ["server_error", "store_unavailable"],
  TIMEOUT: ["server_error", "upstream_timeout"],
  DEADLINE_EXCEEDED: ["server_error", "deadline_exceeded"],
  STREAM_INTERRUPTED: ["server_error", "stream_interrupted"],
  // Nobody reads it: the caller is gone.
  CANCELLED: ["server_error", "cancelled"],
  INTERNAL: ["server_error", "internal_error"],
} as const satisfies Record<Failure, readonly [type: string, code: string]>;

/** An error in OpenAI's shape; the status is the door's business. What nobody foresaw says no more than that. */
export function encodeError(error: ChatError, names: ParamNames = chatParams): ErrorBody {
  const [type, code] = outcomes[error.failure];
  const message = error.failure === "INTERNAL" ? "internal error" : error.message;
  return { error: { message, type, param: paramIn(error, names), code: error.code ?? code } };
}

/** Our own words for a field are not the caller's; an upstream's are, where it speaks this dialect. */
function paramIn({ field, fromUpstream }: ChatError, names: ParamNames): string | null {
  if (field === undefined) return null;
  return fromUpstream ? field : paramOf(field, names);
}

/** An error as the last event of a stream; `[DONE]` never follows. */
export function streamErrorText(error: ChatError): string {
  return `data: ${JSON.stringify(encodeError(error))}\n\n`;
}
