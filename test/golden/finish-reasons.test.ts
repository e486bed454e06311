/** Why an answer ended, in every language: vendors' words to neutral ones, and those to the doors' words. One table each. */
import { describe, expect, test } from "vitest";
import { chatResponse, type ChatResponse, choice, contentPart, FinishReason, textPart, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { eventsFromResponse } from "../../src/core/stream.ts";
import { dialects } from "./dialects.ts";
import { doors } from "./doors.ts";

const { STOP, LENGTH, TOOL_CALLS, CONTENT_FILTER, REFUSAL, CONTEXT_WINDOW, PAUSE, MALFORMED_TOOL_CALL, ERROR, OTHER } = FinishReason;

/** A whole answer of each dialect that says a word and ends with another; with a call of a tool, if wanted. */
const answering: Readonly<Record<string, (word: string, calls: boolean) => unknown>> = {
  "openai-chat": (word, calls) => ({
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "x",
          ...(calls && { tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }] }),
        },
        finish_reason: word,
      },
    ],
  }),
  "openai-responses": (word, calls) => ({
    id: "resp_1",
    object: "response",
    ...(word === "completed" ? { status: word } : { status: "incomplete", incomplete_details: { reason: word } }),
    output: [
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "x", annotations: [] }],
      },
      ...(calls ? [{ type: "function_call", id: "fc_1", call_id: "a", name: "f", arguments: "{}", status: "completed" }] : []),
    ],
  }),
  "anthropic-messages": (word, calls) => ({
    id: "msg_1",
    type: "message",
    role: "assistant",
    content: [{ type: "text", text: "x" }, ...(calls ? [{ type: "tool_use", id: "a", name: "f", input: {} }] : [])],
    stop_reason: word,
  }),
  gemini: (word, calls) => ({
    candidates: [
      {
        content: { role: "model", parts: [{ text: "x" }, ...(calls ? [{ functionCall: { id: "a", name: "f", args: {} } }] : [])] },
        finishReason: word,
        index: 0,
      },
    ],
  }),
  cohere: (word, calls) => ({
    id: "x",
    finish_reason: word,
    message: {
      role: "assistant",
      content: [{ type: "text", text: "x" }],
      ...(calls && { tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }] }),
    },
  }),
  "bedrock-converse": (word, calls) => ({
    output: {
      message: { role: "assistant", content: [{ text: "x" }, ...(calls ? [{ toolUse: { toolUseId: "a", name: "f", input: {} } }] : [])] },
    },
    stopReason: word,
  }),
};

interface Word {
  readonly word: string;
  /** Undefined: the answer is a failure. */
  readonly means: FinishReason | undefined;
  /** The answer calls a tool. */
  readonly calls?: boolean;
}

const says = (means: FinishReason | undefined, ...words: readonly string[]): readonly Word[] => words.map((word) => ({ word, means }));
const calling = (means: FinishReason, ...words: readonly string[]): readonly Word[] => words.map((word) => ({ word, means, calls: true }));

const words: Readonly<Record<string, readonly Word[]>> = {
  "openai-chat": [
    ...says(STOP, "stop", "tool_calls", "function_call", "eos"),
    ...says(OTHER, "never heard of"),
    ...says(LENGTH, "length", "model_length"),
    ...calling(TOOL_CALLS, "tool_calls", "function_call", "stop", ""),
    ...says(CONTENT_FILTER, "content_filter"),
    ...says(undefined, "error", "insufficient_system_resource"),
  ],
  "openai-responses": [
    ...says(STOP, "completed"),
    ...says(LENGTH, "max_output_tokens"),
    ...says(CONTENT_FILTER, "content_filter"),
    ...calling(TOOL_CALLS, "completed"),
    ...says(OTHER, "never heard of"),
  ],
  "anthropic-messages": [
    ...says(STOP, "end_turn", "stop_sequence", "tool_use"),
    ...says(LENGTH, "max_tokens"),
    ...calling(TOOL_CALLS, "tool_use", "end_turn"),
    ...says(REFUSAL, "refusal"),
    ...says(CONTEXT_WINDOW, "model_context_window_exceeded"),
    ...says(PAUSE, "pause_turn"),
    ...says(OTHER, "never heard of"),
  ],
  gemini: [
    ...says(STOP, "STOP"),
    ...says(LENGTH, "MAX_TOKENS"),
    ...calling(TOOL_CALLS, "STOP"),
    ...says(CONTENT_FILTER, "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
    ...says(PAUSE, "CONTINUATION"),
    ...says(MALFORMED_TOOL_CALL, "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
    ...says(ERROR, "MALFORMED_RESPONSE"),
    ...says(OTHER, "OTHER", "NEVER_HEARD_OF"),
  ],
  cohere: [
    ...says(STOP, "COMPLETE", "STOP_SEQUENCE", "TOOL_CALL"),
    ...says(LENGTH, "MAX_TOKENS"),
    ...calling(TOOL_CALLS, "TOOL_CALL", "COMPLETE"),
    ...says(undefined, "ERROR", "TIMEOUT"),
    ...says(OTHER, "NEVER_HEARD_OF"),
  ],
  "bedrock-converse": [
    ...says(STOP, "end_turn", "stop_sequence", "tool_use"),
    ...says(LENGTH, "max_tokens"),
    ...calling(TOOL_CALLS, "tool_use", "end_turn"),
    ...says(CONTENT_FILTER, "content_filtered", "guardrail_intervened"),
    ...says(CONTEXT_WINDOW, "model_context_window_exceeded"),
    ...says(MALFORMED_TOOL_CALL, "malformed_tool_use", "malformed_model_output"),
    ...says(OTHER, "never heard of"),
  ],
};

describe.each(dialects)("an answer of $name", ({ name, upstream, quirks }) => {
  test.each(words[name] ?? [])("that ended with $word (a call: $calls) means $means", ({ word, means, calls = false }) => {
    const decode = () => upstream.decodeResponse(answering[name]?.(word, calls), quirks).choices[0];
    if (means === undefined) expect(decode).toThrow(ChatError);
    else expect(decode()).toMatchObject({ finishReason: means, nativeFinishReason: expect.stringContaining(word) });
  });
});

test("every dialect has its words", () => expect(Object.keys(words)).toEqual(dialects.map(({ name }) => name)));

interface Ending {
  readonly reason: keyof typeof FinishReason;
  /** `finish_reason`; undefined: an error. */
  readonly chat: string | undefined;
  /** `status`, and the reason of one that is incomplete. */
  readonly responses: string;
  /** `stop_reason`; undefined: an error. */
  readonly messages: string | undefined;
}

const endings: readonly Ending[] = [
  { reason: "STOP", chat: "stop", responses: "completed", messages: "end_turn" },
  { reason: "LENGTH", chat: "length", responses: "incomplete max_output_tokens", messages: "max_tokens" },
  { reason: "TOOL_CALLS", chat: "tool_calls", responses: "completed", messages: "tool_use" },
  { reason: "CONTENT_FILTER", chat: "content_filter", responses: "incomplete content_filter", messages: "refusal" },
  { reason: "REFUSAL", chat: "content_filter", responses: "incomplete content_filter", messages: "refusal" },
  { reason: "CONTEXT_WINDOW", chat: "length", responses: "incomplete max_output_tokens", messages: "model_context_window_exceeded" },
  { reason: "PAUSE", chat: "stop", responses: "completed", messages: "pause_turn" },
  { reason: "MALFORMED_TOOL_CALL", chat: "stop", responses: "completed", messages: "end_turn" },
  { reason: "OTHER", chat: "stop", responses: "completed", messages: "end_turn" },
  { reason: "ERROR", chat: undefined, responses: "failed", messages: undefined },
];

function ended(reason: FinishReason, refusal = ""): ChatResponse {
  const parts = refusal === "" ? [textPart("x")] : [contentPart({ case: "refusal", value: refusalOf(refusal) })];
  const only = choice(0, parts);
  only.finishReason = reason;
  return chatResponse("m", [only], usageOf(1, 1));
}

function refusalOf(text: string) {
  return { $typeName: "semaroute.v1.RefusalPart", text, category: "" } as const;
}

/** What a door says of the end in one object that it wrote; undefined: nothing. */
const endIn: Readonly<Record<string, (said: Said) => string | undefined>> = {
  "openai-chat": ({ choices }) => choices?.[0]?.finish_reason ?? undefined,
  "openai-responses": ({ response, ...whole }) => {
    const { status, incomplete_details } = response ?? whole;
    return status === "in_progress" || status === undefined ? undefined : [status, incomplete_details?.reason ?? []].flat().join(" ");
  },
  "anthropic-messages": ({ delta, stop_reason }) => stop_reason ?? delta?.stop_reason ?? undefined,
};

/** The fields that are looked at, of all doors. */
interface Said {
  readonly choices?: readonly { readonly finish_reason: string | null }[];
  readonly response?: Said;
  readonly status?: string;
  readonly incomplete_details?: { readonly reason: string } | null;
  readonly stop_reason?: string | null;
  readonly delta?: { readonly stop_reason?: string };
}

/** The last word about the end, in a whole answer or in a stream. */
function wordIn(door: string, text: string): string | undefined {
  const objects = text.startsWith("{") ? [text] : [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = ""]) => data);
  return objects.flatMap((json) => endIn[door]?.(JSON.parse(json)) ?? []).at(-1);
}

describe.each(endings)("an answer that ended with $reason", ({ reason, ...told }) => {
  const expected = { "openai-chat": told.chat, "openai-responses": told.responses, "anthropic-messages": told.messages };
  test.each(Object.entries(expected))("ends at %s with %s", (name, word) => {
    const door = doors.find((each) => each.name === name);
    const response = ended(FinishReason[reason]);
    const whole = () => door?.whole(response) ?? "";
    const streamed = () => door?.stream(eventsFromResponse(response), undefined) ?? "";
    if (word === undefined) {
      expect(whole).toThrow(ChatError);
      expect(streamed).toThrow(ChatError);
      return;
    }
    expect(wordIn(name, whole())).toBe(word);
    expect(wordIn(name, streamed())).toBe(word);
  });
});

test("an answer that is a refusal in words ends in peace, but at a door that has a word for it", () => {
  const found = doors.map((door) => wordIn(door.name, door.whole(ended(REFUSAL, "no"))));
  expect(found).toEqual(["stop", "completed", "refusal", undefined]);
});
