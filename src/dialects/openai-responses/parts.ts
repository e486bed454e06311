import { type ContentPart, contentPart, type Opaque } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { language } from "./extensions.ts";

// Parts of the vocabulary, as both directions make them.

/** What the model said instead of an answer. */
export function refusalPart(text: string): ContentPart {
  return contentPart({ case: "refusal", value: { $typeName: "semaroute.v1.RefusalPart", text, category: "" } });
}

/** Reasoning: a summary, or the raw chain. */
export function reasoningPart(text: string, summary: boolean, opaque: Opaque[] = []): ContentPart {
  return contentPart({ case: "reasoning", value: { $typeName: "semaroute.v1.ReasoningPart", text, summary, opaque } });
}

/** A call before it is a part. */
export interface CallFields {
  readonly id: string;
  readonly name: string;
  /** JSON text of a function's arguments, or a custom tool's free text. */
  readonly argumentsJson: string;
  readonly custom: boolean;
}

/** A part that calls a tool. */
export function callPart(fields: CallFields): ContentPart {
  return contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", ...fields } });
}

/** An item or a content part that the vocabulary has no form for, for targets of this language. */
export function nativePart(object: JsonObject): ContentPart {
  return contentPart({
    case: "native",
    value: { $typeName: "semaroute.v1.NativePart", issuer: language, json: JSON.stringify(object) },
  });
}
