import { describe, expect, test } from "vitest";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";

function failed(status: number, error: Record<string, unknown> | string, headers: Record<string, string> = {}) {
  const body = typeof error === "string" ? error : JSON.stringify({ type: "error", error, request_id: "req_body" });
  return anthropicMessages.failureFrom({ status, headers, body });
}

describe("an error answer", () => {
  test.each([
    { status: 400, error: { type: "invalid_request_error", message: "max_tokens: Field required" }, failure: "INVALID_REQUEST" },
    {
      status: 400,
      error: { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
      failure: "CONTEXT_LENGTH_EXCEEDED",
    },
    {
      status: 400,
      error: { message: "input length and `max_tokens` exceed context limit: 199345 + 20000 > 200000" },
      failure: "CONTEXT_LENGTH_EXCEEDED",
    },
    {
      status: 400,
      error: { type: "invalid_request_error", message: "Your credit balance is too low to access the API" },
      failure: "QUOTA_EXHAUSTED",
    },
    { status: 400, error: { message: "You have reached your specified API usage limits." }, failure: "QUOTA_EXHAUSTED" },
    { status: 400, error: { message: "Output blocked by content filtering policy" }, failure: "CONTENT_POLICY" },
    { status: 400, error: { details: { error_code: "request_body_too_large_after_decoding" } }, failure: "REQUEST_TOO_LARGE" },
    { status: 401, error: { type: "authentication_error" }, failure: "UPSTREAM_AUTH" },
    { status: 402, error: { type: "billing_error" }, failure: "QUOTA_EXHAUSTED" },
    { status: 403, error: { type: "permission_error" }, failure: "UPSTREAM_AUTH" },
    { status: 404, error: { type: "not_found_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 409, error: { type: "conflict_error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { status: 413, error: "<html>413 Request Entity Too Large</html>", failure: "REQUEST_TOO_LARGE" },
    { status: 422, error: { message: "odd" }, failure: "INVALID_REQUEST" },
    { status: 429, error: { type: "rate_limit_error" }, failure: "RATE_LIMITED" },
    { status: 429, error: { type: "rate_limit_error", details: { error_code: "ramp_limit_exceeded" } }, failure: "RATE_LIMITED" },
    {
      status: 429,
      error: { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } },
      failure: "QUOTA_EXHAUSTED",
    },
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

  test("keeps no key and no more than 1 KiB of the message", () => {
    const error = failed(400, { message: `bad key sk-ant-api03-abcdefgh_IJK-1 for Bearer abcdefghijk\n${"é".repeat(2000)}` });
    expect(error.message).toMatch(/^bad key \*\*\* for \*\*\* é+$/);
    expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(1024);
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

const date = "Mon, 23 Nov 2026 10:00:00 GMT";
test.each([
  { headers: { "retry-after": "7" }, ms: 7000 },
  { headers: { "retry-after": "0.5" }, ms: 500 },
  { headers: { "retry-after-ms": "1200", "retry-after": "9" }, ms: 1200 },
  { headers: { "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", date }, ms: 30_000 },
  { headers: { "retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", date }, ms: 0 },
  { headers: { "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT" }, ms: undefined },
  { headers: { "retry-after": "soon", date }, ms: undefined },
  { headers: { "retry-after": "-3" }, ms: undefined },
  { headers: {}, ms: undefined },
])("the headers $headers mean a wait of $ms ms", ({ headers, ms }) => {
  expect(failed(429, { type: "rate_limit_error" }, headers).retryAfterMs).toBe(ms);
});

test("a spent limit has no wait, whatever the headers say", () => {
  expect(failed(402, "", { "retry-after": "5" }).retryAfterMs).toBeUndefined();
});
