import { describe, expect, test } from "vitest";
import { chatResponse, choice, FinishReason, textPart, usageOf } from "../../src/core/chat.ts";
import { decodedAt, type DoorName } from "./doors.ts";
import { type DialectName, dialects } from "./rows.ts";

/** An answer whose usage is 100 tokens in, of which 60 were cached and 10 are written to the cache, and 50 out, of which 20 were thought. */
const answers: Readonly<Record<DialectName, unknown>> = {
  "openai-chat": {
    choices: [{ index: 0, message: { role: "assistant", content: "a" }, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 100,
      completion_tokens: 50,
      total_tokens: 150,
      prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 20 },
    },
  },
  "openai-responses": {
    status: "completed",
    output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] }],
    usage: {
      input_tokens: 100,
      output_tokens: 50,
      input_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 },
      output_tokens_details: { reasoning_tokens: 20 },
    },
  },
  "anthropic-messages": {
    type: "message",
    role: "assistant",
    content: [{ type: "text", text: "a" }],
    stop_reason: "end_turn",
    usage: {
      input_tokens: 30,
      cache_read_input_tokens: 60,
      cache_creation_input_tokens: 10,
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 20 },
    },
  },
  gemini: {
    candidates: [{ content: { role: "model", parts: [{ text: "a" }] }, finishReason: "STOP" }],
    usageMetadata: {
      promptTokenCount: 90,
      toolUsePromptTokenCount: 10,
      cachedContentTokenCount: 60,
      candidatesTokenCount: 30,
      thoughtsTokenCount: 20,
      totalTokenCount: 150,
    },
  },
  cohere: {
    finish_reason: "COMPLETE",
    message: { role: "assistant", content: [{ type: "text", text: "a" }] },
    usage: { tokens: { input_tokens: 100, output_tokens: 50 }, cached_tokens: 60 },
  },
  "bedrock-converse": {
    output: { message: { role: "assistant", content: [{ text: "a" }] } },
    stopReason: "end_turn",
    usage: { inputTokens: 30, outputTokens: 50, totalTokens: 150, cacheReadInputTokens: 60, cacheWriteInputTokens: 10 },
  },
};
const writes: ReadonlySet<DialectName> = new Set(["openai-chat", "openai-responses", "anthropic-messages", "bedrock-converse"]);
const thinks: ReadonlySet<DialectName> = new Set(["openai-chat", "openai-responses", "anthropic-messages", "gemini"]);

describe("6.8 usage of upstreams", () => {
  test.each(Object.keys(answers) as DialectName[])("6.8 %s", (dialect) => {
    const { usage } = dialects[dialect].decodeResponse(answers[dialect], {});
    expect(usage).toMatchObject({ inputTokens: 100, outputTokens: 50, totalTokens: 150, cacheReadTokens: 60 });
    expect(usage?.cacheWriteTokens).toBe(writes.has(dialect) ? 10 : undefined);
    expect(usage?.reasoningTokens).toBe(thinks.has(dialect) ? 20 : undefined);
  });
});

const shown: Readonly<Record<DoorName, object>> = {
  chat: {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 60 },
    completion_tokens_details: { reasoning_tokens: 20 },
  },
  responses: {
    input_tokens: 100,
    output_tokens: 50,
    total_tokens: 150,
    input_tokens_details: { cached_tokens: 60 },
    output_tokens_details: { reasoning_tokens: 20 },
  },
  messages: { input_tokens: 30, cache_read_input_tokens: 60, cache_creation_input_tokens: 10, output_tokens: 50 },
};

describe("6.8 usage at doors", () => {
  test.each(["chat", "responses", "messages"] as const)("6.8 %s", (door) => {
    const usage = { ...usageOf(100, 50), cacheReadTokens: 60, cacheWriteTokens: 10, reasoningTokens: 20 };
    const response = chatResponse("m", [{ ...choice(0, [textPart("a")]), finishReason: FinishReason.STOP }], usage);
    expect(JSON.parse(decodedAt(door, {}).whole(response))).toMatchObject({ usage: shown[door] });
  });
});
