import type { Opaque, TextPart, ToolCallPart } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { textFromOpaque } from "../../core/opaque-tag.ts";
import { encodeAnnotations } from "./annotations.ts";
import { issuer, ownToken } from "./extensions.ts";

// Items of an answer, as whole answers and streams have them.

/** What became of an item. */
export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** Names of the items of one answer: unique within it, and a pure function of its place in it. */
export function itemId(prefix: "msg" | "rs" | "fc" | "ctc" | "ig", answerId: string, outputIndex: number, own: JsonObject): string {
  const { id } = own;
  return typeof id === "string" && id !== "" ? id : `${prefix}_${answerId}_${outputIndex}`;
}

/** A message of the assistant's. */
export function messageItem(id: string, content: readonly JsonObject[], status: ItemStatus, own: JsonObject): JsonObject {
  return { ...own, type: "message", id, role: "assistant", status, content };
}

/** A piece of text of a message. */
export function outputText(text: TextPart, logprobs: readonly JsonObject[], own: JsonObject): JsonObject {
  const { message: _ofTheItem, delta: _passed, ...rest } = own;
  return { ...rest, type: "output_text", text: text.text, annotations: encodeAnnotations(text, own), logprobs };
}

/** A call of a tool. */
export function callItem(id: string, call: ToolCallPart, status: ItemStatus, own: JsonObject): JsonObject {
  const { delta: _passed, ...rest } = own;
  const { id: call_id, name, argumentsJson } = call;
  if (call.custom) return { ...rest, type: "custom_tool_call", id, call_id, name, input: argumentsJson, status };
  return { ...rest, type: "function_call", id, call_id, name, arguments: argumentsJson, status };
}

/** What a reasoning item says. */
export interface ReasoningTexts {
  readonly summary: readonly string[];
  /** The raw chain. */
  readonly chain: readonly string[];
  readonly tokens: readonly Opaque[];
}

/** Reasoning; its seal is there, asked for or not, since without it nobody could think on in a later turn. */
export function reasoningItem(id: string, { summary, chain, tokens }: ReasoningTexts, own: JsonObject): JsonObject {
  const { continues: _joined, raw: _kind, delta: _passed, ...rest } = own;
  const token = sealOf(tokens);
  return {
    ...rest,
    type: "reasoning",
    id,
    summary: summary.map((text) => ({ type: "summary_text", text })),
    ...(chain.length > 0 && { content: chain.map((text) => ({ type: "reasoning_text", text })) }),
    ...(token !== undefined && { encrypted_content: textFromOpaque(token, ownToken) }),
  };
}

/** The one token that an item has room for. */
export function sealOf(tokens: readonly Opaque[]): Opaque | undefined {
  return tokens.find((token) => token.issuer === issuer) ?? tokens[0];
}
