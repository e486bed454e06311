import { ChatError, type Failure } from "../../core/error.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { encodeError } from "../../core/openai/error-encode.ts";
import { responsesParams } from "../../core/openai/param-names.ts";
import { type Answer, type Outcome, responseObject } from "./response-object.ts";

/** Codes of OpenAI's own that clients act on: Codex waits, shortens its history, or gives up. */
const codes: Partial<Record<Failure, string>> = {
  RATE_LIMITED: "rate_limit_exceeded",
  CALLER_RATE_LIMITED: "rate_limit_exceeded",
  CONTEXT_LENGTH_EXCEEDED: "context_length_exceeded",
  QUOTA_EXHAUSTED: "insufficient_quota",
  BUDGET_EXHAUSTED: "insufficient_quota",
  OVERLOADED: "server_is_overloaded",
  SHED: "server_is_overloaded",
  NO_TARGET: "server_is_overloaded",
  DRAINING: "server_is_overloaded",
  INVALID_REQUEST: "invalid_prompt",
  CONTENT_POLICY: "invalid_prompt",
};

/**
 * The fields of `response.failed`: the API's own form, and beside it the error as it is told everywhere else, which makes OpenAI's
 * SDKs throw, whereas `response.failed` alone would be an event like any other to them.
 */
export function failedText(error: ChatError, answer: Answer, outcome: Outcome): JsonObject {
  const told = encodeError(error, responsesParams).error;
  const failure = error.failure === "STREAM_INTERRUPTED" && error.cause instanceof ChatError ? error.cause : error;
  const code = codes[failure.failure] ?? "server_error";
  const wait = failure.retryAfterMs ?? error.retryAfterMs;
  // In these words, for that is where Codex reads it.
  const message = code === "rate_limit_exceeded" && wait !== undefined ? `${told.message}; try again in ${wait / 1000}s` : told.message;
  return { response: responseObject(answer, { status: "failed", error: { code, message } }, outcome), error: told };
}
