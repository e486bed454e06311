import { describe, expect, test } from "vitest";

import { type ChatResponse, chatResponse, choice, contentPart, FinishReason, textPart, usageOf } from "../../../src/core/chat.ts";
import type { Failure } from "../../../src/core/error.ts";
import { callPart } from "../../../src/dialects/openai-chat/messages-decode.ts";
import { opaque, reasoningPart } from "../../../src/dialects/openai-chat/opaque.ts";
import { refusalPart } from "../../../src/dialects/openai-chat/parts-decode.ts";
import { encodeChatResponse } from "../../../src/dialects/openai-chat/response-encode.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { decoded, thrown } from "./support.ts";

const answer = (message: unknown, finish: unknown = "stop", more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 5,
  model: "up",
  choices: [{ index: 0, message, finish_reason: finish }],
  ...more,
});
const decode = (body: unknown): ChatResponse => openaiChat.decodeResponse(body, {});
const encode = (response: ChatResponse, legacyFunctions = false): Record<string, never> =>
  JSON.parse(encodeChatResponse(response, { legacyFunctions }));
const fn = (name: string, args: unknown): unknown => ({ id: "c", type: "function", function: { name, arguments: args } });

describe("what a whole answer means", () => {
  const table: readonly { name: string; message: unknown; finish?: unknown; parts: readonly unknown[]; reason: FinishReason }[] = [
    {
      name: "text",
      message: { role: "assistant", content: "a" },
      parts: [{ case: "text", value: { text: "a" } }],
      reason: FinishReason.STOP,
    },
    {
      name: "8.2.12 calls beside empty content",
      message: { content: "", tool_calls: [fn("f", "{}")] },
      finish: "tool_calls",
      parts: [{ case: "toolCall", value: { id: "c", name: "f", argumentsJson: "{}" } }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "calls with the word stop",
      message: { tool_calls: [fn("f", "{}")] },
      parts: [{ case: "toolCall" }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "calls without any word (xAI)",
      message: { tool_calls: [fn("f", "{}")] },
      finish: null,
      parts: [{ case: "toolCall" }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "8.2.6 arguments as an object",
      message: { tool_calls: [fn("f", { a: 1 })] },
      parts: [{ case: "toolCall", value: { argumentsJson: '{"a":1}' } }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "8.2.6 a call without an id",
      message: { tool_calls: [{ function: { name: "f", arguments: "" } }] },
      parts: [{ case: "toolCall", value: { id: expect.stringMatching(/^call_\w+$/) } }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "a custom call",
      message: { tool_calls: [{ id: "c", type: "custom", custom: { name: "f", input: "x" } }] },
      parts: [{ case: "toolCall", value: { custom: true, argumentsJson: "x" } }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "the deprecated function_call",
      message: { content: null, function_call: { name: "f", arguments: "{}" } },
      finish: "function_call",
      parts: [{ case: "toolCall" }],
      reason: FinishReason.TOOL_CALLS,
    },
    {
      name: "8.2.2 Mistral's chunks",
      message: {
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "h" }] },
          { type: "text", text: "a" },
        ],
      },
      parts: [{ case: "reasoning", value: { text: "h" } }, { case: "text" }],
      reason: FinishReason.STOP,
    },
    {
      name: "reasoning_content",
      message: { content: "a", reasoning_content: "h" },
      parts: [{ case: "reasoning", value: { text: "h" } }, { case: "text" }],
      reason: FinishReason.STOP,
    },
    {
      name: "reasoning",
      message: { content: "a", reasoning: "h" },
      parts: [{ case: "reasoning", value: { text: "h" } }, { case: "text" }],
      reason: FinishReason.STOP,
    },
    {
      name: "thinking_blocks",
      message: { content: "a", thinking_blocks: [{ type: "thinking", thinking: "h", signature: "s" }] },
      parts: [{ case: "reasoning", value: { opaque: [{ value: "s" }] } }, { case: "text" }],
      reason: FinishReason.STOP,
    },
    {
      name: "a refusal",
      message: { content: null, refusal: "no" },
      parts: [{ case: "refusal", value: { text: "no" } }],
      reason: FinishReason.STOP,
    },
    {
      name: "8.2.14 null for arrays",
      message: { content: "a", tool_calls: null, annotations: null, audio: null },
      parts: [{ case: "text" }],
      reason: FinishReason.STOP,
    },
  ];
  for (const { name, message, finish, parts, reason } of table)
    test(name, () => {
      const [first] = decode(answer(message, finish === undefined ? "stop" : finish)).choices;
      expect(first?.message?.content.map((part) => part.part)).toMatchObject(parts);
      expect(first?.finishReason).toBe(reason);
    });

  const words: readonly [string, FinishReason][] = [
    ["length", FinishReason.LENGTH],
    ["model_length", FinishReason.LENGTH],
    ["max_tokens", FinishReason.LENGTH],
    ["content_filter", FinishReason.CONTENT_FILTER],
    ["eos", FinishReason.STOP],
    ["end_turn", FinishReason.STOP],
    ["COMPLETE", FinishReason.STOP],
    ["something_new", FinishReason.OTHER],
    ["", FinishReason.STOP],
    ["tool_calls", FinishReason.STOP],
  ];
  for (const [word, reason] of words)
    test(`the finish word "${word}" without calls`, () => {
      const [first] = decode(answer({ content: "a" }, word)).choices;
      expect([first?.finishReason, first?.nativeFinishReason]).toEqual([reason, word]);
    });

  const failures: readonly { name: string; body: unknown; failure: Failure }[] = [
    { name: "null", body: null, failure: "UPSTREAM_PROTOCOL" },
    { name: "a string", body: "hi", failure: "UPSTREAM_PROTOCOL" },
    { name: "no choices", body: { id: "x" }, failure: "UPSTREAM_PROTOCOL" },
    { name: "empty choices", body: { choices: [] }, failure: "UPSTREAM_PROTOCOL" },
    { name: "a choice that is no object", body: { choices: [1] }, failure: "UPSTREAM_PROTOCOL" },
    { name: "8.2.16 an empty success", body: answer({ content: "" }), failure: "UPSTREAM_PROTOCOL" },
    { name: "a call without a name", body: answer({ tool_calls: [fn("", "{}")] }), failure: "UPSTREAM_PROTOCOL" },
    { name: "8.1.11 an error in a 200", body: { error: { message: "m", code: 429 } }, failure: "RATE_LIMITED" },
    {
      name: "8.1.11 an error inside a choice",
      body: { choices: [{ error: { message: "m", code: 502 } }] },
      failure: "UPSTREAM_UNAVAILABLE",
    },
    { name: "8.1.11 finish reason error", body: answer({ content: "a" }, "error"), failure: "UPSTREAM_UNAVAILABLE" },
  ];
  for (const { name, body, failure } of failures)
    test(`${name} is ${failure}`, () => expect(thrown(() => decode(body)).failure).toBe(failure));

  test("an empty answer that was cut by its limit is an answer", () =>
    expect(decode(answer({ content: "" }, "length")).choices[0]?.finishReason).toBe(FinishReason.LENGTH));
});

describe("usage", () => {
  const details = {
    prompt_tokens_details: { cached_tokens: 4, audio_tokens: 1 },
    completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 1, accepted_prediction_tokens: 1, rejected_prediction_tokens: 2 },
  };
  const table: readonly { name: string; usage: unknown; outside?: boolean; means: unknown }[] = [
    {
      name: "all details",
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ...details },
      means: {
        inputTokens: 10,
        outputTokens: 5,
        totalTokens: 15,
        cacheReadTokens: 4,
        reasoningTokens: 3,
        inputAudioTokens: 1,
        outputAudioTokens: 1,
        acceptedPredictionTokens: 1,
        rejectedPredictionTokens: 2,
      },
    },
    {
      name: "DeepSeek's cache",
      usage: { prompt_tokens: 10, completion_tokens: 5, prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 4 },
      means: { cacheReadTokens: 6 },
    },
    {
      name: "xAI's reasoning outside",
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 18, completion_tokens_details: { reasoning_tokens: 3 } },
      outside: true,
      means: { outputTokens: 8, totalTokens: 18, reasoningTokens: 3 },
    },
    {
      name: "xAI's reasoning inside after all",
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, completion_tokens_details: { reasoning_tokens: 3 } },
      outside: true,
      means: { outputTokens: 5 },
    },
    {
      name: "more reasoning than output",
      usage: { prompt_tokens: 1, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 9 } },
      means: { outputTokens: 11 },
    },
    {
      name: "8.2.11 strings and a wrong total",
      usage: { prompt_tokens: "3", completion_tokens: "4", total_tokens: 0 },
      means: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
    },
    {
      name: "8.2.11 negative and fractional",
      usage: { prompt_tokens: -3, completion_tokens: 4.7 },
      means: { inputTokens: 0, outputTokens: 4 },
    },
    {
      name: "more cached than sent",
      usage: { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } },
      means: { cacheReadTokens: 3 },
    },
  ];
  for (const { name, usage, outside, means } of table)
    test(name, () =>
      expect(
        openaiChat.decodeResponse(answer({ content: "a" }, "stop", { usage }), { reasoningOutside: outside ?? false }).usage,
      ).toMatchObject(means as object),
    );
  for (const usage of [null, undefined, {}, "x", { prompt_tokens: "many" }])
    test(`${JSON.stringify(usage)} is no usage`, () => expect(decode(answer({ content: "a" }, "stop", { usage })).usage).toBeUndefined());
  test("Groq's is found in x_groq", () =>
    expect(decode(answer({ content: "a" }, "stop", { x_groq: { usage: { prompt_tokens: 1, completion_tokens: 2 } } })).usage).toMatchObject(
      { totalTokens: 3 },
    ));
});

describe("a whole answer to the caller", () => {
  const of = (parts: Parameters<typeof choice>[1], reason: FinishReason): ChatResponse => {
    const one = choice(0, parts);
    one.finishReason = reason;
    return {
      ...chatResponse("gpt", [one], undefined),
      id: "abc",
      createTime: { $typeName: "google.protobuf.Timestamp", seconds: 7n, nanos: 0 },
    };
  };
  const called = callPart({ id: "c", name: "f", argumentsJson: "{}", custom: false }, [opaque("google", "thought_signature", "S")]);

  test("text", () => {
    const response = of([textPart("a")], FinishReason.STOP);
    response.usage = usageOf(1, 2);
    expect(encode(response)).toEqual({
      id: "chatcmpl-abc",
      object: "chat.completion",
      created: 7,
      model: "gpt",
      choices: [{ index: 0, message: { role: "assistant", content: "a", refusal: null }, logprobs: null, finish_reason: "stop" }],
      usage: {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
      },
    });
  });
  const messages: readonly { name: string; parts: Parameters<typeof choice>[1]; message: unknown }[] = [
    {
      name: "pure calls have null content",
      parts: [textPart(""), called],
      message: {
        content: null,
        refusal: null,
        tool_calls: [{ ...(fn("f", "{}") as object), extra_content: { google: { thought_signature: "S" } } }],
      },
    },
    { name: "nothing at all has empty content", parts: [], message: { content: "", refusal: null } },
    { name: "a refusal", parts: [refusalPart("no")], message: { content: null, refusal: "no" } },
    {
      name: "sealed reasoning",
      parts: [
        reasoningPart("h", [opaque("anthropic", "signature", "s")]),
        reasoningPart("", [opaque("anthropic", "redacted_thinking", "r")]),
        textPart("a"),
      ],
      message: {
        content: "a",
        refusal: null,
        reasoning_content: "h",
        thinking_blocks: [
          { type: "thinking", thinking: "h", signature: "s" },
          { type: "redacted_thinking", data: "r" },
        ],
      },
    },
    {
      name: "reasoning that others sealed",
      parts: [
        reasoningPart("h", [opaque("bedrock", "signature", "s"), opaque("bedrock", "redacted_content", "r")]),
        reasoningPart("", [opaque("openai", "encrypted_content", "e")]),
        textPart("a"),
      ],
      message: {
        reasoning_content: "h",
        thinking_blocks: [
          { type: "thinking", thinking: "h", signature: "sr1.bedrock.signature.s" },
          { type: "redacted_thinking", data: "sr1.bedrock.redacted_content.r" },
          { type: "redacted_thinking", data: "sr1.openai.encrypted_content.e" },
        ],
      },
    },
  ];
  for (const { name, parts, message } of messages)
    test(name, () => expect(encode(of(parts, FinishReason.STOP))["choices"]).toMatchObject([{ message }]));

  test("a seal that comes back is its issuer's, whoever that was", () => {
    const sealed = [
      reasoningPart("h", [opaque("bedrock", "signature", "s")]),
      reasoningPart("", [opaque("openai", "encrypted_content", "e")]),
      reasoningPart("i", [opaque("anthropic", "signature", "s")]),
    ];
    const [first] = encode(of([...sealed, textPart("a")], FinishReason.STOP))["choices"] as unknown as [{ message: object }];
    const [, back] = decoded({ model: "m", messages: [{ role: "user", content: "q" }, first.message] }).messages;
    expect(back?.content).toEqual([...sealed, textPart("a")]);
  });

  test("summaries of reasoning are paragraphs, and a citation without offsets is for its whole text", () => {
    const summary = (text: string) => {
      const part = reasoningPart(text, []);
      if (part.part.case === "reasoning") part.part.value.summary = true;
      return part;
    };
    const cited = textPart("bc");
    if (cited.part.case === "text")
      cited.part.value.citations = [{ $typeName: "semaroute.v1.Citation", title: "T", url: "https://a.b", citedText: "" }];
    expect(encode(of([summary("h"), summary("i"), textPart("a"), cited], FinishReason.STOP))["choices"]).toMatchObject([
      { message: { reasoning_content: "h\n\ni", annotations: [{ url_citation: { start_index: 1, end_index: 3 } }] } },
    ]);
  });

  test("citations count from the start of the whole text, in code points", () => {
    const cited = contentPart({
      case: "text",
      value: {
        $typeName: "semaroute.v1.TextPart",
        text: "bc",
        citations: [
          { $typeName: "semaroute.v1.Citation", start: 0, end: 2, title: "T", url: "https://a.b", citedText: "" },
          { $typeName: "semaroute.v1.Citation", title: "no url", url: "", citedText: "" },
        ],
      },
    });
    expect(encode(of([textPart("\u{1f600}a"), cited], FinishReason.STOP))["choices"]).toMatchObject([
      {
        message: {
          content: "\u{1f600}abc",
          annotations: [{ type: "url_citation", url_citation: { start_index: 2, end_index: 4, url: "https://a.b", title: "T" } }],
        },
      },
    ]);
  });

  const reasons: readonly [FinishReason, string][] = [
    [FinishReason.LENGTH, "length"],
    [FinishReason.TOOL_CALLS, "tool_calls"],
    [FinishReason.CONTENT_FILTER, "content_filter"],
    [FinishReason.REFUSAL, "content_filter"],
    [FinishReason.CONTEXT_WINDOW, "length"],
    [FinishReason.PAUSE, "stop"],
    [FinishReason.MALFORMED_TOOL_CALL, "stop"],
    [FinishReason.OTHER, "stop"],
    [FinishReason.UNSPECIFIED, "stop"],
  ];
  for (const [reason, word] of reasons)
    test(`finish reason ${reason} is ${word}`, () =>
      expect(encode(of([textPart("a")], reason))["choices"]).toMatchObject([{ finish_reason: word }]));
  test("an answer that failed is an error, whatever it holds", () =>
    expect(thrown(() => encode(of([textPart("a")], FinishReason.ERROR))).failure).toBe("UPSTREAM_PROTOCOL"));
  test("a refusal in words ends with stop", () =>
    expect(encode(of([refusalPart("no")], FinishReason.REFUSAL))["choices"]).toMatchObject([{ finish_reason: "stop" }]));

  test("callers of the old functions get the old shape", () => {
    const [first] = encode(of([called], FinishReason.TOOL_CALLS), true)["choices"] as unknown as [
      { message: object; finish_reason: string },
    ];
    expect(first).toMatchObject({
      message: { content: null, function_call: { name: "f", arguments: "{}" } },
      finish_reason: "function_call",
    });
    expect(first.message).not.toHaveProperty("tool_calls");
  });
});

test("an answer of OpenAI's comes back as it came", () => {
  const token = { token: "a", logprob: -0.5, bytes: [97], top_logprobs: [] };
  const body = {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 0,
    model: "up",
    service_tier: "default",
    system_fingerprint: "fp",
    moderation: { flagged: false },
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "a",
          refusal: null,
          annotations: [{ type: "url_citation", url_citation: { start_index: 0, end_index: 1, url: "https://a.b", title: "T" } }],
          audio: { id: "au", data: "AQ==", expires_at: 9, transcript: "a" },
          tool_calls: [{ ...(fn("f", '{"x": 1}') as object), odd: 1 }],
          custom_field: { deep: [1] },
        },
        logprobs: { content: [token], refusal: null },
        finish_reason: "tool_calls",
        native_finish_reason: "X",
      },
      { index: 1, message: { role: "assistant", content: null, refusal: "no" }, logprobs: null, finish_reason: "stop" },
    ],
    usage: {
      prompt_tokens: 1,
      completion_tokens: 2,
      total_tokens: 3,
      prompt_tokens_details: { cached_tokens: 1, audio_tokens: 0, text_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
      cost: 0.5,
    },
  };
  expect(encode(decode(body))).toEqual(body);
});

test("lists of models in all their shapes", () => {
  expect(openaiChat.decodeModels({ object: "list", data: [{ id: "a" }, { id: "b/c" }, {}] })).toEqual(["a", "b/c"]);
  expect(openaiChat.decodeModels([{ id: "a" }])).toEqual(["a"]);
  for (const body of [null, {}, "x", { data: 1 }]) expect(openaiChat.decodeModels(body)).toBeUndefined();
});
