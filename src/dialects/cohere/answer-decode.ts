import { type Citation, type ContentPart, contentPart, type TokenLogprob } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { callerTool } from "../../core/tool-names.ts";
import { type Fields, fieldsAt, isJsonObject, issuer, listAt, textAt } from "./fields.ts";
import { count } from "./usage-decode.ts";

// Pieces that whole answers and streams have in common.

/** Thoughts, which Cohere does not seal. */
export function reasoningPart(text: string): ContentPart {
  return contentPart({ case: "reasoning", value: { $typeName: "semaroute.v1.ReasoningPart", text, summary: false, opaque: [] } });
}

/** A block that has no neutral form, for replay. */
export function nativePart(block: Fields): ContentPart {
  return contentPart({ case: "native", value: { $typeName: "semaroute.v1.NativePart", issuer, json: JSON.stringify(block) } });
}

/** A call without its arguments; `fallbackId` is for one that came without an id. */
export function callPart(call: Fields, fallbackId: string, context: AnswerContext): ContentPart {
  const { name, custom } = callerTool(textAt(fieldsAt(call, "function"), "name"), context);
  const id = textAt(call, "id") || fallbackId;
  return contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", id, name, argumentsJson: "", custom } });
}

/** Where a citation belongs: `type` says it since there is thinking. */
export function citedIn(citation: Fields): "text" | "plan" | "thinking" {
  const type = textAt(citation, "type");
  return type === "PLAN" ? "plan" : type === "THINKING_CONTENT" ? "thinking" : "text";
}

/** One for each source of the span; one without a source, where none is told. */
export function citationsFrom(citation: Fields): Citation[] {
  const sources = listAt(citation, "sources").filter(isJsonObject);
  return (sources.length === 0 ? [{}] : sources).map((source) => citationOf(citation, source));
}

function citationOf(citation: Fields, source: Fields): Citation {
  const document = fieldsAt(source, "document");
  const id = textAt(source, "id");
  const [, index] = /^doc_(\d{1,9})$/.exec(id) ?? [];
  return {
    $typeName: "semaroute.v1.Citation",
    start: count(citation["start"]),
    end: count(citation["end"]),
    title: textAt(document, "title") || id,
    url: textAt(document, "url"),
    citedText: textAt(document, "text") || textAt(document, "snippet"),
    documentIndex: index === undefined ? undefined : Number(index),
  };
}

/** Cohere tells of a piece of text and its tokens: the piece's probability is the product of theirs. */
export function logprobsFrom(value: unknown): TokenLogprob[] {
  if (!isJsonObject(value)) return [];
  const numbers = listAt(value, "logprobs").filter((each) => typeof each === "number");
  if (numbers.length === 0) return [];
  const logprob = numbers.reduce((sum, each) => sum + each, 0);
  return [{ $typeName: "semaroute.v1.TokenLogprob", token: textAt(value, "text"), logprob, bytes: new Uint8Array(), top: [] }];
}
