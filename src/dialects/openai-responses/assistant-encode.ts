import type { ContentPart, ReasoningPart, ToolCallPart } from "../../core/chat.ts";
import { hashText } from "../../core/text-hash.ts";
import { isJsonObject, type JsonObject, callerObject } from "../../core/json-fields.ts";
import type { PlacedPart } from "../../core/message-parts.ts";
import { encodeAnnotations } from "./annotations.ts";
import { noteCacheControl } from "./content-encode.ts";
import type { EncodeContext } from "./encode-context.ts";
import { issuer, language, ownFields, ownToken } from "./extensions.ts";

/** Longest `call_id` that the API takes. */
const callIdMax = 64;

/** The id of a call, in call and result: a pure function of it where it is too long. */
export function callId(id: string): string {
  return id.length <= callIdMax ? id : `call_${hashText(id)}`;
}

/** An earlier answer as items. */
export function assistantItems(parts: readonly PlacedPart[], context: EncodeContext): JsonObject[] {
  const items: JsonObject[] = [];
  // Texts next to each other are pieces of one message, unless one says that a new one begins with it.
  let content: JsonObject[] | undefined;
  for (const [i, each] of parts.entries()) {
    const { part } = each;
    noteCacheControl(each, context);
    const piece = pieceOf(part);
    if (piece === undefined) {
      content = undefined;
      items.push(...itemsOf(each, parts.slice(i), context));
      continue;
    }
    const { message } = ownFields(part.extensionsJson);
    if (content === undefined || message !== undefined) {
      content = [];
      items.push({ ...forgetful(isJsonObject(message) ? message : {}), type: "message", role: "assistant", content });
    }
    content.push(piece);
  }
  return items;
}

/** A piece of a message; undefined for all else. */
function pieceOf(part: ContentPart): JsonObject | undefined {
  const { part: inner } = part;
  const { message: _ofTheItem, delta: _passed, annotations: _encoded, ...own } = ownFields(part.extensionsJson);
  if (inner.case === "refusal") return { ...own, type: "refusal", refusal: inner.value.text };
  // Sound of an earlier turn is known here by its words only.
  if (inner.case === "audio" && inner.value.transcript !== "") return { type: "output_text", text: inner.value.transcript };
  if (inner.case !== "text") return undefined;
  const annotations = encodeAnnotations(inner.value, ownFields(part.extensionsJson));
  return { ...own, type: "output_text", text: inner.value.text, ...(annotations.length > 0 && { annotations }) };
}

/** `rest`: the part and what follows it. */
function itemsOf({ part, path }: PlacedPart, rest: readonly PlacedPart[], context: EncodeContext): JsonObject[] {
  const { part: inner } = part;
  switch (inner.case) {
    case "toolCall":
      return [callItem(part, inner.value, context)];
    case "reasoning":
      return isContinued(part) ? [] : reasoningItems(rest, context);
    case "native":
      if (inner.value.issuer === language) return [nativeItem(part, inner.value.json, path)];
      context.notes.dropped(`${path}.native`, `a part of ${inner.value.issuer} has no form in this dialect`);
      return [];
    case "serverTool":
      context.notes.dropped(`${path}.server_tool`, `a tool that ran at ${inner.value.issuer} has no form in this dialect`);
      return [];
    default:
      context.notes.dropped(inner.case === undefined ? path : `${path}.${inner.case}`, "an earlier answer cannot hold it in this dialect");
      return [];
  }
}

function callItem(part: ContentPart, { id, name, argumentsJson, custom }: ToolCallPart, { names }: EncodeContext): JsonObject {
  const { delta: _passed, ...own } = ownFields(part.extensionsJson);
  const known = { ...forgetful(own), call_id: callId(id), name: names.wire(name) };
  if (custom) return { ...known, type: "custom_tool_call", input: argumentsJson };
  return { ...known, type: "function_call", arguments: argumentsJson === "" ? "{}" : argumentsJson };
}

/** What became of an item of the vendor's, or as it came. */
function nativeItem(part: ContentPart, json: string, path: string): JsonObject {
  const { item } = ownFields(part.extensionsJson);
  return isJsonObject(item) ? item : callerObject(json, `${path}.native.json`);
}

/** Only what the vendor sealed can be thought on with; it does not know other reasoning, and refuses what it does not know. */
function reasoningItems(parts: readonly PlacedPart[], context: EncodeContext): JsonObject[] {
  const [first, ...others] = parts;
  if (first?.part.part.case !== "reasoning") return [];
  const texts: ReasoningPart[] = [first.part.part.value];
  for (const { part } of others) {
    if (part.part.case !== "reasoning" || !isContinued(part)) break;
    texts.push(part.part.value);
  }
  const seal = texts.flatMap(({ opaque }) => opaque).find((token) => token.issuer === issuer && token.kind === ownToken.kind);
  if (seal === undefined) {
    context.notes.dropped(`${first.path}.reasoning`, `only reasoning that ${issuer} sealed can be replayed`);
    return [];
  }
  const { raw: _kind, continues: _joined, delta: _passed, ...own } = ownFields(first.part.extensionsJson);
  const said = (wanted: boolean): readonly string[] =>
    texts.filter(({ text, summary }) => text !== "" && summary === wanted).map(({ text }) => text);
  const chain = said(false);
  return [
    {
      ...forgetful(own),
      type: "reasoning",
      summary: said(true).map((text) => ({ type: "summary_text", text })),
      ...(chain.length > 0 && { content: chain.map((text) => ({ type: "reasoning_text", text })) }),
      encrypted_content: seal.value,
    },
  ];
}

function isContinued(part: ContentPart): boolean {
  return ownFields(part.extensionsJson)["continues"] === true;
}

/** Names and states of items are the vendor's memory of them, which it does not have of an answer that was not stored. */
function forgetful({ id: _id, status: _status, ...rest }: JsonObject): JsonObject {
  return rest;
}
