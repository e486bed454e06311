import { describe, expect, test } from "vitest";
import { gemini } from "../../../src/dialects/gemini/upstream.ts";

const info = (reason: string) => ({
  "@type": "type.googleapis.com/google.rpc.ErrorInfo",
  reason,
  domain: "googleapis.com",
  metadata: { service: "generativelanguage.googleapis.com" },
});
const retry = (retryDelay: string) => ({ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay });
const quota = (quotaId: string) => ({
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: [{ quotaMetric: "m", quotaId, quotaValue: "20" }],
});

function failure(status: number, body: unknown, headers: Record<string, string> = {}) {
  return gemini.failureFrom({ status, headers, body: typeof body === "string" ? body : JSON.stringify(body), wallMs: 0 });
}
const error = (code: number, status: string, message: string, details?: unknown[]) => ({
  error: { code, message, status, ...(details && { details }) },
});

const secret = "AIzaSyA1234567890abcdefghijklmnopqrstuv";

describe("an error answer", () => {
  test.each([
    {
      what: "a bad request",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified"),
      expected: { failure: "INVALID_REQUEST", fromUpstream: true, message: expect.stringContaining("contents is not specified") },
    },
    {
      what: "a bad request that names its field",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Invalid value", [
        { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "generation_config.top_k", description: "d" }] },
      ]),
      expected: { failure: "INVALID_REQUEST", field: "generation_config.top_k" },
    },
    {
      what: "a bad key",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", `API key not valid. Please pass a valid API key. ${secret}`, [info("API_KEY_INVALID")]),
      expected: { failure: "UPSTREAM_AUTH", message: "gemini answered 400 (INVALID_ARGUMENT)" },
    },
    {
      what: "a bad key in words only",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "an expired key",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "a prompt too long",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
      expected: { failure: "CONTEXT_LENGTH_EXCEEDED", fromUpstream: true },
    },
    {
      what: "a body too large",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
      expected: { failure: "REQUEST_TOO_LARGE" },
    },
    {
      what: "a region",
      status: 400,
      body: error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "billing",
      status: 400,
      body: error(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing."),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "logprobs",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Logprobs is not enabled for models/gemini-2.5-flash"),
      expected: { failure: "UNSUPPORTED_FEATURE", field: "sampling.logprobs" },
    },
    {
      what: "a level of thinking",
      status: 400,
      body: error(
        400,
        "INVALID_ARGUMENT",
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
      ),
      expected: { failure: "UNSUPPORTED_FEATURE", field: undefined },
    },
    {
      what: "JSON beside functions",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Function calling with a response mime type: 'application/json' is unsupported"),
      expected: { failure: "UNSUPPORTED_FEATURE" },
    },
    {
      what: "tools of both kinds",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Tool use with function calling is unsupported"),
      expected: { failure: "UNSUPPORTED_FEATURE" },
    },
    {
      what: "a signature of another key",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Corrupted thought signature."),
      expected: { failure: "UNSUPPORTED_FEATURE" },
    },
    {
      what: "functions",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Function calling is not enabled for models/gemma-3-12b-it"),
      expected: { failure: "UNSUPPORTED_FEATURE", field: "tools" },
    },
    {
      what: "JSON",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "JSON mode is not enabled for models/gemma-3-12b-it"),
      expected: { failure: "UNSUPPORTED_FEATURE", field: "output_format" },
    },
    {
      what: "instructions",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Developer instruction is not enabled for models/gemma-3-27b-it"),
      expected: { failure: "UNSUPPORTED_FEATURE", field: undefined },
    },
    {
      what: "a call without a signature",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts."),
      expected: { failure: "UNSUPPORTED_FEATURE" },
    },
    {
      what: "words of a prompt that look like one",
      status: 400,
      body: error(400, "INVALID_ARGUMENT", "Invalid text: API key not valid. Please pass a valid API key."),
      expected: { failure: "INVALID_REQUEST" },
    },
    {
      what: "no key",
      status: 401,
      body: error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "no credit",
      status: 402,
      body: error(402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
      expected: { failure: "QUOTA_EXHAUSTED" },
    },
    {
      what: "no permission",
      status: 403,
      body: error(403, "PERMISSION_DENIED", "Generative Language API has not been used", [info("SERVICE_DISABLED")]),
      expected: { failure: "UPSTREAM_AUTH" },
    },
    {
      what: "no such model",
      status: 404,
      body: error(404, "NOT_FOUND", "models/gemini-x is not found for API version v1beta, or is not supported for generateContent."),
      expected: { failure: "MODEL_NOT_FOUND" },
    },
    {
      what: "a limit",
      status: 429,
      body: error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [
        quota("GenerateRequestsPerMinutePerProjectPerModel"),
        retry("12.5s"),
      ]),
      expected: { failure: "RATE_LIMITED", retryAfterMs: 12_500 },
    },
    {
      what: "a limit without a wait",
      status: 429,
      body: error(429, "RESOURCE_EXHAUSTED", "Resource exhausted."),
      expected: { failure: "RATE_LIMITED", retryAfterMs: undefined },
    },
    {
      what: "a quota of the day",
      status: 429,
      body: error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
        retry("30s"),
      ]),
      expected: { failure: "QUOTA_EXHAUSTED", retryAfterMs: undefined },
    },
    {
      what: "a call given up",
      status: 499,
      body: error(499, "CANCELLED", "The operation was cancelled."),
      expected: { failure: "UPSTREAM_UNAVAILABLE" },
    },
    {
      what: "a fault",
      status: 500,
      body: error(500, "INTERNAL", "An internal error has occurred."),
      expected: { failure: "UPSTREAM_UNAVAILABLE" },
    },
    {
      what: "overload",
      status: 503,
      body: error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
      expected: { failure: "OVERLOADED" },
    },
    {
      what: "a time limit",
      status: 504,
      body: error(504, "DEADLINE_EXCEEDED", "Deadline expired."),
      expected: { failure: "UPSTREAM_UNAVAILABLE" },
    },
    {
      what: "an error in a list",
      status: 429,
      body: [error(429, "RESOURCE_EXHAUSTED", "m", [retry("2s")])],
      expected: { failure: "RATE_LIMITED", retryAfterMs: 2000 },
    },
    { what: "a web page", status: 400, body: "<html>Bad Request</html>", expected: { failure: "UPSTREAM_UNAVAILABLE" } },
    { what: "nothing", status: 503, body: "", expected: { failure: "OVERLOADED", message: "gemini answered 503" } },
    {
      what: "half of an object",
      status: 400,
      body: `{"error":{"code":400,`,
      expected: { failure: "INVALID_REQUEST", message: "gemini answered 400" },
    },
    {
      what: "an odd shape",
      status: 429,
      body: { error: { details: [3, null, { violations: 4 }, { violations: [null] }] } },
      expected: { failure: "RATE_LIMITED" },
    },
  ])("of $what is $expected.failure", ({ status, body, expected }) => {
    expect(failure(status, body)).toMatchObject({ ...expected, upstream: { status } });
  });

  test("waits as long as its longest instruction says", () => {
    expect(failure(429, error(429, "RESOURCE_EXHAUSTED", "m", [retry("2s")]), { "retry-after": "9" }).retryAfterMs).toBe(9000);
  });

  test("shows no keys", () => {
    expect(failure(400, error(400, "INVALID_ARGUMENT", `what is ${secret}?`)).message).toBe("what is [removed]?");
  });
});
