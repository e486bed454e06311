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
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { callerTool } from "../../core/tool-names.ts";
import { unfenced } from "../../core/unfence.ts";
import { extensionsOf, issuer } from "./fields.ts";

const toolKnown: ReadonlySet<string> = new Set(["toolUseId", "name", "input"]);

/** A block of an answer as a part. Blocks without a neutral form stay as they are, for replay. */
export function partFromBlock(block: Fields, context: AnswerContext): ContentPart {
  const { text, toolUse, reasoningContent, citationsContent } = block;
  if (typeof text === "string") return textPart(context.fencedJson === true ? unfenced(text) : text);
  if (isJsonObject(reasoningContent)) return reasoningFrom(reasoningContent);
  if (isJsonObject(citationsContent)) return citedFrom(citationsContent);
  if (!isJsonObject(toolUse) || isOfServer(toolUse)) return nativePart(block);
  const part = toolCallFrom(toolUse, context);
  const argumentsJson = JSON.stringify(isJsonObject(toolUse["input"]) ? toolUse["input"] : {});
  if (part.part.case === "toolCall") part.part.value.argumentsJson = part.part.value.custom ? unwrapped(argumentsJson) : argumentsJson;
  return part;
}

/** Whether the call is run by Bedrock itself: it asks nothing of the caller. */
export function isOfServer(toolUse: Fields): boolean {
  return toolUse["type"] === "server_tool_use";
}

/** A call without its arguments. */
export function toolCallFrom(toolUse: Fields, context: AnswerContext): ContentPart {
  const { name, custom } = callerTool(textAt(toolUse, "name"), context);
  const value: ToolCallPart = { $typeName: "semaroute.v1.ToolCallPart", id: textAt(toolUse, "toolUseId"), name, argumentsJson: "", custom };
  const part = contentPart({ case: "toolCall", value });
  part.extensionsJson = extensionsOf(toolUse, toolKnown);
  return part;
}

/** The block itself. */
export function nativePart(block: Fields): ContentPart {
  return contentPart({ case: "native", value: { $typeName: "semaroute.v1.NativePart", issuer, json: JSON.stringify(block) } });
}

/** Reasoning, readable or sealed. */
export function reasoningPart(text: string, opaque: Opaque[]): ContentPart {
  const value: ReasoningPart = { $typeName: "semaroute.v1.ReasoningPart", text, summary: false, opaque };
  return contentPart({ case: "reasoning", value });
}

/** A token for replay to Bedrock. */
export function bedrockToken(kind: "signature" | "redacted_content", value: string): Opaque {
  return { $typeName: "semaroute.v1.Opaque", issuer, kind, value };
}

function reasoningFrom(content: Fields): ContentPart {
  const readable = isJsonObject(content["reasoningText"]) ? content["reasoningText"] : {};
  const opaque: Opaque[] = [];
  const signature = textAt(readable, "signature");
  const redacted = textAt(content, "redactedContent");
  if (signature !== "") opaque.push(bedrockToken("signature", signature));
  if (redacted !== "") opaque.push(bedrockToken("redacted_content", redacted));
  return reasoningPart(textAt(readable, "text"), opaque);
}

/** Text with its citations; these go along verbatim as well, since a later turn sends them back. */
function citedFrom({ content, citations }: Fields): ContentPart {
  const text = Array.isArray(content) ? content.filter(isJsonObject).map((piece) => textAt(piece, "text")) : [];
  const part = textPart(text.join(""));
  const found = Array.isArray(citations) ? citations.filter(isJsonObject) : [];
  if (part.part.case === "text") part.part.value.citations = found.map(citationFrom);
  part.extensionsJson = citationExtension(found);
  return part;
}

/** Citations verbatim. */
export function citationExtension(citations: readonly Fields[]): Record<string, string> {
  return citations.length === 0 ? {} : { [issuer]: JSON.stringify({ citations }) };
}

/** A citation stands for the whole text part; its offsets count in the source, which the vocabulary does not name. */
export function citationFrom(citation: Fields): Citation {
  const { sourceContent, location } = citation;
  const pieces = Array.isArray(sourceContent) ? sourceContent.filter(isJsonObject).map((piece) => textAt(piece, "text")) : [];
  const places = isJsonObject(location) ? Object.values(location).filter(isJsonObject) : [];
  const url = places.map((place) => textAt(place, "url")).find((each) => each !== "");
  const source = textAt(citation, "source");
  const found: Citation = {
    $typeName: "semaroute.v1.Citation",
    title: textAt(citation, "title"),
    // What a source is called is an address only where it looks like one.
    url: url ?? (/^https?:\/\//.test(source) ? source : ""),
    citedText: pieces.join(""),
  };
  const index = places.map((place) => place["documentIndex"]).find((each) => typeof each === "number");
  if (typeof index === "number" && Number.isInteger(index) && index >= 0) found.documentIndex = index;
  return found;
}
