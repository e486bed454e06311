import { describe, expect, test } from "vitest";
import type { ChatError, Failure } from "../../../src/core/error.ts";
import { knownBodies } from "../../../src/dialects/cohere/error-bodies.ts";
import { cohere } from "../../../src/dialects/cohere/upstream.ts";

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): ChatError =>
  cohere.failureFrom({ status, headers, wallMs: 0, body: typeof body === "string" ? body : JSON.stringify(body) });

const docs = "https://docs.cohere.com/reference/errors";
const id = "bda42bf8-db3f-4c32-bb2c-f76466e42a1e";

/** Answers that Cohere documents, or that were seen, trimmed. */
const bodies: readonly {
  readonly source: string;
  readonly status: number;
  readonly message: string;
  readonly type?: string;
  readonly failure: Failure;
  readonly field?: string;
  readonly blameless?: boolean;
}[] = [
  {
    source: docs,
    status: 400,
    message:
      "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs, or setting prompt_truncation='AUTO'.",
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: docs,
    status: 400,
    message: "too many tokens: multi-hop prompt is too long even after truncation",
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: docs,
    status: 400,
    message: "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192.",
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  { source: docs, status: 400, message: "words of another day", type: "TOO_MANY_TOKENS", failure: "CONTEXT_LENGTH_EXCEEDED" },
  {
    source: docs,
    status: 400,
    message: "invalid request: RAG is not supported for this model.",
    failure: "UNSUPPORTED_FEATURE",
    field: "document",
  },
  {
    source: docs,
    status: 400,
    message: "invalid request: finetuned model is not compatible with RAG functionality",
    failure: "UNSUPPORTED_FEATURE",
    field: "document",
  },
  {
    source: docs,
    status: 400,
    message: "invalid request: multi step is not supported by the provided model: command.",
    failure: "UNSUPPORTED_FEATURE",
    field: "tools",
  },
  { source: docs, status: 400, message: "invalid request: temperature must be between 0 and 1.0 inclusive.", failure: "INVALID_REQUEST" },
  { source: docs, status: 400, message: "tool call id not found in previous tool calls", failure: "INVALID_REQUEST" },
  { source: docs, status: 401, message: "invalid api token", failure: "UPSTREAM_AUTH" },
  { source: docs, status: 402, message: "Please add or update your payment method at https://x to continue", failure: "QUOTA_EXHAUSTED" },
  { source: docs, status: 403, message: "forbidden", failure: "UPSTREAM_AUTH" },
  {
    source: docs,
    status: 404,
    message: "model 'xyz' not found, make sure the correct model ID was used and that you have access to the model.",
    failure: "MODEL_NOT_FOUND",
  },
  { source: docs, status: 404, message: "finetuned model xyz not found", failure: "MODEL_NOT_FOUND" },
  { source: docs, status: 404, message: "404 page not found", failure: "UPSTREAM_UNAVAILABLE" },
  {
    source: "https://docs.cohere.com/docs/structured-outputs",
    status: 422,
    message: "your request resulted in an invalid tool generation. Try updating the messages or tool definitions",
    failure: "UPSTREAM_PROTOCOL",
    blameless: true,
  },
  { source: docs, status: 400, message: "m", type: "INVALID_TOOL_GENERATION", failure: "UPSTREAM_PROTOCOL", blameless: true },
  { source: docs, status: 422, message: "unknown field: parameter 'x' is not a valid field", failure: "INVALID_REQUEST" },
  {
    source: docs,
    status: 429,
    message: "You are past the per minute request limit, please wait and try again later.",
    failure: "RATE_LIMITED",
  },
  {
    source: docs,
    status: 429,
    message: "You are using a Trial key, which is limited to 40 API calls / minute. You can continue",
    failure: "RATE_LIMITED",
  },
  {
    source: "https://docs.cohere.com/docs/rate-limits",
    status: 429,
    message: "You are using a Trial key, which is limited to 1000 API calls / month. You can continue",
    failure: "QUOTA_EXHAUSTED",
  },
  { source: docs, status: 429, message: "trial token rate limit exceeded, limit is 100000 tokens per minute", failure: "RATE_LIMITED" },
  { source: "https://docs.cohere.com/reference/chat", status: 498, message: "blocked input", failure: "CONTENT_POLICY" },
  { source: docs, status: 499, message: "request cancelled", failure: "UPSTREAM_UNAVAILABLE" },
  { source: docs, status: 500, message: "internal server error", failure: "UPSTREAM_UNAVAILABLE" },
  { source: docs, status: 501, message: "not implemented", failure: "UPSTREAM_UNAVAILABLE" },
  { source: docs, status: 503, message: "the service is overloaded", failure: "OVERLOADED" },
  { source: docs, status: 504, message: "timeout", failure: "UPSTREAM_UNAVAILABLE" },
];

describe("what Cohere really answers", () => {
  for (const { status, message, type, failure, field, blameless = false, source } of bodies) {
    test(`${status} ${type ?? message.slice(0, 100)} means ${failure}`, () => {
      expect(source).toMatch(/^https:/);
      const error = answer(status, { id, message, ...(type !== undefined && { error_type: type }) });
      expect([error.failure, error.field, error.blameless, error.upstream]).toEqual([failure, field, blameless, { status, requestId: id }]);
    });
  }

  test("every row of the table of words is about the start of a message, and was seen in one of these", () => {
    for (const row of knownBodies) {
      expect(row.says.source).toMatch(/^\^/);
      expect(
        bodies.filter(({ status, message }) => row.status.includes(status) && row.says.test(message)),
        row.says.source,
      ).not.toEqual([]);
    }
  });

  test("the same words further on, as a prompt that is quoted would have them, mean nothing", () => {
    for (const { status, message } of bodies.filter((row) => row.status === 400))
      expect(answer(status, { message: `invalid request: '${message}'` }).failure).toBe("INVALID_REQUEST");
  });
});

describe("an error answer", () => {
  test.each([
    { name: "HTML", status: 502, body: "<html>Bad Gateway</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a firewall's page", status: 403, body: "<html>blocked</html>", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "nothing", status: 500, body: "", failure: "UPSTREAM_UNAVAILABLE" },
    { name: "a cut body", status: 400, body: '{"mess', failure: "INVALID_REQUEST" },
    { name: "JSON null", status: 400, body: "null", failure: "INVALID_REQUEST" },
  ])("of $name is $failure", ({ status, body, failure }) => expect(answer(status, body).failure).toBe(failure));

  test("of the caller's own fault says so in Cohere's words, without keys in them", () => {
    const error = answer(400, { message: "invalid request: no such thing: Bearer abc.def end" });
    expect(error).toMatchObject({ fromUpstream: true, message: "invalid request: no such thing: [removed] end" });
  });

  test.each([401, 402, 403, 404, 429, 500, 503])("with status %d shows nothing of them", (status) => {
    const error = answer(status, { message: "very private words" });
    expect(error.message).toBe(`cohere answered ${status}`);
    expect(error.fromUpstream).toBe(false);
  });

  test("asks to wait where waiting helps, and nowhere else", () => {
    expect(answer(429, { message: "m" }, { "retry-after": "7" }).retryAfterMs).toBe(7000);
    expect(answer(429, { message: "m" }, {}).retryAfterMs).toBeUndefined();
    const monthly = { message: "You are using a Trial key, which is limited to 1000 API calls / month." };
    expect(answer(429, monthly, { "retry-after": "7" }).retryAfterMs).toBeUndefined();
    expect(answer(400, { message: "m" }, { "retry-after": "7" }).retryAfterMs).toBeUndefined();
  });

  test("is known by Cohere's trace, if it can be shown", () => {
    expect(answer(500, { id: "b" }, { "x-debug-trace-id": "t1", "x-request-id": "r1" }).upstream?.requestId).toBe("t1");
    expect(answer(500, { id: "b" }, { "x-request-id": "r1" }).upstream?.requestId).toBe("r1");
    expect(answer(500, { id: "a b" }).upstream?.requestId).toBe("");
  });
});
