import type { Target } from "../../core/catalog.ts";
import type { ContentPart, Opaque, ReasoningPart } from "../../core/chat.ts";
import { contentPart } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { opaqueFromText, textFromOpaque } from "../../core/opaque-tag.ts";

// OpenAI's chat has no place for vendors' reasoning tokens. Two conventions of its compatible world do, and clients that
// send messages back as they came keep them alive: LiteLLM's `thinking_blocks` and Google's `extra_content`. The blocks are
// Anthropic's; tokens of others travel in them behind a mark of ours.

const signed = { issuer: "anthropic", kind: "signature" } as const;
const redacted = { issuer: "anthropic", kind: "redacted_thinking" } as const;

/** A token and who made it. */
export function opaque(issuer: string, kind: string, value: string): Opaque {
  return { $typeName: "semaroute.v1.Opaque", issuer, kind, value };
}

/** A part of reasoning. */
export function reasoningPart(text: string, tokens: Opaque[]): ContentPart {
  return contentPart({ case: "reasoning", value: { $typeName: "semaroute.v1.ReasoningPart", text, summary: false, opaque: tokens } });
}

/** A `thinking` or `redacted_thinking` block as a part; undefined where it is neither. Mistral's `thinking` is an array of text chunks. */
export function reasoningFromBlock(block: JsonObject): ContentPart | undefined {
  if (block["type"] === "redacted_thinking") {
    const { data } = block;
    return typeof data === "string" ? reasoningPart("", [opaqueFromText(data, redacted)]) : undefined;
  }
  if (block["type"] !== "thinking") return undefined;
  const { thinking, signature } = block;
  const isSigned = typeof signature === "string" && signature !== "";
  return reasoningPart(plainText(thinking), isSigned ? [opaqueFromText(signature, signed)] : []);
}

/** Text of a string or of an array of text chunks. */
export function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return "";
  let text = "";
  for (const each of value) if (isJsonObject(each) && typeof each["text"] === "string") text += each["text"];
  return text;
}

/** What stands between a summary of reasoning and what was thought before: vendors send several, each a paragraph of its own. */
export function paragraph({ summary, text }: Pick<ReasoningPart, "summary" | "text">, follows: boolean): string {
  return summary && follows && text !== "" ? "\n\n" : "";
}

/** The blocks that carry a reasoning part's tokens, the first one with its text; none for a part without tokens, whose text travels alone. */
export function blocksFromReasoning(text: string, tokens: readonly Opaque[]): readonly JsonObject[] {
  let untold = text;
  return tokens.map((token) => {
    const isSeal = token.issuer === redacted.issuer && token.kind === redacted.kind;
    if (isSeal || (untold === "" && token.issuer !== signed.issuer))
      return { type: "redacted_thinking", data: textFromOpaque(token, redacted) };
    const thinking = untold;
    untold = "";
    return { type: "thinking", thinking, signature: textFromOpaque(token, signed) };
  });
}

/** Google's thought signature in a tool call's `extra_content`. */
export function thoughtSignatures(call: JsonObject): Opaque[] {
  const extra = call["extra_content"];
  const google = isJsonObject(extra) ? extra["google"] : undefined;
  const signature = isJsonObject(google) ? google["thought_signature"] : undefined;
  return typeof signature === "string" ? [opaque("google", "thought_signature", signature)] : [];
}

/** Whether a token of a part goes back on it: a thought signature on its call, behind a host of Google's. */
export function isReplayed({ issuer, kind }: Opaque, { part }: ContentPart, target: Target): boolean {
  return part.case === "toolCall" && target.issuer === "google" && issuer === "google" && kind === "thought_signature";
}

/** The way back; undefined where there is no signature. */
export function extraContent(tokens: readonly Opaque[]): JsonObject | undefined {
  const found = tokens.find((token) => token.issuer === "google" && token.kind === "thought_signature");
  return found === undefined ? undefined : { google: { thought_signature: found.value } };
}
