import {
  type Citation,
  type ContentPart,
  contentPart,
  type Opaque,
  type ReasoningPart,
  textPart,
  type ToolCallPart,
} from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { unwrapped } from "../../core/freeform.ts";
import { callerTool } from "../../core/tool-names.ts";
import { unfenced } from "../../core/unfence.ts";
import { extensionsOf, type Fields, isJsonObject, issuer, textAt } from "./fields.ts";

const textKnown: ReadonlySet<string> = new Set(["type", "text", "citations"]);
const thinkingKnown: ReadonlySet<string> = new Set(["type", "thinking", "signature"]);
const redactedKnown: ReadonlySet<string> = new Set(["type", "data"]);
const toolKnown: ReadonlySet<string> = new Set(["type", "id", "name", "input"]);

/** A block of an answer as a part. Blocks without a neutral form stay as they are, for replay. */
export function partFromBlock(block: Fields, context: AnswerContext): ContentPart {
  switch (block["type"]) {
    case "text":
      return textFromBlock(context.fencedJson === true ? { ...block, text: unfenced(textAt(block, "text")) } : block);
    case "thinking":
    case "redacted_thinking":
      return reasoningFromBlock(block);
    case "tool_use": {
      if (textAt(block, "name") === context.jsonTool) return textPart(JSON.stringify(isJsonObject(block["input"]) ? block["input"] : {}));
      const part = toolCallFromBlock(block, context);
      const argumentsJson = JSON.stringify(isJsonObject(block["input"]) ? block["input"] : {});
      if (part.part.case === "toolCall") part.part.value.argumentsJson = part.part.value.custom ? unwrapped(argumentsJson) : argumentsJson;
      return part;
    }
    default:
      return nativePart(block);
  }
}

/** Text with its citations; these go along verbatim as well, since a later turn must send them back. */
export function textFromBlock(block: Fields): ContentPart {
  const part = textPart(textAt(block, "text"));
  part.extensionsJson = extensionsOf(block, textKnown);
  const { citations } = block;
  if (!Array.isArray(citations) || citations.length === 0 || part.part.case !== "text") return part;
  part.part.value.citations = citations.filter(isJsonObject).map(citationFrom);
  part.extensionsJson = extensionsOf(block, new Set(["type", "text"]));
  return part;
}

/** Thinking, readable or sealed. */
export function reasoningFromBlock(block: Fields): ContentPart {
  const redacted = block["type"] === "redacted_thinking";
  const token = redacted ? textAt(block, "data") : textAt(block, "signature");
  const opaque = token === "" ? [] : [anthropicToken(redacted ? "redacted_thinking" : "signature", token)];
  const value: ReasoningPart = { $typeName: "semaroute.v1.ReasoningPart", text: textAt(block, "thinking"), summary: false, opaque };
  const part = contentPart({ case: "reasoning", value });
  part.extensionsJson = extensionsOf(block, redacted ? redactedKnown : thinkingKnown);
  return part;
}

/** A call without its arguments. */
export function toolCallFromBlock(block: Fields, context: AnswerContext): ContentPart {
  const { name, custom } = callerTool(textAt(block, "name"), context);
  const value: ToolCallPart = { $typeName: "semaroute.v1.ToolCallPart", id: textAt(block, "id"), name, argumentsJson: "", custom };
  const part = contentPart({ case: "toolCall", value });
  part.extensionsJson = extensionsOf(block, toolKnown);
  return part;
}

/** The block itself. */
export function nativePart(block: Fields): ContentPart {
  return contentPart({ case: "native", value: { $typeName: "semaroute.v1.NativePart", issuer, json: JSON.stringify(block) } });
}

/** A token for replay to Anthropic. */
export function anthropicToken(kind: "signature" | "redacted_thinking", value: string): Opaque {
  return { $typeName: "semaroute.v1.Opaque", issuer, kind, value };
}

/** A citation stands for the whole text part; Anthropic's offsets count in the source, which the vocabulary does not name. */
export function citationFrom(citation: Fields): Citation {
  const title = textAt(citation, "document_title");
  const url = textAt(citation, "url");
  const found: Citation = {
    $typeName: "semaroute.v1.Citation",
    title: title === "" ? textAt(citation, "title") : title,
    url: url === "" ? textAt(citation, "source") : url,
    citedText: textAt(citation, "cited_text"),
  };
  const index = citation["document_index"];
  if (typeof index === "number" && Number.isInteger(index) && index >= 0) found.documentIndex = index;
  return found;
}
