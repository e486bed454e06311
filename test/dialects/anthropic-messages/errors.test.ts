import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChatError, type Failure, remedies } from "../../../src/core/error.ts";
import { knownBodies } from "../../../src/dialects/anthropic-messages/error-bodies.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";

function failed(status: number, error: Record<string, unknown> | string, headers: Record<string, string> = {}) {
  const body = typeof error === "string" ? error : JSON.stringify({ type: "error", error, request_id: "req_body" });
  return anthropicMessages.failureFrom({ status, headers, body, wallMs: 0 });
}

function inStream(error: Record<string, unknown>): ChatError {
  try {
    anthropicMessages.streamDecoder({}).push(JSON.stringify({ type: "error", error }), "error", []);
  } catch (thrown) {
    if (thrown instanceof ChatError) return thrown;
  }
  throw new Error("no error");
}

/** What Anthropic really answered, or documents, without the ids. */
const realBodies: readonly RealBody[] = [
  {
    source: "https://github.com/anthropics/claude-code/issues/10627",
    status: 400,
    error: { type: "invalid_request_error", message: "messages.1.content.0: Invalid `signature` in `thinking` block" },
    failure: "INVALID_REQUEST",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/25361",
    status: 400,
    error: {
      type: "invalid_request_error",
      message:
        "messages.1.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response.",
    },
    failure: "INVALID_REQUEST",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/66314",
    status: 400,
    error: {
      type: "invalid_request_error",
      message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/38035",
    status: 400,
    error: {
      type: "invalid_request_error",
      message: "You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.",
    },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://www.developersdigest.tech/errors/api/anthropic-api",
    status: 400,
    error: {
      type: "invalid_request_error",
      message: "You have reached your specified workspace API usage limits. You will regain access on x.",
    },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/19028",
    status: 400,
    error: { type: "invalid_request_error", message: "This organization has been disabled." },
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/12186",
    status: 400,
    error: { type: "invalid_request_error", message: "prompt is too long: 208310 tokens > 200000 maximum" },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/docker/docker-agent/issues/569",
    status: 400,
    error: {
      type: "invalid_request_error",
      message:
        "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again",
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://portkey.ai/error-library/input-limit-exceeded-error-10156",
    status: 400,
    error: {
      type: "invalid_request_error",
      message: "max_tokens: 10000 > 4096, which is the maximum allowed number of output tokens for claude-2.0",
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/62817",
    status: 400,
    error: { details: null, type: "invalid_request_error", message: "Output blocked by content filtering policy" },
    failure: "CONTENT_POLICY",
  },
  {
    source: "https://docs.claude.com/en/api/errors",
    status: 400,
    error: { type: "invalid_request_error", details: { error_code: "request_body_too_large_after_decoding" } },
    failure: "REQUEST_TOO_LARGE",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/29584",
    status: 429,
    error: { type: "rate_limit_error", message: "Extra usage is required for long context requests." },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/64982",
    status: 429,
    error: { type: "rate_limit_error", message: "Usage credits are required for long context requests." },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/anthropics/claude-code/issues/71670",
    status: 429,
    error: { type: "rate_limit_error", message: "This request would exceed your account's rate limit. Please try again later." },
    failure: "RATE_LIMITED",
  },
  {
    source: "https://www.developersdigest.tech/errors/api/anthropic-api",
    status: 429,
    error: { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://docs.claude.com/en/api/errors",
    status: 404,
    error: { type: "not_found_error", message: "model: claude-nothing" },
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://docs.claude.com/en/api/errors",
    status: 404,
    error: { type: "not_found_error", message: "The requested resource could not be found." },
    failure: "UPSTREAM_UNAVAILABLE",
  },
];

interface RealBody {
  readonly source: string;
  readonly status: number;
  readonly error: Record<string, unknown>;
  readonly failure: Failure;
}

describe("what Anthropic really answers", () => {
  test.each(realBodies)("$status $error means $failure", ({ source, status, error, failure }) => {
    expect(source).toMatch(/^https:/);
    expect(failed(status, error).failure).toBe(failure);
  });

  test.each(realBodies.filter(({ error }) => error["type"] === "invalid_request_error" || error["type"] === "rate_limit_error"))(
    "$status $error means $failure inside a stream too",
    ({ error, failure }) => expect(inStream(error)).toMatchObject({ failure, upstream: { status: 200 } }),
  );

  test("is what every row of the table of words is about", () => {
    for (const row of knownBodies) {
      expect(row.says.source).toMatch(/^\^/);
      expect(row.source).toMatch(/^https:/);
      const seen = realBodies.some(({ status, error }) => row.status.includes(status) && row.says.test(String(error["message"])));
      expect(seen, row.says.source).toBe(true);
    }
  });

  test.each([
    { message: "messages.1.content.0: Invalid `signature` in `thinking` block", stale: true },
    {
      message:
        "messages.12.content.3: Invalid `signature` in `thinking` block. The block is bound to a different conversation. Send it back where it was.",
      stale: true,
    },
    { message: "messages.1.content.0: Invalid `data` in `redacted_thinking` block", stale: true },
    { message: "messages.1.content.0.text: Invalid `signature` in `thinking` block", stale: false },
    { message: "messages.0.content: Field required", stale: false },
  ])("$message is about sealed state: $stale", ({ message, stale }) => {
    const error = failed(400, { type: "invalid_request_error", message });
    expect(error).toMatchObject({ failure: "INVALID_REQUEST", staleState: stale, fromUpstream: true });
  });

  test("means nothing further on, as a prompt that is quoted would have it", () => {
    for (const { error } of realBodies) {
      const message = `messages.0.content: Invalid value ${String(error["message"])}`;
      expect(failed(400, { type: "invalid_request_error", message }).failure).toBe("INVALID_REQUEST");
    }
  });
});

describe("an error answer", () => {
  test.each<{ status: number; error: Record<string, unknown> | string; failure: Failure }>([
    { status: 400, error: { type: "invalid_request_error", message: "max_tokens: Field required" }, failure: "INVALID_REQUEST" },
    { status: 400, error: { message: "the prompt is too long for this" }, failure: "INVALID_REQUEST" },
    { status: 401, error: { type: "authentication_error" }, failure: "UPSTREAM_AUTH" },
    { status: 402, error: { type: "billing_error" }, failure: "QUOTA_EXHAUSTED" },
    { status: 403, error: { type: "permission_error" }, failure: "UPSTREAM_AUTH" },
    { status: 403, error: "<html>you have been blocked</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { status: 400, error: "<html>400 Bad Request</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { status: 404, error: { type: "not_found_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 409, error: { type: "conflict_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 413, error: "<html>413 Request Entity Too Large</html>", failure: "REQUEST_TOO_LARGE" },
    { status: 422, error: { message: "odd" }, failure: "INVALID_REQUEST" },
    { status: 429, error: { type: "rate_limit_error" }, failure: "RATE_LIMITED" },
    { status: 429, error: { type: "rate_limit_error", details: { error_code: "ramp_limit_exceeded" } }, failure: "RATE_LIMITED" },
    {
      status: 429,
      error: { type: "rate_limit_error", details: { error_code: "contract_spend_limit_reached" } },
      failure: "QUOTA_EXHAUSTED",
    },
    { status: 500, error: { type: "api_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 500, error: { type: "overloaded_error" }, failure: "OVERLOADED" },
    { status: 502, error: "<html>bad gateway</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { status: 503, error: "", failure: "OVERLOADED" },
    { status: 504, error: { type: "timeout_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 529, error: { type: "overloaded_error" }, failure: "OVERLOADED" },
    { status: 302, error: "", failure: "UPSTREAM_UNAVAILABLE" },
  ])("$status $error means $failure", ({ status, error, failure }) => {
    expect(failed(status, error)).toMatchObject({ failure, upstream: { status } });
  });

  test("of 404 says so", () => {
    expect(failed(404, "").message).toBe("anthropic answered 404");
  });

  test.each([
    { message: "messages.3.content: Input should be a list", field: "messages.3.content" },
    { message: "temperature: Extra inputs are not permitted", field: "temperature" },
    { message: "Something is odd: really", field: undefined },
    { message: "tool_use ids were found without tool_result blocks: a", field: undefined },
  ])("keeps the message and the field of $message", ({ message, field }) => {
    expect(failed(400, { type: "invalid_request_error", message })).toMatchObject({ message, field, fromUpstream: true });
  });

  test("keeps no key and no more than 1024 characters of the message", () => {
    const error = failed(400, { message: `bad key sk-ant-api03-abcdefgh_IJK-1 for Bearer abcdefghijk\n${"é".repeat(2000)}` });
    expect(error.message).toMatch(/^bad key \[removed\] for \[removed\] é+…$/);
    expect(error.message.length).toBeLessThanOrEqual(1024);
  });

  test("says nothing of the upstream's words where the caller is not at fault", () => {
    expect(failed(401, { type: "authentication_error", message: "invalid x-api-key sk-ant-1234567890" })).toMatchObject({
      message: "anthropic answered 401 (authentication_error)",
      fromUpstream: false,
      field: undefined,
    });
  });

  test("is known by the header's request id, else by the body's", () => {
    expect(failed(500, { type: "api_error" }, { "request-id": "req_head" }).upstream?.requestId).toBe("req_head");
    expect(failed(500, { type: "api_error" }).upstream?.requestId).toBe("req_body");
    expect(failed(500, "").upstream?.requestId).toBe("");
  });
});

test("a wait is told where waiting helps", () => {
  const headers = { "retry-after": "7" };
  expect(failed(429, { type: "rate_limit_error" }, headers).retryAfterMs).toBe(7000);
  expect(failed(529, { type: "overloaded_error" }, headers).retryAfterMs).toBe(7000);
  expect(failed(500, "", headers).retryAfterMs).toBe(7000);
  const reset = { "anthropic-ratelimit-requests-reset": "1970-01-01T00:00:12Z", "anthropic-ratelimit-requests-remaining": "0" };
  expect(failed(429, { type: "rate_limit_error" }, reset).retryAfterMs).toBe(12_000);
});

test("a spent limit or a bad key has no wait, whatever the headers say", () => {
  expect(failed(402, "", { "retry-after": "5" }).retryAfterMs).toBeUndefined();
  expect(failed(401, "", { "retry-after": "5" }).retryAfterMs).toBeUndefined();
  expect(failed(400, "", { "retry-after": "5" }).retryAfterMs).toBeUndefined();
});

test("any answer of any status is one failure, and never blames the caller for the operator's trouble", () => {
  const types = fc.constantFrom("invalid_request_error", "rate_limit_error", "overloaded_error", "authentication_error", "x");
  const messages = fc.oneof(fc.constantFrom(...realBodies.map(({ error }) => error["message"])), fc.string());
  const bodies = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.record({ type: types, message: messages }).map((error) => JSON.stringify({ type: "error", error })),
  );
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), bodies, (status, body) => {
      const { failure, message } = failed(status, body);
      expect(Object.keys(remedies)).toContain(failure);
      expect(failure).not.toMatch(/^CALLER_/);
      expect(message).not.toBe("");
      if (status !== 400 && status !== 422) expect(failure).not.toBe("INVALID_REQUEST");
      if (status === 401) expect(failure).toBe("UPSTREAM_AUTH");
    }),
    { numRuns: 1000 },
  );
});
