import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ChatError, type Failure, remedies } from "../../../src/core/error.ts";
import { knownBodies } from "../../../src/core/openai/error-bodies.ts";
import { encodeError, streamErrorText } from "../../../src/core/openai/error-encode.ts";
import { failureByWord } from "../../../src/core/openai/error-words.ts";
import { factsFrom } from "../../../src/core/openai/failure-shape.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { realBodies } from "./error-bodies.ts";

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): ChatError =>
  openaiChat.failureFrom({ status, headers, wallMs: 0, body: typeof body === "string" ? body : JSON.stringify(body) });
const oai = (message: string, code: string | null = null, type: string | null = null): unknown => ({
  error: { message, type, code, param: null },
});

/** After every time that the bodies name. */
const wallMs = Date.parse("2026-04-28T00:00:00Z");

describe("what vendors really answer", () => {
  for (const { vendor, status, body, failure, field, waitMs, source } of realBodies) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    test(`${vendor}: ${status} ${text.slice(0, 160)} means ${failure}`, () => {
      expect(source).toMatch(/^https:/);
      const error = openaiChat.failureFrom({ status, headers: {}, body: text, wallMs });
      expect([error.failure, error.field, error.retryAfterMs]).toEqual([failure, field, waitMs]);
    });
  }

  test("every row of the table of words is about the start of a message, has its source, and was seen in one of these", () => {
    for (const row of knownBodies) {
      expect(row.says.source).toMatch(/^\^/);
      expect(row.source).toMatch(/^https:/);
      const texts = realBodies.filter(({ status }) => row.status.includes(status)).flatMap(({ body }) => factsFrom(body).messages);
      expect(
        texts.filter((text) => row.says.test(text)),
        row.says.source,
      ).not.toEqual([]);
    }
  });

  test("the same words further on, as a prompt that is quoted would have them, mean nothing", () => {
    for (const { status, body } of realBodies.filter((row) => row.status === 400)) {
      const [message] = factsFrom(body).messages;
      const error = answer(status, oai(`Invalid value: '${message ?? ""}'`, null, "invalid_request_error"));
      expect(error.failure).toBe("INVALID_REQUEST");
    }
  });
});

test("encrypted reasoning that cannot be read is told apart from other bad requests", () => {
  const stale = answer(
    400,
    oai("The encrypted content gAAA...DQ== could not be verified.", "invalid_encrypted_content", "invalid_request_error"),
  );
  expect(stale).toMatchObject({ failure: "INVALID_REQUEST", staleState: true });
  expect(answer(400, oai("no", "invalid_value", "invalid_request_error"))).toMatchObject({ staleState: false });
});

describe("what an upstream's error answer means", () => {
  const table: readonly { name: string; status: number; body: unknown; failure: Failure }[] = [
    { name: "400", status: 400, body: oai("bad", null, "invalid_request_error"), failure: "INVALID_REQUEST" },
    { name: "400 unsupported value", status: 400, body: oai("no", "unsupported_value"), failure: "UNSUPPORTED_FEATURE" },
    { name: "400 content policy", status: 400, body: oai("no", "content_policy_violation"), failure: "CONTENT_POLICY" },
    { name: "400 that only sounds like it", status: 400, body: oai("flagged by our safety system"), failure: "INVALID_REQUEST" },
    { name: "401 with any word", status: 401, body: oai("m", "content_policy_violation"), failure: "UPSTREAM_AUTH" },
    { name: "402 with any word", status: 402, body: oai("m", "context_length_exceeded"), failure: "QUOTA_EXHAUSTED" },
    { name: "404", status: 404, body: oai("no model", "model_not_found"), failure: "MODEL_NOT_FOUND" },
    { name: "404 of a wrong path", status: 404, body: oai("the model was not found"), failure: "UPSTREAM_UNAVAILABLE" },
    { name: "408", status: 408, body: "", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "413", status: 413, body: "<html>too large</html>", failure: "REQUEST_TOO_LARGE" },
    { name: "413 for the prompt", status: 413, body: oai("m", "context_length_exceeded"), failure: "CONTEXT_LENGTH_EXCEEDED" },
    { name: "429", status: 429, body: oai("slow", "rate_limit_exceeded", "tokens"), failure: "RATE_LIMITED" },
    { name: "429 that sounds like money", status: 429, body: { error: "Your credit balance is too low" }, failure: "RATE_LIMITED" },
    { name: "500", status: 500, body: oai("m", null, "server_error"), failure: "UPSTREAM_UNAVAILABLE" },
    { name: "500 that blames the request", status: 500, body: oai("m", "content_policy_violation"), failure: "UPSTREAM_UNAVAILABLE" },
    { name: "502 HTML", status: 502, body: "<html><h1>Bad Gateway</h1></html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "529", status: 529, body: "", failure: "OVERLOADED" },
    { name: "a firewall's 403", status: 403, body: "<html>you have been blocked</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a proxy's 400", status: 400, body: "<html>400 Bad Request</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a redirect", status: 302, body: "", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a truncated body", status: 400, body: '{"error":{"mess', failure: "INVALID_REQUEST" },
    { name: "JSON null", status: 400, body: "null", failure: "INVALID_REQUEST" },
    { name: "arrays in arrays", status: 400, body: "[".repeat(30_000) + "]".repeat(30_000), failure: "INVALID_REQUEST" },
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

  test("what a gateway wraps is read with it", () => {
    const wrapped = { error: { message: "Provider returned error", code: 400, metadata: { raw: '{"error":{"message":"top_p is odd"}}' } } };
    expect(answer(400, wrapped).message).toBe("Provider returned error: top_p is odd");
    expect(answer(400, oai('{"error":{"message":"top_p is odd"}}')).message).toBe("top_p is odd");
  });

  for (const status of [401, 402, 403, 404, 429, 500, 503])
    test(`the upstream's words in a ${status} are not shown`, () => {
      const error = answer(status, oai("very private words"));
      expect(error.message).not.toContain("private");
      expect(error.message).toContain(String(status));
      expect(error.fromUpstream).toBe(false);
    });

  test("keys in its words are taken out, and an id that is none is not told", () => {
    const error = answer(400, oai("no: header Bearer abc.def end"), { "x-request-id": "a b" });
    expect(error.message).toBe("no: header [removed] end");
    expect(error.upstream?.requestId).toBe("");
  });

  const limited = (message: string): unknown => oai(message, "rate_limit_exceeded", "requests");
  const waits: readonly { name: string; headers: Record<string, string>; body?: unknown; ms: number | undefined }[] = [
    { name: "a header", headers: { "retry-after": "2" }, ms: 2000 },
    { name: "words", headers: {}, body: limited("Please try again in 1.2s."), ms: 1200 },
    { name: "words with minutes", headers: {}, body: limited("Please try again in 6m0s"), ms: 300_000 },
    { name: "words in milliseconds", headers: {}, body: limited("Please try again in 20ms"), ms: 20 },
    { name: "words under no code", headers: {}, body: oai("Please try again in 1.2s."), ms: undefined },
    {
      name: "reset headers, where words are more exact",
      headers: { "x-ratelimit-reset-requests": "1m" },
      body: limited("Please try again in 8s"),
      ms: 8000,
    },
  ];
  for (const { name, headers, body, ms } of waits)
    test(`the wait of a 429 by ${name}`, () => expect(answer(429, body ?? oai("slow"), headers).retryAfterMs).toBe(ms));

  test("no wait helps where the money is gone, or a key is bad", () => {
    expect(answer(429, oai("m", "insufficient_quota"), { "retry-after": "5" }).retryAfterMs).toBeUndefined();
    expect(answer(401, oai("m"), { "retry-after": "5" }).retryAfterMs).toBeUndefined();
    expect(answer(503, oai("m"), { "retry-after": "5" }).retryAfterMs).toBe(5000);
  });
});

const inside = (value: unknown): ChatError => {
  try {
    openaiChat.decodeResponse(value, {});
  } catch (thrown) {
    if (thrown instanceof ChatError) return thrown;
  }
  throw new Error("no error");
};

describe("an error in an answer with status 200", () => {
  const table: readonly { name: string; body: unknown; failure: Failure }[] = [
    { name: "without any type", body: { error: { message: "boom" } }, failure: "UPSTREAM_UNAVAILABLE" },
    { name: "that only sounds overloaded", body: { error: "Overloaded, sorry" }, failure: "UPSTREAM_UNAVAILABLE" },
    { name: "with a status for a code", body: { error: { message: "m", code: 429 } }, failure: "RATE_LIMITED" },
    {
      name: "with a bad key's status",
      body: { error: { message: "m", code: 401, type: "invalid_request_error" } },
      failure: "UPSTREAM_AUTH",
    },
    { name: "with a type", body: oai("m", null, "invalid_request_error"), failure: "INVALID_REQUEST" },
    { name: "of rate", body: oai("m", null, "rate_limit_error"), failure: "RATE_LIMITED" },
    { name: "of an overload", body: oai("m", null, "overloaded_error"), failure: "OVERLOADED" },
    { name: "of money", body: oai("m", "insufficient_quota", "insufficient_quota"), failure: "QUOTA_EXHAUSTED" },
    { name: "of a filter", body: oai("m", "content_filter"), failure: "CONTENT_POLICY" },
    { name: "in known words", body: { error: "Content violates usage guidelines. Team: x" }, failure: "CONTENT_POLICY" },
    { name: "flat", body: { object: "error", message: "m", type: "BadRequestError", code: 400 }, failure: "INVALID_REQUEST" },
    { name: "in an array", body: [{ error: { code: 503, message: "m", status: "UNAVAILABLE" } }], failure: "OVERLOADED" },
    { name: "in a choice", body: { choices: [{ error: { code: 502, message: "m" } }] }, failure: "UPSTREAM_UNAVAILABLE" },
    { name: "with a code that is no status", body: { error: { code: 5021, message: "m" } }, failure: "UPSTREAM_UNAVAILABLE" },
  ];
  for (const { name, body, failure } of table) {
    test(`${name} means ${failure}`, () => expect(inside(body)).toMatchObject({ failure, upstream: { status: 200 } }));
    test(`${name} means ${failure} in a stream`, () => {
      expect(() => openaiChat.streamDecoder({}).push(JSON.stringify(body), undefined, [])).toThrow(expect.objectContaining({ failure }));
    });
  }
});

for (const { word, status, blameless } of [
  { word: "json_validate_failed", status: 400, blameless: true },
  { word: "tool_use_failed", status: 400, blameless: true },
  { word: "tool_use_failed", status: 500, blameless: false },
  { word: "server_error", status: 400, blameless: false },
]) {
  test(`${word} with ${status} is ${blameless ? "what the model made of one request, and nobody's fault" : "its upstream's fault"}`, () => {
    const failure = blameless ? "UPSTREAM_PROTOCOL" : "UPSTREAM_UNAVAILABLE";
    expect(answer(status, oai("m", word, "invalid_request_error"))).toMatchObject({ failure, blameless });
  });
}

test("any answer of any status is one failure, and never blames the caller for the operator's trouble", () => {
  const words = fc.constantFrom(...failureByWord.keys(), "invalid_request_error", "x", null);
  const texts = fc.oneof(fc.constantFrom(...realBodies.flatMap(({ body }) => factsFrom(body).messages)), fc.string());
  const bodies = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.record({ message: texts, type: words, code: fc.oneof(words, fc.integer()), param: words }).map((error) => JSON.stringify({ error })),
    fc.constantFrom(...realBodies.map(({ body }) => JSON.stringify(body))),
  );
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), bodies, (status, body) => {
      const { failure, message } = openaiChat.failureFrom({ status, headers: {}, body, wallMs });
      expect(Object.keys(remedies)).toContain(failure);
      expect(failure).not.toMatch(/^CALLER_/);
      expect(message).not.toBe("");
      if (status !== 400 && status !== 422) expect(failure).not.toBe("INVALID_REQUEST");
      if (status === 401) expect(failure).toBe("UPSTREAM_AUTH");
      if (status === 402) expect(["QUOTA_EXHAUSTED", "RATE_LIMITED"]).toContain(failure);
    }),
    { numRuns: 2000 },
  );
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
      expect(encodeError(new ChatError(failure, "m"))).toEqual({
        error: { message: failure === "INTERNAL" ? "internal error" : "m", type, param: null, code },
      }));

  test("every failure has a row", () => expect(rows.map(([failure]) => failure).toSorted()).toEqual(Object.keys(remedies).toSorted()));

  test("an error's own code and field win", () =>
    expect(encodeError(new ChatError("INVALID_REQUEST", "m", { field: "n", code: "c" })).error).toMatchObject({ param: "n", code: "c" }));

  test("what nobody foresaw says no more than that, in a stream as well", () => {
    const error = new ChatError("INTERNAL", "secret sk-123 in state");
    expect(encodeError(error).error.message).toBe("internal error");
    expect(streamErrorText(error)).not.toContain("secret");
  });

  test("in a stream it is one event", () =>
    expect(streamErrorText(new ChatError("TIMEOUT", "a\nb"))).toBe(
      'data: {"error":{"message":"a\\nb","type":"server_error","param":null,"code":"upstream_timeout"}}\n\n',
    ));
});
