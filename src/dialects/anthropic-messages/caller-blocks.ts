import { type ContentPart, contentPart, textPart } from "../../core/chat.ts";
import { citationFrom, nativePart } from "./blocks-decode.ts";
import { at, fieldsAt, optionalBoolean, optionalList, refuse, requiredFields, requiredName, requiredText } from "./caller-fields.ts";
import { beside, cacheControlFrom } from "./caller-cache-control.ts";
import { isForeignCitation } from "./citations.ts";
import { tokensOfSignature } from "./carried-tokens.ts";
import { extensionsFrom, type Fields, isJsonObject, issuer, textAt } from "./fields.ts";
import { documentFrom, imageFrom, sourceKnown } from "./caller-media.ts";
import { searchResultText, standIn } from "./stand-in.ts";

/** Where a caller's block stands, and by which version of the API. */
export interface BlockPlace {
  readonly in: "system" | "user" | "assistant" | "result";
  /** The version refuses what earlier ones tolerated. */
  readonly strict: boolean;
}

/** A caller's block as a part. Blocks without a neutral form are kept whole for targets of this dialect. */
export function partFromCaller(value: unknown, path: string, place: BlockPlace): ContentPart {
  const block = fieldsAt(value, path);
  const type = requiredName(block, "type", path);
  if (place.in === "system" && type !== "text") return refuse(at(path, "type"), "only text can stand here");
  const kind = kinds.get(type);
  if (kind === undefined) return nativePart(block);
  const { part, extra } = kind.decode(block, path, place);
  if (part.part.case === "native") return part;
  const control = kind.sealed === true ? undefined : cacheControlFrom(block, path);
  if (control !== undefined) part.cacheControl = control;
  const rest = extra?.["type"] === undefined ? beside(block, kind.known, kind.inside) : undefined;
  if (rest !== undefined || extra !== undefined) part.extensionsJson = extensionsFrom({ ...rest, ...extra });
  return part;
}

/** A part, and what of the block's known fields the vocabulary has not. */
interface Decoded {
  readonly part: ContentPart;
  readonly extra?: Fields | undefined;
}

interface BlockKind {
  /** Fields that the part says; others go along as they are. */
  readonly known: ReadonlySet<string>;
  /** The same within known objects. */
  readonly inside?: Readonly<Record<string, ReadonlySet<string>>>;
  /** It takes no breakpoint. */
  readonly sealed?: true;
  readonly decode: (block: Fields, path: string, place: BlockPlace) => Decoded;
}

function known(...names: readonly string[]): ReadonlySet<string> {
  return new Set(["type", ...names]);
}

const kinds: ReadonlyMap<string, BlockKind> = new Map<string, BlockKind>([
  ["text", { known: known("text", "citations"), decode: decodeText }],
  ["image", { known: known("source"), inside: { source: sourceKnown }, decode: (block, path) => ({ part: imageFrom(block, path) }) }],
  ["document", { known: known("source", "title", "context", "citations"), inside: { source: sourceKnown }, decode: decodeDocument }],
  ["search_result", { known: known(), decode: decodeSearchResult }],
  ["tool_use", { known: known("id", "name", "input"), decode: decodeToolUse }],
  ["tool_result", { known: known("tool_use_id", "content", "is_error"), decode: decodeToolResult }],
  ["thinking", { known: known("thinking", "signature", "cache_control"), sealed: true, decode: decodeThinking }],
  ["redacted_thinking", { known: known("data", "cache_control"), sealed: true, decode: decodeSealed }],
]);

function decodeText(block: Fields, path: string, place: BlockPlace): Decoded {
  const part = textPart(requiredText(block, "text", path));
  const citations = optionalList(block, "citations", path) ?? [];
  if (citations.length === 0) return { part };
  if (place.strict && place.in !== "assistant") return refuse(at(path, "citations"), "only text of the assistant can have citations");
  const told = citations.filter(isJsonObject);
  if (part.part.case === "text") part.part.value.citations = told.map(citationFrom);
  // Anthropic wants its own back as they were, and knows no others.
  const own = told.filter((citation) => !isForeignCitation(citation));
  return own.length === 0 ? { part } : { part, extra: { citations: own } };
}

function decodeDocument(block: Fields, path: string, place: BlockPlace): Decoded {
  if (place.strict && place.in === "assistant") return refuse(path, "documents cannot stand in messages of the assistant");
  return documentFrom(block, path);
}

function decodeSearchResult(block: Fields, path: string): Decoded {
  requiredText(block, "source", path);
  requiredText(block, "title", path);
  return standIn(searchResultText(block), block);
}

function decodeToolUse(block: Fields, path: string, place: BlockPlace): Decoded {
  if (place.in !== "assistant") return refuse(path, "tool_use can only stand in messages of the assistant");
  const argumentsJson = JSON.stringify(requiredFields(block, "input", path));
  const value = { id: requiredName(block, "id", path), name: requiredName(block, "name", path), argumentsJson, custom: false };
  return { part: contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", ...value } }) };
}

function decodeToolResult(block: Fields, path: string, place: BlockPlace): Decoded {
  if (place.in !== "user") return refuse(path, "tool_result can only stand in messages of the user");
  const toolCallId = requiredName(block, "tool_use_id", path);
  const isError = optionalBoolean(block, "is_error", path) ?? false;
  const content = contentFrom(block, path, { ...place, in: "result" }) ?? [];
  const value = { $typeName: "semaroute.v1.ToolResultPart", toolCallId, name: "", content, isError } as const;
  return { part: contentPart({ case: "toolResult", value }) };
}

function decodeThinking(block: Fields, path: string, place: BlockPlace): Decoded {
  if (place.in !== "assistant") return refuse(path, "thinking can only stand in messages of the assistant");
  const text = requiredText(block, "thinking", path);
  const opaque = tokensOfSignature(textAt(block, "signature"));
  const value = { $typeName: "semaroute.v1.ReasoningPart", text, summary: false, opaque } as const;
  return { part: contentPart({ case: "reasoning", value }) };
}

function decodeSealed(block: Fields, path: string, place: BlockPlace): Decoded {
  if (place.in !== "assistant") return refuse(path, "redacted_thinking can only stand in messages of the assistant");
  const data = requiredName(block, "data", path);
  const opaque = [{ $typeName: "semaroute.v1.Opaque", issuer, kind: "redacted_thinking", value: data } as const];
  const value = { $typeName: "semaroute.v1.ReasoningPart", text: "", summary: false, opaque } as const;
  return { part: contentPart({ case: "reasoning", value }) };
}

/** `content`: text, or blocks; undefined where absent. Empty text is none. */
export function contentFrom(object: Fields, path: string, place: BlockPlace): ContentPart[] | undefined {
  const { content } = object;
  if (content === undefined || content === null) return undefined;
  if (typeof content === "string") return content === "" ? [] : [textPart(content)];
  if (!Array.isArray(content)) return refuse(at(path, "content"), "must be a string or a list of blocks");
  return content.map((block, i) => partFromCaller(block, `${at(path, "content")}.${i}`, place));
}
