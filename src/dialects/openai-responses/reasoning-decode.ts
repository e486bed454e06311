import type { ContentPart, Opaque } from "../../core/chat.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { filed } from "./extensions.ts";
import { reasoningPart } from "./parts.ts";

const reasoningShape = shape(keys("type", "summary", "content", "encrypted_content", "status"));

/**
 * The parts of a `reasoning` item: one for each text, at least one. The first has the item's own fields, the others say that they
 * go on with it; its seal is the last one's.
 */
export function reasoningParts(item: JsonObject, tokenFrom: (text: string) => Opaque): ContentPart[] {
  const summaries = textsIn(item["summary"]);
  const chain = textsIn(item["content"]);
  const parts = [...summaries.map((text) => reasoningPart(text, true)), ...chain.map((text) => reasoningPart(text, false))];
  if (parts.length === 0) parts.push(reasoningPart("", true));
  const own = unknownOf(item, reasoningShape);
  for (const [i, part] of parts.entries())
    part.extensionsJson = filed(reasoningFields(i === 0 ? own : undefined, i > 0, i >= summaries.length && chain.length > 0));
  const sealed = item["encrypted_content"];
  const last = parts.at(-1);
  if (typeof sealed === "string" && sealed !== "" && last?.part.case === "reasoning") last.part.value.opaque = [tokenFrom(sealed)];
  return parts;
}

/** What a part of reasoning has in this language only: the item's own fields; that it goes on with the item before; that it is no summary. */
export function reasoningFields(item: JsonObject | undefined, continues: boolean, raw: boolean): JsonObject {
  return { ...item, ...(continues && { continues }), ...(raw && { raw }) };
}

function textsIn(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each) => (isJsonObject(each) && typeof each["text"] === "string" ? [each["text"]] : []));
}
