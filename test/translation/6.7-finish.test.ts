import { describe, expect, test } from "vitest";
import { type ChatResponse, chatResponse, choice, contentPart, FinishReason, textPart, usageOf } from "../../src/core/chat.ts";
import type { Body, DoorName } from "./doors.ts";
import { decodedAt } from "./doors.ts";
import { type DialectName, dialects } from "./rows.ts";

/** An answer of some text in a vendor's words, that ended so. */
const answers: Readonly<Record<DialectName, (word: string, reason?: string) => unknown>> = {
  "openai-chat": (word) => ({
    id: "i",
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content: "a" }, finish_reason: word }],
  }),
  "openai-responses": (status, reason) => ({
    id: "i",
    model: "m",
    status,
    ...(reason !== undefined && { incomplete_details: { reason } }),
    output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "a", annotations: [] }] }],
  }),
  "anthropic-messages": (word) => ({
    id: "i",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "a" }],
    stop_reason: word,
    usage: { input_tokens: 1, output_tokens: 1 },
  }),
  gemini: (word) => ({ candidates: [{ content: { role: "model", parts: [{ text: "a" }] }, finishReason: word }] }),
  cohere: (word) => ({ id: "i", finish_reason: word, message: { role: "assistant", content: [{ type: "text", text: "a" }] } }),
  "bedrock-converse": (word) => ({ output: { message: { role: "assistant", content: [{ text: "a" }] } }, stopReason: word }),
};

const { STOP, LENGTH, CONTENT_FILTER, REFUSAL, CONTEXT_WINDOW, PAUSE, MALFORMED_TOOL_CALL, OTHER } = FinishReason;

const fromUpstream: readonly (readonly [dialect: DialectName, word: string, reason: FinishReason, detail?: string])[] = [
  ["openai-chat", "stop", STOP],
  ["openai-chat", "length", LENGTH],
  ["openai-chat", "content_filter", CONTENT_FILTER],
  ["openai-chat", "model_length", LENGTH],
  ["openai-chat", "eos", STOP],
  ["openai-chat", "max_tokens", LENGTH],
  ["openai-chat", "end_turn", STOP],
  ["openai-chat", "COMPLETE", STOP],
  ["openai-chat", "", STOP],
  ["openai-chat", "tool_calls", STOP],
  ["openai-responses", "completed", STOP],
  ["openai-responses", "incomplete", LENGTH, "max_output_tokens"],
  ["openai-responses", "incomplete", CONTENT_FILTER, "content_filter"],
  ["anthropic-messages", "end_turn", STOP],
  ["anthropic-messages", "stop_sequence", STOP],
  ["anthropic-messages", "max_tokens", LENGTH],
  ["anthropic-messages", "refusal", REFUSAL],
  ["anthropic-messages", "model_context_window_exceeded", CONTEXT_WINDOW],
  ["anthropic-messages", "pause_turn", PAUSE],
  ["gemini", "STOP", STOP],
  ["gemini", "MAX_TOKENS", LENGTH],
  ...["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"].map(
    (word) => ["gemini", word, CONTENT_FILTER] as const,
  ),
  ["gemini", "MALFORMED_FUNCTION_CALL", MALFORMED_TOOL_CALL],
  ["gemini", "UNEXPECTED_TOOL_CALL", MALFORMED_TOOL_CALL],
  ["gemini", "OTHER", OTHER],
  ["cohere", "COMPLETE", STOP],
  ["cohere", "STOP_SEQUENCE", STOP],
  ["cohere", "MAX_TOKENS", LENGTH],
  ["bedrock-converse", "end_turn", STOP],
  ["bedrock-converse", "stop_sequence", STOP],
  ["bedrock-converse", "max_tokens", LENGTH],
  ["bedrock-converse", "content_filtered", CONTENT_FILTER],
  ["bedrock-converse", "guardrail_intervened", CONTENT_FILTER],
  ["bedrock-converse", "model_context_window_exceeded", CONTEXT_WINDOW],
  ["bedrock-converse", "malformed_tool_use", MALFORMED_TOOL_CALL],
  ["bedrock-converse", "malformed_model_output", MALFORMED_TOOL_CALL],
];

describe("6.7 finish reasons of upstreams", () => {
  for (const [dialect, word, reason, detail] of fromUpstream)
    test(`6.7 ${dialect} ${word} ${detail ?? ""}`, () => {
      const { choices } = dialects[dialect].decodeResponse(answers[dialect](word, detail), {});
      expect(choices[0]).toMatchObject({ finishReason: reason, nativeFinishReason: detail ?? word });
    });
});

/** A whole answer at a door, as it is written. */
function shown(door: DoorName, response: ChatResponse): Body {
  return JSON.parse(decodedAt(door, {}).whole(response));
}

function ended(reason: FinishReason, parts = [textPart("a")]): ChatResponse {
  const only = { ...choice(0, parts), finishReason: reason };
  return chatResponse("m", [only], usageOf(1, 1));
}

const toolCall = contentPart({
  case: "toolCall",
  value: { $typeName: "semaroute.v1.ToolCallPart", id: "c", name: "f", argumentsJson: "{}", custom: false },
});

const toDoors: readonly (readonly [
  name: keyof typeof FinishReason,
  chat: string,
  responses: readonly [string, string?],
  messages: string,
])[] = [
  ["STOP", "stop", ["completed"], "end_turn"],
  ["LENGTH", "length", ["incomplete", "max_output_tokens"], "max_tokens"],
  ["TOOL_CALLS", "tool_calls", ["completed"], "tool_use"],
  ["CONTENT_FILTER", "content_filter", ["incomplete", "content_filter"], "refusal"],
  ["REFUSAL", "content_filter", ["incomplete", "content_filter"], "refusal"],
  ["CONTEXT_WINDOW", "length", ["incomplete", "max_output_tokens"], "model_context_window_exceeded"],
  ["PAUSE", "stop", ["completed"], "pause_turn"],
  ["MALFORMED_TOOL_CALL", "stop", ["completed"], "end_turn"],
];

describe("6.7 finish reasons at doors", () => {
  test.each(toDoors)("6.7 %s", (name, chat, [status, reason], messages) => {
    const response = ended(FinishReason[name], name === "TOOL_CALLS" ? [toolCall] : [textPart("a")]);
    expect(shown("chat", response)).toMatchObject({ choices: [{ finish_reason: chat }] });
    expect(shown("responses", response)).toMatchObject({ status, incomplete_details: reason === undefined ? null : { reason } });
    expect(shown("messages", response)).toMatchObject({ stop_reason: messages });
  });
});
