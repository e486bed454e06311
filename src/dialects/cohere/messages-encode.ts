import { type ContentPart, type Message, Role, type ToolResultPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { partsOf, type PlacedPart } from "../../core/message-parts.ts";
import { assistantMessage } from "./assistant-encode.ts";
import { type Encoding, unsupported } from "./encoding.ts";
import { callerObject, extensionFields, type Fields, issuer, textAt } from "./fields.ts";
import { documentData, imagePart } from "./media-encode.ts";

/** A conversation as Cohere takes it. */
export interface Prompt {
  readonly messages: readonly Fields[];
  /** What goes into the body's `documents`. */
  readonly documents: readonly Fields[];
}

/** How to encode, besides where to. */
export interface PromptOptions {
  /** Words for the end of the first instructions. */
  readonly instruction: string | undefined;
  /** False: the body can have no `documents`, which are told as text in their place. */
  readonly documents: boolean;
}

/** Where what a prompt consists of goes. */
interface Place extends Encoding {
  readonly options: PromptOptions;
  readonly documents: Fields[];
}

/** Where a part stands. */
interface Spot {
  readonly path: string;
  readonly role: Role;
}

/** What a message becomes depends on nothing behind it, so that a longer conversation begins with the bytes of the shorter one. */
export function encodePrompt(messages: readonly Message[], options: PromptOptions, encoding: Encoding): Prompt {
  const place: Place = { ...encoding, options, documents: [] };
  const found = messages.findIndex((each) => each.role !== Role.SYSTEM);
  const leading = found < 0 ? messages.length : found;
  const encoded: Fields[] = [];
  // What came with results waits until all of a turn's have been told: nothing may stand between a call and its result.
  let late: Fields[] = [];
  for (const [i, each] of messages.entries()) {
    if (i === leading && options.instruction !== undefined) encoded.push({ role: "system", content: options.instruction });
    if (each.role !== Role.TOOL) {
      encoded.push(...late);
      late = [];
    }
    for (const one of messagesOf(each, `messages[${i}]`, place))
      (each.role === Role.TOOL && one["role"] !== "tool" ? late : encoded).push(one);
  }
  encoded.push(...late);
  const last = encoded.at(-1);
  if (last === undefined || last["role"] === "system") throw unsupported("messages", "needs a message besides the instructions");
  if (last["role"] === "assistant") throw unsupported("messages", "cannot go on with a message of the assistant");
  return { messages: encoded, documents: place.documents };
}

function messagesOf(each: Message, path: string, place: Place): readonly Fields[] {
  if (each.name !== "") place.notes.dropped(`${path}.name`, "cohere has no participant names");
  const parts = partsOf(each, path);
  for (const placed of parts) noteCacheControl(placed, place);
  if (each.role === Role.ASSISTANT) return assistantMessage(each, { parts, path }, place);
  const encoded: Fields[] = [];
  // Tool messages hold text and documents only: what else came with them follows as the user's.
  const after: Fields[] = [];
  const others: PlacedPart[] = [];
  for (const placed of parts) {
    const { part, path: at } = placed;
    if (part.part.case === "toolResult") {
      const known = toolMessage(part.part.value, { path: `${at}.tool_result`, after }, place);
      encoded.push({ ...extensionFields(part.extensionsJson, at), ...known });
    } else others.push(placed);
  }
  const content = [...after, ...others.flatMap(({ part, path: at }) => contentParts(part, { path: at, role: each.role }, place))];
  if (content.length === 0) return encoded;
  const known = { role: each.role === Role.SYSTEM ? "system" : "user", content: contentOf(content) };
  return [...encoded, { ...extensionFields(each.extensionsJson, path), ...known }];
}

function noteCacheControl({ part, path }: PlacedPart, place: Place): void {
  if (part.cacheControl !== undefined) place.notes.dropped(`${path}.cache_control`, "cohere caches prompts by itself");
  if (part.part.case !== "toolResult") return;
  for (const [i, inner] of part.part.value.content.entries())
    noteCacheControl({ part: inner, path: `${path}.tool_result.content[${i}]` }, place);
}

/** A single plain text as a string; anything else as it is. */
function contentOf(parts: readonly Fields[]): unknown {
  const [only] = parts;
  return parts.length === 1 && only?.["type"] === "text" && Object.keys(only).length === 2 ? only["text"] : parts;
}

/** A part of the user's or the system's as elements of `content`; none where it goes elsewhere, or is dropped with a note. */
function contentParts(part: ContentPart, spot: Spot, place: Place): readonly Fields[] {
  const own = ownParts(part, spot, place);
  const extension = extensionFields(part.extensionsJson, spot.path);
  const [first, ...rest] = own;
  return first === undefined || extension === undefined ? own : [{ ...extension, ...first }, ...rest];
}

function ownParts({ part: inner }: ContentPart, { path, role }: Spot, place: Place): readonly Fields[] {
  switch (inner.case) {
    case "text":
    case "refusal":
      return textParts(inner.value.text);
    case "image":
      if (role === Role.SYSTEM) throw unsupported(`${path}.image`, "takes no images in instructions");
      return [imagePart(inner.value, `${path}.image`, place)];
    case "document":
      return documentParts(documentData(inner.value, `${path}.document`), `${path}.document`, place);
    case "audio":
    case "video":
      throw unsupported(`${path}.${inner.case}`, `takes no ${inner.case}`);
    case "native":
      if (inner.value.issuer === issuer) return [callerObject(inner.value.json, `${path}.native.json`)];
      place.notes.dropped(`${path}.native`, "parts of another vendor cannot be sent to cohere");
      return [];
    case "serverTool":
      place.notes.dropped(`${path}.server_tool`, "tools that ran at another provider have no form at cohere");
      return [];
    case "reasoning":
      return [];
    case "toolCall":
    case "toolResult":
      throw new ChatError("INVALID_REQUEST", "a tool call or result cannot stand here", { field: path });
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a content part is empty", { field: path });
    default:
      return inner satisfies never;
  }
}

/** Cohere refuses empty texts. */
function textParts(text: string): readonly Fields[] {
  return text === "" ? [] : [{ type: "text", text }];
}

/** Documents stand beside the conversation; where they were, their names stand. */
function documentParts(data: Fields, path: string, place: Place): readonly Fields[] {
  if (!place.options.documents) {
    place.notes.approximated(path, "cohere takes no documents with a JSON format; sent as text");
    return textParts(
      ["title", "context", "text"]
        .map((key) => textAt(data, key))
        .filter((text) => text !== "")
        .join("\n\n"),
    );
  }
  const id = `doc_${place.documents.length}`;
  place.documents.push({ id, data });
  return textParts(`[document ${id}]`);
}

function toolMessage(result: ToolResultPart, { path, after }: { path: string; after: Fields[] }, place: Place): Fields {
  const content: Fields[] = [];
  const before = after.length;
  for (const [i, part] of result.content.entries()) {
    const inner = part.part;
    const at = `${path}.content[${i}]`;
    if (inner.case === "document") content.push({ type: "document", document: { data: documentData(inner.value, `${at}.document`) } });
    else {
      for (const each of contentParts(part, { path: at, role: Role.TOOL }, place))
        (each["type"] === "text" || each["type"] === "document" ? content : after).push(each);
    }
  }
  if (content.length === 0) content.push(standIn(after.length > before, path, place));
  if (result.isError) markError(content);
  return { role: "tool", tool_call_id: result.toolCallId, content: contentOf(content) };
}

/** A result must say something, for its call stays. */
function standIn(attached: boolean, path: string, place: Place): Fields {
  if (attached) return { type: "text", text: "See the attachment below." };
  place.notes.approximated(path, "cohere takes no empty results; sent as null");
  return { type: "text", text: "null" };
}

function markError(content: Fields[]): void {
  const [first] = content;
  if (first?.["type"] === "text") content[0] = { ...first, text: `Error: ${textAt(first, "text")}` };
  else content.unshift({ type: "text", text: "Error:" });
}
