import { describe, expect, test } from "vitest";
import { type ChatResponse, FinishReason } from "../../../src/core/chat.ts";
import type { Fields } from "../../../src/core/json-fields.ts";
import { cohere } from "../../../src/dialects/cohere/upstream.ts";
import { decoded, folded, recorded, recordedWhole, thrownBy } from "./support.ts";

const decode = (body: unknown, context = {}) => cohere.decodeResponse(body, {}, context);
const usage = (input: number, output: number, cached = 0, more: Fields = {}): Fields => ({
  billed_units: { input_tokens: Math.max(input - 190, 1), output_tokens: output },
  tokens: { input_tokens: input, output_tokens: output, ...more },
  cached_tokens: cached,
});
const call = (id: string, name: string, argumentsText: unknown): Fields => ({
  id,
  type: "function",
  function: { name, arguments: argumentsText },
});
const manual = {
  type: "document",
  id: "doc_1",
  document: { id: "doc_1", text: "Pumps need oil.", title: "Manual", url: "https://example.com/manual" },
};
const answer = (id: string, finish_reason: string, message: Fields, more: Fields = {}): Fields => ({
  id,
  finish_reason,
  message: { role: "assistant", ...message },
  ...more,
});

/** What the two ways of answering tell alike: of a plan that is cited, whole answers have no text but beside calls. */
const comparable = ({ choices, ...rest }: ChatResponse) => ({
  ...rest,
  choices: choices.map((each) => ({
    ...each,
    message: {
      ...each.message,
      text: "",
      content: each.message?.content.filter(({ part }) => part.case !== "text" || part.value.text !== "I will read."),
    },
  })),
});

const recordedBoth = [
  "usage-cache",
  "stop-sequence",
  "length",
  "parallel-tools",
  "reasoning",
  "reasoning-tools",
  "json-schema",
  "citations",
  "logprobs",
] as const;

test.each(recordedBoth)("a whole answer of %s is what its stream comes to", (name) => {
  expect(comparable(decode(recordedWhole(name)))).toEqual(comparable(folded(decoded([recorded(name)]))));
});

describe("a whole answer", () => {
  test("has the plan as text in front of its calls, and cites it", () => {
    const whole = recordedWhole("parallel-tools");
    const [choice] = decode({
      ...whole,
      message: { ...Object(whole["message"]), citations: [{ start: 0, end: 6, type: "PLAN", sources: [manual] }] },
    }).choices;
    expect(choice).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "TOOL_CALL" });
    expect(choice?.message?.content.map(({ part }) => part.case)).toEqual(["text", "toolCall", "toolCall", "toolCall"]);
    expect(choice?.message?.content[0]?.part.value).toMatchObject({ citations: [{ start: 0, end: 6, title: "Manual" }] });
  });

  test("may be a string, and may lack ids of calls, which are invented alike each time", () => {
    expect(decode(answer("x", "COMPLETE", { content: "plain" })).choices[0]?.message?.text).toBe("plain");
    const body = answer("a-1", "TOOL_CALL", { tool_calls: [call("", "f", "{}"), call("", "f", '"null"')] });
    const ids = decode(body).choices[0]?.message?.content.map(({ part }) => part.value);
    expect(ids).toMatchObject([{ id: "call_a1_0" }, { id: "call_a1_1" }]);
  });

  test("keeps what it has no words for", () => {
    const body = answer("x", "COMPLETE", { content: [{ type: "text", text: "a" }], mood: "good" }, { prompt: "p", usage: usage(1, 1) });
    const response = decode(body);
    expect(response.extensionsJson).toEqual({ cohere: '{"prompt":"p"}' });
    expect(response.choices[0]?.message?.extensionsJson).toEqual({ cohere: '{"mood":"good"}' });
  });

  test("counts what is billed where nothing else is told", () => {
    const billed = { billed_units: { input_tokens: 7, output_tokens: 2 } };
    expect(decode(answer("x", "COMPLETE", { content: "a" }, { usage: billed })).usage).toMatchObject({ inputTokens: 7, outputTokens: 2 });
    expect(decode(answer("x", "COMPLETE", { content: "a" }, { usage: {} })).usage).toBeUndefined();
    expect(decode(answer("x", "COMPLETE", { content: "a" }, { usage: usage(5, 1, 9) })).usage).toMatchObject({ cacheReadTokens: 5 });
  });

  test("has the caller's names of tools, and free-form input without its wrapping", () => {
    const context = { toolNames: new Map([["my_tool_1", "my-tool"]]), freeformTools: new Set(["my_tool_1"]) };
    const body = answer("x", "TOOL_CALL", { tool_calls: [call("a", "my_tool_1", '{"input":"line"}')] });
    expect(decode(body, context).choices[0]?.message?.content[0]?.part.value).toMatchObject({
      name: "my-tool",
      custom: true,
      argumentsJson: "line",
    });
  });

  test("of JSON that was asked for in words comes without its fence", () => {
    const body = answer("x", "COMPLETE", { content: [{ type: "text", text: '```json\n{"a":1}\n```' }] });
    expect(decode(body, { fencedJson: true }).choices[0]?.message?.text).toBe('{"a":1}');
  });

  test.each<{ what: string; body: unknown; failure: string }>([
    { what: "no object", body: [], failure: "UPSTREAM_PROTOCOL" },
    { what: "no message", body: { id: "x", finish_reason: "COMPLETE" }, failure: "UPSTREAM_PROTOCOL" },
    { what: "nothing in it", body: answer("x", "COMPLETE", { content: [] }), failure: "UPSTREAM_PROTOCOL" },
    { what: "a call without a name", body: answer("x", "TOOL_CALL", { tool_calls: [call("a", "", "{}")] }), failure: "UPSTREAM_PROTOCOL" },
    { what: "an error in its place", body: { id: "x", message: "internal server error" }, failure: "UPSTREAM_UNAVAILABLE" },
    { what: "a typed error in its place", body: { message: "m", error_type: "TOO_MANY_TOKENS" }, failure: "CONTEXT_LENGTH_EXCEEDED" },
    { what: "an error at its end", body: answer("x", "ERROR", { content: "half" }), failure: "UPSTREAM_UNAVAILABLE" },
    { what: "time that ran out", body: answer("x", "TIMEOUT", { content: "half" }), failure: "UPSTREAM_UNAVAILABLE" },
  ])("with $what is $failure", ({ body, failure }) => {
    expect(thrownBy(() => decode(body)).failure).toBe(failure);
  });

  test("that stopped without a word, though tokens were written, is passed on", () => {
    expect(decode(answer("x", "COMPLETE", { content: [] }, { usage: usage(1, 3) })).choices[0]?.message?.content).toEqual([]);
  });
});

test("the list of models has their names", () => {
  expect(cohere.decodeModels({ models: [{ name: "command-a-03-2025" }, { id: "x" }, 3] })).toEqual(["command-a-03-2025"]);
  expect(cohere.decodeModels({ data: [] })).toBeUndefined();
});
