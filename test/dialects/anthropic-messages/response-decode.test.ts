import { describe, expect, test } from "vitest";
import { FinishReason } from "../../../src/core/chat.ts";
import type { AnswerContext } from "../../../src/core/dialect.ts";
import { parseJson } from "../../../src/core/json.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";
import { thrownBy } from "./support.ts";

function decode(fields: Record<string, unknown>, context: AnswerContext = {}) {
  const body = { type: "message", role: "assistant", model: "claude-opus-4-8", content: [], ...fields };
  return anthropicMessages.decodeResponse(body, {}, context);
}

describe("an answer", () => {
  test("keeps text, tokens, calls and foreign blocks in order", () => {
    const fields = {
      content: [
        { type: "thinking", thinking: "Hm.", signature: "sig" },
        { type: "redacted_thinking", data: "sealed" },
        { type: "text", text: "Hi", citations: null },
        { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: "x" }, caller: { type: "direct" } },
        { type: "tool_use", id: "toolu_2", name: "sh", input: { input: "ls\n" } },
        { type: "server_tool_use", id: "s", name: "web_search", input: { query: "q" } },
      ],
      stop_reason: "tool_use",
      container: { id: "c" },
      usage: { input_tokens: 1, output_tokens: 2, service_tier: "priority", speed: "fast", output_tokens_details: { thinking_tokens: 1 } },
    };
    const response = decode(fields, { freeformTools: new Set(["sh"]) });
    expect(response.choices[0]?.message?.text).toBe("Hi");
    expect(response.choices[0]?.message?.content.map((part) => part.part)).toMatchObject([
      { case: "reasoning", value: { text: "Hm.", opaque: [{ issuer: "anthropic", kind: "signature", value: "sig" }] } },
      { case: "reasoning", value: { text: "", opaque: [{ issuer: "anthropic", kind: "redacted_thinking", value: "sealed" }] } },
      { case: "text", value: { text: "Hi", citations: [] } },
      { case: "toolCall", value: { id: "toolu_1", name: "f", argumentsJson: `{"b":1,"a":"x"}`, custom: false } },
      { case: "toolCall", value: { id: "toolu_2", name: "sh", argumentsJson: "ls\n", custom: true } },
      {
        case: "native",
        value: { issuer: "anthropic", json: `{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}}` },
      },
    ]);
    expect(response).toMatchObject({ serviceTier: "priority", extensionsJson: { anthropic: `{"container":{"id":"c"}}` } });
    expect(response.usage).toMatchObject({ totalTokens: 3, reasoningTokens: 1, extensionsJson: { anthropic: `{"speed":"fast"}` } });
  });

  test("keeps the digits of long integers in arguments", () => {
    const body = parseJson(
      `{"content":[{"type":"tool_use","id":"a","name":"f","input":{"id":9007199254740993}}],"stop_reason":"tool_use"}`,
    );
    expect(anthropicMessages.decodeResponse(body, {}).choices[0]?.message?.content[0]?.part.value).toMatchObject({
      argumentsJson: `{"id":9007199254740993}`,
    });
  });

  test("says nothing about usage that was not told", () => {
    expect(decode({ stop_reason: "end_turn" }).usage).toBeUndefined();
  });
});

const call = [{ type: "tool_use", id: "a", name: "f", input: {} }];
const { STOP, LENGTH, TOOL_CALLS, REFUSAL, CONTEXT_WINDOW, PAUSE, OTHER } = FinishReason;
test.each([
  { word: "end_turn", content: [], finish: STOP },
  { word: "end_turn", content: call, finish: TOOL_CALLS },
  { word: "stop_sequence", content: [], finish: STOP },
  { word: "max_tokens", content: call, finish: LENGTH },
  { word: "tool_use", content: call, finish: TOOL_CALLS },
  { word: "tool_use", content: [], finish: STOP },
  { word: "refusal", content: [], finish: REFUSAL },
  { word: "model_context_window_exceeded", content: [], finish: CONTEXT_WINDOW },
  { word: "pause_turn", content: [], finish: PAUSE },
  { word: "novel_reason", content: [], finish: OTHER },
  { word: null, content: call, finish: TOOL_CALLS },
  { word: null, content: [], finish: OTHER },
])("stop reason $word with $content.length calls means $finish", ({ word, content, finish }) => {
  expect(decode({ stop_reason: word, content }).choices[0]).toMatchObject({ finishReason: finish, nativeFinishReason: word ?? "" });
});

test.each([
  { what: "text", body: "<html>", failure: "UPSTREAM_PROTOCOL" },
  { what: "nothing", body: undefined, failure: "UPSTREAM_PROTOCOL" },
  { what: "an answer without content", body: { type: "message" }, failure: "UPSTREAM_PROTOCOL" },
  { what: "a block that is none", body: { content: ["text"] }, failure: "UPSTREAM_PROTOCOL" },
  { what: "an error", body: { type: "error", error: { type: "overloaded_error" } }, failure: "OVERLOADED" },
])("$what is $failure", ({ body, failure }) => {
  expect(thrownBy(() => anthropicMessages.decodeResponse(body, {})).failure).toBe(failure);
});

test.each([
  {
    body: { data: [{ type: "model", id: "claude-opus-5" }, { id: 3 }, null, { id: "claude-haiku-4-5" }] },
    ids: ["claude-opus-5", "claude-haiku-4-5"],
  },
  { body: { data: [] }, ids: [] },
  { body: { models: [] }, ids: undefined },
  { body: "no", ids: undefined },
])("the list call's answer $body has the ids $ids", ({ body, ids }) => {
  expect(anthropicMessages.decodeModels(body)).toEqual(ids);
});
