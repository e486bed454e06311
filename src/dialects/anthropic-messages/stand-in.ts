import { type ContentPart, textPart } from "../../core/chat.ts";
import { type Fields, isJsonObject, textAt } from "./fields.ts";

/**
 * Blocks that other vendors have not, but whose text they can read, are text with the block itself as extension: Anthropic gets
 * the block, everybody else the text. The extension's `type` tells it from fields that only go along.
 */
export function standIn(text: string, block: Fields): { readonly part: ContentPart; readonly extra: Fields } {
  return { part: textPart(text), extra: block };
}

/** The block behind a stand-in's extension; undefined: it is no stand-in. */
export function standsFor(extension: Fields | undefined): Fields | undefined {
  return typeof extension?.["type"] === "string" && extension["type"] !== "text" ? extension : undefined;
}

/** What a `search_result` says, as text. */
export function searchResultText(block: Fields): string {
  return [textAt(block, "title"), textAt(block, "source"), textOfContent(block["content"])].filter((text) => text !== "").join("\n");
}

/** The text in a list of blocks; undefined where there is anything else in it. */
export function plainText(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content) || !content.every((block) => isJsonObject(block) && block["type"] === "text")) return undefined;
  return textOfContent(content);
}

function textOfContent(content: unknown): string {
  if (!Array.isArray(content)) return "";
  return content
    .filter(isJsonObject)
    .map((block) => textAt(block, "text"))
    .join("\n");
}
