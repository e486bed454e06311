import { describe, expect, test } from "vitest";

import { ChatError, type Failure, remedies } from "../../../src/core/error.ts";
import { encodeError, streamErrorText } from "../../../src/dialects/openai-chat/error-encode.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): ChatError =>
  openaiChat.failureFrom({ status, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
const oai = (message: string, code: string | null = null, type: string | null = null): unknown => ({
  error: { message, type, code, param: null },
});

describe("what an upstream's error answer means", () => {
  const table: readonly { name: string; status: number; body: unknown; failure: Failure }[] = [
    { name: "400", status: 400, body: oai("bad", null, "invalid_request_error"), failure: "INVALID_REQUEST" },
    { name: "400 unsupported parameter", status: 400, body: oai("no", "unsupported_parameter"), failure: "UNSUPPORTED_FEATURE" },
    { name: "400 unsupported value", status: 400, body: oai("no", "unsupported_value"), failure: "UNSUPPORTED_FEATURE" },
    { name: "400 context by code", status: 400, body: oai("long", "context_length_exceeded"), failure: "CONTEXT_LENGTH_EXCEEDED" },
    {
      name: "400 context by words (vLLM)",
      status: 400,
      body: { object: "error", message: "This model's maximum context length is 8 tokens", type: "BadRequestError", code: 400 },
      failure: "CONTEXT_LENGTH_EXCEEDED",
    },
    { name: "400 content policy", status: 400, body: oai("no", "content_policy_violation"), failure: "CONTENT_POLICY" },
    {
      name: "400 Azure's filter",
      status: 400,
      body: { error: { code: "content_filter", message: "m", status: 400, innererror: { code: "ResponsibleAIPolicyViolation" } } },
      failure: "CONTENT_POLICY",
    },
    {
      name: "400 with a key that is not valid (Gemini, an array)",
      status: 400,
      body: [{ error: { code: 400, message: "API key not valid. Please pass a valid API key.", status: "INVALID_ARGUMENT" } }],
      failure: "UPSTREAM_AUTH",
    },
    { name: "400 Groq's unreadable tool call", status: 400, body: oai("m", "tool_use_failed"), failure: "UPSTREAM_PROTOCOL" },
    {
      name: "422 Mistral",
      status: 422,
      body: { object: "error", message: { detail: [{ type: "extra_forbidden", loc: ["body", "foo"], msg: "Extra inputs" }] } },
      failure: "INVALID_REQUEST",
    },
    { name: "401", status: 401, body: oai("Incorrect API key provided: sk-abc", "invalid_api_key"), failure: "UPSTREAM_AUTH" },
    { name: "403 region", status: 403, body: oai("no", "unsupported_country_region_territory"), failure: "UPSTREAM_AUTH" },
    {
      name: "403 for the content (xAI)",
      status: 403,
      body: { code: "x", error: "Content violates usage guidelines" },
      failure: "CONTENT_POLICY",
    },
    { name: "402", status: 402, body: { error: { message: "no balance" } }, failure: "QUOTA_EXHAUSTED" },
    {
      name: "402 in flight (OpenRouter)",
      status: 402,
      body: { error: { code: "in_flight_budget_exhausted", message: "m" } },
      failure: "RATE_LIMITED",
    },
    { name: "404", status: 404, body: oai("no model", "model_not_found"), failure: "MODEL_NOT_FOUND" },
    { name: "408", status: 408, body: "", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "413", status: 413, body: "<html>too large</html>", failure: "REQUEST_TOO_LARGE" },
    {
      name: "413 Groq's tokens per minute",
      status: 413,
      body: oai("Request too large for model x on tokens per minute (TPM)", "rate_limit_exceeded", "tokens"),
      failure: "REQUEST_TOO_LARGE",
    },
    { name: "429", status: 429, body: oai("slow", "rate_limit_exceeded", "tokens"), failure: "RATE_LIMITED" },
    {
      name: "429 quota",
      status: 429,
      body: oai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
      failure: "QUOTA_EXHAUSTED",
    },
    { name: "429 quota by words", status: 429, body: { error: "Your credit balance is too low" }, failure: "QUOTA_EXHAUSTED" },
    {
      name: "429 one request above the limit",
      status: 429,
      body: oai("Request too large for gpt-4o in organization org-1 on tokens per min (TPM)", "rate_limit_exceeded"),
      failure: "REQUEST_TOO_LARGE",
    },
    { name: "498 Groq", status: 498, body: oai("m", "capacity_exceeded"), failure: "OVERLOADED" },
    { name: "500", status: 500, body: oai("m", null, "server_error"), failure: "UPSTREAM_UNAVAILABLE" },
    { name: "502 HTML", status: 502, body: "<html><h1>Bad Gateway</h1></html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "503", status: 503, body: oai("m", "server_is_overloaded", "service_unavailable_error"), failure: "OVERLOADED" },
    { name: "529", status: 529, body: "", failure: "OVERLOADED" },
    { name: "a redirect", status: 302, body: "", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a truncated body", status: 400, body: '{"error":{"mess', failure: "INVALID_REQUEST" },
    { name: "JSON null", status: 400, body: "null", failure: "INVALID_REQUEST" },
  ];
  for (const { name, status, body, failure } of table)
    test(`${name} means ${failure}`, () => expect(answer(status, body).failure).toBe(failure));

  test("the caller reads the upstream's words about its own request, with the field", () => {
    const error = answer(
      400,
      { error: { message: "Invalid 'x'.", type: "invalid_request_error", param: "messages[0].x", code: null } },
      { "x-request-id": "r1" },
    );
    expect(error).toMatchObject({
      message: "Invalid 'x'.",
      field: "messages[0].x",
      fromUpstream: true,
      upstream: { status: 400, requestId: "r1" },
    });
    expect(answer(422, { detail: [{ loc: ["body", "foo", 0], msg: "Extra inputs" }] })).toMatchObject({
      message: "body.foo.0: Extra inputs",
      field: "foo.0",
    });
  });

  for (const status of [401, 402, 403, 404, 429, 500, 503])
    test(`the upstream's words in a ${status} are not shown`, () => {
      const error = answer(status, oai("very private words"));
      expect(error.message).not.toContain("private");
      expect(error.message).toContain(String(status));
      expect(error.fromUpstream).toBe(false);
    });

  const secrets = [
    "Incorrect key sk-proj-abcd1234EFGH5678",
    "header Bearer abc.def",
    "in organization org-AbC123xyz",
    "at https://my-deployment.openai.azure.com/x?k=1",
    "token AIzaSyA1234567890abcdef",
    "id 0123456789abcdef0123456789abcdef0123",
    "key sk-****abcd",
  ];
  for (const secret of secrets)
    test(`"${secret}" loses its secret`, () => {
      const { message } = answer(400, oai(`no: ${secret} end`));
      expect(message).toMatch(/^no: .*\[removed\] end$/);
      expect(message).not.toContain(secret.split(" ").at(-1));
    });

  test("a long message is cut to a KiB", () => expect(answer(400, oai("x y ".repeat(5000))).message).toHaveLength(1024));

  const waits: readonly { name: string; headers: Record<string, string>; body?: unknown; ms: number | undefined }[] = [
    { name: "seconds", headers: { "retry-after": "2" }, ms: 2000 },
    { name: "milliseconds win", headers: { "retry-after": "2", "retry-after-ms": "150.4" }, ms: 151 },
    {
      name: "a date, against the answer's own clock",
      headers: { "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", date: "Mon, 23 Nov 2026 10:00:00 GMT" },
      ms: 30_000,
    },
    { name: "a date without a clock", headers: { "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT" }, ms: undefined },
    { name: "nonsense", headers: { "retry-after": "-1", "retry-after-ms": "soon" }, ms: undefined },
    { name: "words", headers: {}, body: oai("Please try again in 1.2s."), ms: 1200 },
    { name: "words with minutes", headers: {}, body: oai("try again in 6m0s"), ms: 360_000 },
    { name: "words in milliseconds", headers: {}, body: oai("try again in 20ms"), ms: 20 },
  ];
  for (const { name, headers, body, ms } of waits)
    test(`the wait of a 429 by ${name}`, () => expect(answer(429, body ?? oai("slow"), headers).retryAfterMs).toBe(ms));

  test("no wait helps where the money is gone", () =>
    expect(answer(429, oai("m", "insufficient_quota"), { "retry-after": "5" }).retryAfterMs).toBeUndefined());
});

describe("errors to the caller", () => {
  const rows: readonly [Failure, string, string][] = [
    ["INVALID_REQUEST", "invalid_request_error", "invalid_request"],
    ["CONTEXT_LENGTH_EXCEEDED", "invalid_request_error", "context_length_exceeded"],
    ["CONTENT_POLICY", "invalid_request_error", "content_policy_violation"],
    ["UNSUPPORTED_FEATURE", "invalid_request_error", "unsupported_parameter"],
    ["REQUEST_TOO_LARGE", "invalid_request_error", "request_too_large"],
    ["CALLER_UNAUTHENTICATED", "authentication_error", "invalid_api_key"],
    ["CALLER_FORBIDDEN", "permission_error", "permission_denied"],
    ["MODEL_NOT_FOUND", "invalid_request_error", "model_not_found"],
    ["CALLER_RATE_LIMITED", "rate_limit_error", "rate_limit_exceeded"],
    ["BUDGET_EXHAUSTED", "insufficient_quota", "insufficient_quota"],
    ["RATE_LIMITED", "rate_limit_error", "upstream_rate_limited"],
    ["QUOTA_EXHAUSTED", "server_error", "upstream_quota_exhausted"],
    ["UPSTREAM_AUTH", "server_error", "upstream_auth"],
    ["UPSTREAM_UNAVAILABLE", "server_error", "upstream_unavailable"],
    ["UPSTREAM_PROTOCOL", "server_error", "upstream_invalid_response"],
    ["OVERLOADED", "overloaded_error", "upstream_overloaded"],
    ["NO_TARGET", "server_error", "no_target_available"],
    ["SHED", "overloaded_error", "overloaded"],
    ["DRAINING", "server_error", "draining"],
    ["STORE_UNAVAILABLE", "server_error", "store_unavailable"],
    ["TIMEOUT", "server_error", "upstream_timeout"],
    ["DEADLINE_EXCEEDED", "server_error", "deadline_exceeded"],
    ["STREAM_INTERRUPTED", "server_error", "stream_interrupted"],
    ["CANCELLED", "server_error", "cancelled"],
    ["INTERNAL", "server_error", "internal_error"],
  ];
  for (const [failure, type, code] of rows)
    test(`${failure} is ${type} / ${code}`, () =>
      expect(encodeError(new ChatError(failure, "m"))).toEqual({ error: { message: "m", type, param: null, code } }));

  test("every failure has a row", () => expect(rows.map(([failure]) => failure).toSorted()).toEqual(Object.keys(remedies).toSorted()));

  test("an error's own code and field win", () =>
    expect(encodeError(new ChatError("INVALID_REQUEST", "m", { field: "n", code: "c" })).error).toMatchObject({ param: "n", code: "c" }));

  test("in a stream it is one event", () =>
    expect(streamErrorText(new ChatError("INTERNAL", "a\nb"))).toBe(
      'data: {"error":{"message":"a\\nb","type":"server_error","param":null,"code":"internal_error"}}\n\n',
    ));
});
