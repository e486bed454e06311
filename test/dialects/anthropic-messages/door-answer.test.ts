/** Answers of every kind of upstream, as a caller of the Anthropic door gets them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { UsageSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import { ChatResponseSchema, type ChatResponse, FinishReason, Role } from "../../../src/core/chat.ts";
import type { Fields } from "../../../src/dialects/anthropic-messages/fields.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";
import { call, type PartInit, text } from "./builders.ts";
import { answered, ask, asked } from "./door-support.ts";
import { thrownBy } from "./support.ts";

const { STOP, LENGTH, TOOL_CALLS, CONTENT_FILTER, REFUSAL, CONTEXT_WINDOW, PAUSE, MALFORMED_TOOL_CALL, OTHER, ERROR, UNSPECIFIED } =
  FinishReason;

function response(content: PartInit[], more: MessageInitShape<typeof ChatResponseSchema> = {}, finish: Fields = {}): ChatResponse {
  const choices = [{ message: { role: Role.ASSISTANT, content }, finishReason: STOP, ...finish }];
  return create(ChatResponseSchema, { id: "01a2", model: "m", choices, ...more });
}

const content = (...parts: PartInit[]): unknown => answered(response(parts))["content"];
const opaque = (issuer: string, kind: string, value: string) => ({ issuer, kind, value });
const reasoning = (value: string, ...tokens: ReturnType<typeof opaque>[]): PartInit => ({
  part: { case: "reasoning", value: { text: value, opaque: tokens } },
});

test("an answer has all that typed clients look for", () => {
  expect(answered(response([text("Hi.")]))).toEqual({
    id: "msg_01a2",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "Hi." }],
    stop_reason: "end_turn",
    stop_sequence: null,
    stop_details: null,
    usage: {
      input_tokens: 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: 0,
      cache_creation: null,
      output_tokens_details: null,
      server_tool_use: null,
      service_tier: null,
    },
  });
});

test("an answer of Anthropic's comes back as it is, but for id and model", () => {
  const told = {
    id: "msg_up",
    type: "message",
    role: "assistant",
    model: "claude-x-20990101",
    content: [
      { type: "thinking", thinking: "", signature: "c2ln" },
      { type: "redacted_thinking", data: "c2VhbGVk" },
      { type: "text", text: "Llamas hum.", citations: [{ type: "web_search_result_location", url: "u", encrypted_index: "e" }] },
      { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { z: 1, a: 2 } },
      { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] },
      { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: {} }, caller: { type: "direct" } },
    ],
    stop_reason: "tool_use",
    stop_sequence: null,
    stop_details: null,
    container: { id: "c_1" },
    unheard_of: [1],
    usage: {
      input_tokens: 5,
      cache_creation_input_tokens: 7,
      cache_read_input_tokens: 11,
      cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 0 },
      output_tokens: 13,
      output_tokens_details: { thinking_tokens: 3 },
      server_tool_use: { web_search_requests: 1 },
      service_tier: "standard",
      speed: "fast",
    },
  };
  const through = answered({ ...anthropicMessages.decodeResponse(told, {}), id: "01a2", model: "m" });
  expect(through).toEqual({ ...told, id: "msg_01a2", model: "m" });
});

describe("stop reasons", () => {
  test.each([
    { finishReason: STOP, nativeFinishReason: "stop", reason: "end_turn" },
    { finishReason: STOP, nativeFinishReason: "stop", stopSequence: "END", reason: "stop_sequence" },
    { finishReason: STOP, nativeFinishReason: "stop_sequence", stopSequence: "END", reason: "stop_sequence" },
    { finishReason: LENGTH, nativeFinishReason: "length", reason: "max_tokens" },
    { finishReason: TOOL_CALLS, nativeFinishReason: "tool_calls", reason: "tool_use" },
    { finishReason: CONTENT_FILTER, nativeFinishReason: "content_filter", reason: "refusal" },
    { finishReason: REFUSAL, nativeFinishReason: "stop", reason: "refusal" },
    { finishReason: CONTEXT_WINDOW, nativeFinishReason: "", reason: "model_context_window_exceeded" },
    { finishReason: PAUSE, nativeFinishReason: "CONTINUATION", reason: "pause_turn" },
    { finishReason: PAUSE, nativeFinishReason: "compaction", reason: "compaction" },
    { finishReason: MALFORMED_TOOL_CALL, nativeFinishReason: "MALFORMED_FUNCTION_CALL", reason: "end_turn" },
    { finishReason: OTHER, nativeFinishReason: "weird", reason: "end_turn" },
    { finishReason: UNSPECIFIED, nativeFinishReason: "", reason: "end_turn" },
  ])("$finishReason $nativeFinishReason is $reason", ({ reason, ...finish }) => {
    const sequence = reason === "stop_sequence" ? "END" : null;
    const details = reason === "refusal" ? { type: "refusal", category: null, explanation: null } : null;
    expect(answered(response([text("x")], {}, finish))).toMatchObject({
      stop_reason: reason,
      stop_sequence: sequence,
      stop_details: details,
    });
  });

  test("a call is believed where the word says nothing of it", () => {
    expect(answered(response([call("c1")]))).toMatchObject({ stop_reason: "tool_use" });
  });

  test("a refusal in words is one", () => {
    const refused = answered(response([{ part: { case: "refusal", value: { text: "I will not." } } }]));
    expect(refused).toMatchObject({ content: [{ type: "text", text: "I will not." }], stop_reason: "refusal" });
  });

  test("of Anthropic's own, with their details, also such as are younger than this code", () => {
    const details = { type: "refusal", category: "cyber", explanation: "no" };
    const through = (stop: Fields): Fields =>
      answered(anthropicMessages.decodeResponse({ content: [{ type: "text", text: "x" }], ...stop }, {}));
    expect(through({ stop_reason: "refusal", stop_details: details })).toMatchObject({ stop_reason: "refusal", stop_details: details });
    expect(through({ stop_reason: "some_day" })).toMatchObject({ stop_reason: "some_day", stop_details: null });
  });

  test("an answer that its upstream says has failed is none", () => {
    expect(thrownBy(() => answered(response([text("x")], {}, { finishReason: ERROR })))).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
  });
});

describe("usage is exclusive", () => {
  test.each([
    {
      usage: { inputTokens: 100, outputTokens: 7, cacheReadTokens: 60, cacheWriteTokens: 30, reasoningTokens: 4 },
      told: [10, 30, 60, 7, 4],
    },
    { usage: { inputTokens: 100, outputTokens: 7 }, told: [100, 0, 0, 7, undefined] },
    { usage: { inputTokens: 10, outputTokens: 0, cacheReadTokens: 60 }, told: [0, 0, 60, 0, undefined] },
  ])("$usage", ({ usage, told: [input, written, read, output, thinking] }) => {
    expect(answered(response([text("x")], { usage: create(UsageSchema, usage) }))["usage"]).toMatchObject({
      input_tokens: input,
      cache_creation_input_tokens: written,
      cache_read_input_tokens: read,
      output_tokens: output,
      output_tokens_details: thinking === undefined ? null : { thinking_tokens: thinking },
    });
  });

  test.each([
    { serviceTier: "default", word: "standard" },
    { serviceTier: "priority", word: "priority" },
    { serviceTier: "", word: null },
  ])("the tier '$serviceTier' is $word", ({ serviceTier, word }) => {
    expect(answered(response([], { serviceTier }))["usage"]).toMatchObject({ service_tier: word });
  });
});

describe("content", () => {
  test.each([
    { argumentsJson: `{"z":1,"a":9007199254740993}`, input: `{"z":1,"a":9007199254740993}` },
    { argumentsJson: "", input: "{}" },
    { argumentsJson: "null", input: "{}" },
    { argumentsJson: `{"a":`, input: String.raw`{"_raw":"{\"a\":"}` },
    { argumentsJson: "[1]", input: `{"_raw":"[1]"}` },
  ])("the input of a call with the arguments '$argumentsJson' is an object", ({ argumentsJson, input }) => {
    const made = content(call("c1", argumentsJson));
    expect(JSON.stringify(made)).toBe(`[{"type":"tool_use","id":"c1","name":"f","input":${input}}]`);
  });

  test("empty text is no block", () => {
    expect(content(text(""), text("x"))).toEqual([{ type: "text", text: "x" }]);
  });

  test("a page that another vendor's model cited is cited, and goes to no Anthropic model later", () => {
    const cited: PartInit = {
      part: { case: "text", value: { text: "x", citations: [{ url: "https://a.b", title: "T", citedText: "c" }, { title: "no page" }] } },
    };
    const blocks = content(cited);
    expect(blocks).toMatchObject([
      { citations: [{ type: "web_search_result_location", url: "https://a.b", title: "T", cited_text: "c" }] },
    ]);
    const { messages } = asked(
      ask({
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: blocks },
          { role: "user", content: "r" },
        ],
      }),
    );
    expect(messages[1]?.content[0]?.extensionsJson).toEqual({});
  });

  test("what ran at another vendor, and pictures, have no form here", () => {
    const native: PartInit = { part: { case: "native", value: { issuer: "openai", json: "{}" } } };
    const tool: PartInit = { part: { case: "serverTool", value: { issuer: "google", id: "1", name: "n", inputJson: "{}" } } };
    const image: PartInit = { part: { case: "image", value: { media: { source: { case: "url", value: "https://a.b" } } } } };
    expect(content(native, tool, image, text("x"))).toEqual([{ type: "text", text: "x" }]);
  });

  test("the words of sound are text", () => {
    expect(content({ part: { case: "audio", value: { transcript: "spoken" } } })).toEqual([{ type: "text", text: "spoken" }]);
  });
});

describe("sealed tokens survive the way to the client and back", () => {
  const callWith = (id: string, token: ReturnType<typeof opaque>): PartInit => ({
    part: { case: "toolCall", value: { id, name: "f", argumentsJson: "{}" } },
    opaque: [token],
  });
  const google = opaque("google", "thought_signature", "Z29v");
  const sealedBy = opaque("openai", "encrypted_content", "ZW5j");
  const cases: readonly { readonly name: string; readonly parts: PartInit[] }[] = [
    { name: "Anthropic's own", parts: [reasoning("hm", opaque("anthropic", "signature", "c2ln")), text("x")] },
    { name: "Anthropic's sealed thoughts", parts: [reasoning("", opaque("anthropic", "redacted_thinking", "c2Vh")), text("x")] },
    { name: "another vendor's", parts: [reasoning("hm", sealedBy), text("x")] },
    { name: "another vendor's without a word", parts: [reasoning("", sealedBy), text("x")] },
    { name: "two of one thought", parts: [reasoning("hm", sealedBy, opaque("openai", "reasoning_id", "rs_1")), text("x")] },
    { name: "a thought that nobody sealed", parts: [reasoning("hm"), text("x")] },
    { name: "those of a call", parts: [callWith("c1", google)] },
    {
      name: "those of two calls",
      parts: [callWith("c1", google), callWith("c2", opaque("google", "thought_signature", "Mg=="))],
    },
    { name: "those of a text behind a thought", parts: [reasoning("hm", sealedBy), { part: text("x").part, opaque: [google] }] },
  ];
  test.each(cases)("$name", ({ parts }) => {
    const whole = response(parts);
    const messages = [
      { role: "user", content: "q" },
      { role: "assistant", content: answered(whole)["content"] },
      { role: "user", content: "r" },
    ];
    expect(asked(ask({ messages })).messages[1]?.content).toEqual(whole.choices[0]?.message?.content);
  });

  test("and never look like Anthropic's own", () => {
    expect(content(reasoning("hm", sealedBy))).toMatchObject([{ signature: "sr1.openai.encrypted_content.ZW5j" }]);
    expect(content(reasoning("hm"))).toMatchObject([{ signature: "sr1.semaroute.unsigned." }]);
  });
});
