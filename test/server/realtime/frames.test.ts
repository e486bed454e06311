import { describe, expect, test } from "vitest";
import { ChatError } from "../../../src/core/error.ts";
import { callerFrame, chunkFraming, errorText, frameHeaders } from "../../../src/server/realtime/frames.ts";

describe("a caller's frame", () => {
  test.each([
    {
      text: '{"type":"chat","id":"a","request":{"model":"m"}}',
      frame: { kind: "chat", id: "a", request: { model: "m" }, headers: undefined },
    },
    { text: '{"id":7,"headers":{},"type":"chat"}', frame: { kind: "chat", id: 7, request: undefined, headers: {} } },
    { text: '{"type":"cancel","id":"a","why":"later"}', frame: { kind: "cancel", id: "a" } },
  ])("$text is read", ({ text, frame }) => {
    expect(callerFrame(text)).toEqual(frame);
  });

  test.each([
    { text: "", field: undefined },
    { text: "[]", field: undefined },
    { text: "null", field: undefined },
    { text: "7", field: undefined },
    { text: '{"id":"a"}', field: "type" },
    { text: '{"type":"done","id":"a"}', field: "type" },
    { text: '{"type":"chat"}', field: "id" },
    { text: '{"type":"cancel","id":null}', field: "id" },
    { text: '{"type":"chat","id":""}', field: "id" },
    { text: '{"type":"chat","id":1.5}', field: "id" },
    { text: '{"type":"chat","id":12345678901234567890}', field: "id" },
    { text: `{"type":"chat","id":"${"i".repeat(129)}"}`, field: "id" },
    { text: '{"type":"chat","id":"a","id":"b"}', field: "id" },
  ])("$text is refused, and names $field", ({ text, field }) => {
    expect(() => callerFrame(text)).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST", field }));
  });

  test("keeps the digits of a request's integers", () => {
    const frame = callerFrame('{"type":"chat","id":"a","request":{"seed":12345678901234567890}}');
    expect(JSON.stringify(frame)).toContain('"seed":12345678901234567890');
  });
});

describe("a frame's headers", () => {
  test.each([undefined, null, {}])("may be %j", (headers) => expect(frameHeaders(headers).size).toBe(0));

  test("have lower-case names", () => {
    expect([...frameHeaders({ "X-Semaroute-Timeout-Ms": "5", unknown: "x" })]).toEqual([
      ["x-semaroute-timeout-ms", "5"],
      ["unknown", "x"],
    ]);
  });

  test.each([
    { headers: "x", field: "headers" },
    { headers: ["x"], field: "headers" },
    { headers: { "x-semaroute-timeout-ms": 5 }, field: "headers.x-semaroute-timeout-ms" },
    { headers: { Authorization: "Bearer other" }, field: "headers.Authorization" },
    { headers: { "x-api-key": "other" }, field: "headers.x-api-key" },
  ])("$headers are refused", ({ headers, field }) => {
    expect(() => frameHeaders(headers)).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST", field }));
  });
});

test("a chunk is one line between its frame's ends", () => {
  const { before, after } = chunkFraming('a"\n');
  expect(JSON.parse(`${before}{"object":"chat.completion.chunk"}${after}`)).toEqual({
    type: "chunk",
    id: 'a"\n',
    data: { object: "chat.completion.chunk" },
  });
  expect([before.includes("\n"), after]).toEqual([false, "}\n"]);
});

test.each([
  {
    error: new ChatError("OVERLOADED", "too much", { retryAfterMs: 1500.2 }),
    told: {
      error: { message: "too much", type: "overloaded_error", param: null, code: "upstream_overloaded" },
      status: 503,
      retry_after_ms: 1501,
    },
  },
  {
    error: new ChatError("TIMEOUT", "too long"),
    told: { error: { message: "too long", type: "server_error", param: null, code: "upstream_timeout" }, status: 504, should_retry: false },
  },
  {
    error: new ChatError("INTERNAL", "a secret of ours"),
    told: {
      error: { message: "internal error", type: "server_error", param: null, code: "internal_error" },
      status: 500,
      should_retry: false,
    },
  },
])("an error frame tells $told", ({ error, told }) => {
  const text = errorText(error, { id: null, requestId: "r", partial: false });
  expect(JSON.parse(text)).toEqual({ type: "error", id: null, partial: false, request_id: "r", ...told });
});
