import type { CacheControl, ContentPart, ReasoningPart, ToolCallPart, ToolResultPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { wrapped } from "../../core/freeform.ts";
import { callerObject, type Fields, mergedFields } from "../../core/json-fields.ts";
import { fnv1a, hex32 } from "../../core/text-hash.ts";
import { argumentsObject } from "../../core/tool-arguments.ts";
import type { ToolNames } from "../../core/tool-names.ts";
import { cachePoint, type CacheContext } from "./cache-points.ts";
import { extensionFields, issuer } from "./fields.ts";
import { documentName, mediaFields } from "./media-encode.ts";

/** What is collected while a request is encoded. */
export interface Encoding extends CacheContext {
  /** Names of documents so far. */
  readonly documentNames: Set<string>;
  /** Names of tools, on their way to the wire. */
  readonly names: ToolNames;
}

/** Where a part stands. */
export type Place = "system" | "user" | "assistant" | "result";

/** The blocks that say the part in Converse, its cache point last; none for blank text and for what is dropped with a note. */
export function blocksOfPart(part: ContentPart, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const blocks = ownBlocks(part, place, path, encoding);
  // Within a tool's result there is no place for one: it stands behind the result.
  if (blocks.length === 0 || place === "result") return blocks;
  const { control, at } = part.cacheControl === undefined ? controlWithin(part, path) : { control: part.cacheControl, at: path };
  if (control === undefined) return blocks;
  const point = cachePoint(control, "prompt", at, encoding);
  return point === undefined ? blocks : [...blocks, point];
}

/** The last breakpoint within a tool's result, and where it stands. */
function controlWithin({ part }: ContentPart, path: string): { readonly control: CacheControl | undefined; readonly at: string } {
  const inner = part.case === "toolResult" ? part.value.content : [];
  const index = inner.findLastIndex((each) => each.cacheControl !== undefined);
  return { control: inner[index]?.cacheControl, at: `${path}.tool_result.content[${index}]` };
}

function ownBlocks(part: ContentPart, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const { part: inner } = part;
  const extension = extensionFields(part.extensionsJson, path);
  switch (inner.case) {
    case "text":
      return textBlocks(inner.value.text, extension, path, encoding);
    case "refusal":
      return textBlocks(inner.value.text, extension, path, encoding);
    case "image":
    case "document":
    case "audio":
    case "video":
      return mediaBlocks(inner, { place, path, extension }, encoding);
    case "toolCall":
      if (place !== "assistant") throw misplaced("tool call", path);
      return [{ toolUse: mergedFields(extension, toolUse(inner.value, path, encoding)) }];
    case "toolResult":
      if (place !== "user") throw misplaced("tool result", path);
      return toolResult(inner.value, { path, extension }, encoding);
    case "reasoning":
      return place === "assistant" ? reasoning(inner.value, path, encoding) : [];
    case "serverTool":
      encoding.notes.dropped(`${path}.server_tool`, "server tools of another vendor cannot be replayed at bedrock");
      return [];
    case "native":
      if (inner.value.issuer === issuer) return [callerObject(inner.value.json, `${path}.native.json`)];
      encoding.notes.dropped(`${path}.native`, "blocks of another vendor cannot be replayed at bedrock");
      return [];
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a content part is empty", { field: path });
    default:
      return inner satisfies never;
  }
}

function misplaced(what: string, field: string): ChatError {
  return new ChatError("INVALID_REQUEST", `a ${what} cannot stand here`, { field });
}

function textBlocks(text: string, extension: Fields | undefined, path: string, { notes }: Encoding): readonly Fields[] {
  if (text.trim() === "") {
    if (text !== "") notes.dropped(path, "bedrock takes no blank text");
    return [];
  }
  if (extension === undefined) return [{ text }];
  const { citations, ...rest } = extension;
  return [Array.isArray(citations) ? { ...rest, citationsContent: { content: [{ text }], citations } } : { ...rest, text }];
}

type MediaCase = Extract<ContentPart["part"], { case: "image" | "document" | "audio" | "video" }>;

interface Placed {
  readonly place: Place;
  readonly path: string;
  readonly extension: Fields | undefined;
}

function mediaBlocks(inner: MediaCase, { place, path, extension }: Placed, encoding: Encoding): readonly Fields[] {
  const { notes } = encoding;
  const at = `${path}.${inner.case}`;
  if (place === "assistant") {
    if (inner.case === "audio" && inner.value.transcript !== "") return textBlocks(inner.value.transcript, undefined, path, encoding);
    notes.dropped(at, `bedrock takes no ${inner.case} from the assistant`);
    return [];
  }
  if (place === "system" || (place === "result" && inner.case === "audio"))
    throw new ChatError("UNSUPPORTED_FEATURE", `bedrock takes no ${inner.case} in ${place} content`, { field: at });
  const fields = mediaFields(inner.case, inner.value.media, at);
  // 0 and 1 are "unspecified" and "auto", which ask for nothing.
  if (inner.case === "image" && inner.value.detail > 1) notes.dropped(`${at}.detail`, "bedrock has no image detail");
  if (inner.case === "document") {
    fields["name"] = documentName(inner.value, encoding.documentNames);
    if (inner.value.context !== "") fields["context"] = inner.value.context;
    if (inner.value.citations) fields["citations"] = { enabled: true };
  }
  return [{ [inner.case]: mergedFields(extension, fields) }];
}

const legalId = /^[a-zA-Z0-9_-]{1,64}$/;

/** The id as Converse takes it; an illegal one is replaced by a pure function of itself, so that call and result still meet. */
function wireToolId(id: string): string {
  return legalId.test(id) ? id : `tooluse_${hex32(fnv1a(id))}${hex32(fnv1a(id, 0x01000193))}`;
}

function toolUse(call: ToolCallPart, path: string, { names, notes }: Encoding): Fields {
  const name = names.wire(call.name);
  const input = call.custom ? wrapped(call.argumentsJson) : argumentsObject(call.argumentsJson, path, notes);
  return { toolUseId: wireToolId(call.id), name, input };
}

/** The result, and behind it what the model does not take inside of one. */
function toolResult(result: ToolResultPart, { path, extension }: Omit<Placed, "place">, encoding: Encoding): readonly Fields[] {
  const { rules, notes } = encoding;
  const blocks = result.content.flatMap((part, i) => blocksOfPart(part, "result", `${path}.tool_result.content[${i}]`, encoding));
  const inside = rules.mediaInResults ? blocks : blocks.filter((block) => "text" in block);
  const outside = rules.mediaInResults ? [] : blocks.filter((block) => !("text" in block));
  if (outside.length > 0)
    notes.approximated(`${path}.tool_result.content`, "the model takes text in tool results; what else they hold stands behind them");
  const content = outside.length > 0 && inside.length === 0 ? [{ text: "See below." }] : inside;
  const fields: Fields = { toolUseId: wireToolId(result.toolCallId), content };
  if (result.isError && rules.toolStatus) fields["status"] = "error";
  if (result.isError && !rules.toolStatus) {
    fields["content"] = [{ text: "Error:" }, ...content];
    notes.approximated(`${path}.tool_result.is_error`, "the model knows no failed results; it is said in words");
  }
  return [{ toolResult: mergedFields(extension, fields) }, ...outside];
}

function reasoning(part: ReasoningPart, path: string, { notes }: Encoding): readonly Fields[] {
  const blocks: Fields[] = [];
  for (const { issuer: by, kind, value } of part.opaque) {
    if (by !== issuer) continue;
    if (kind === "signature") blocks.push({ reasoningContent: { reasoningText: { text: part.text, signature: value } } });
    if (kind === "redacted_content") blocks.push({ reasoningContent: { redactedContent: value } });
  }
  if (blocks.length === 0) notes.dropped(`${path}.reasoning`, "only reasoning that bedrock signed can be replayed");
  return blocks;
}
