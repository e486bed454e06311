import type { ContentPart, ReasoningPart, ServerToolPart, ToolCallPart, ToolResultPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { wrapped } from "../../core/freeform.ts";
import type { ToolNames } from "../../core/tool-names.ts";
import { wireCacheControl } from "./cache-control.ts";
import { callerObject, extensionFields, type Fields, issuer, mergedBlock } from "./fields.ts";
import { type Betas, documentSource, imageSource } from "./media.ts";
import type { Notes } from "../../core/notes.ts";
import { argumentsObject } from "../../core/tool-arguments.ts";
import { standsFor } from "./stand-in.ts";
import { wireToolId } from "./tool-ids.ts";

/** What is collected while a request is encoded. */
export interface Encoding extends Betas {
  readonly notes: Notes;
  readonly names: ToolNames;
}

/** Where a part stands. */
export type Place = "system" | "user" | "assistant" | "result";

/** The blocks that say the part at Anthropic; none for empty text and for what is dropped with a note. */
export function blocksOfPart(part: ContentPart, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const extension = extensionFields(part.extensionsJson, path);
  const original = part.part.case === "text" ? standsFor(extension) : undefined;
  if (original !== undefined) return [original];
  const blocks = ownBlocks(part, place, path, encoding);
  const block = blocks.at(-1);
  if (block === undefined) return blocks;
  const own = { ...block };
  if (part.cacheControl !== undefined && !isSealed(block)) own["cache_control"] = wireCacheControl(part.cacheControl, path, encoding.notes);
  return [...blocks.slice(0, -1), mergedBlock(extension, own)];
}

/** Thinking is replayed untouched and takes no breakpoint. */
function isSealed(block: Fields): boolean {
  return block["type"] === "thinking" || block["type"] === "redacted_thinking";
}

function ownBlocks(part: ContentPart, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
    case "refusal":
      return textBlocks(inner.value.text);
    case "image":
    case "document":
    case "audio":
    case "video":
      return mediaBlocks(inner, place, path, encoding);
    case "toolCall":
      if (place !== "assistant") throw misplaced("tool call", path);
      return [toolUse(inner.value, path, encoding)];
    case "toolResult":
      if (place !== "user") throw misplaced("tool result", path);
      return [toolResult(inner.value, path, encoding)];
    case "reasoning":
      return place === "assistant" ? thinking(inner.value, path, encoding.notes) : [];
    case "serverTool":
      return serverTool(inner.value, path, encoding.notes);
    case "native":
      if (inner.value.issuer === issuer) return [callerObject(inner.value.json, `${path}.native.json`)];
      encoding.notes.dropped(`${path}.native`, "blocks of another vendor cannot be replayed at anthropic");
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

function textBlocks(text: string): readonly Fields[] {
  return text === "" ? [] : [{ type: "text", text }];
}

type MediaCase = Extract<ContentPart["part"], { case: "image" | "document" | "audio" | "video" }>;

function mediaBlocks(inner: MediaCase, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  if (inner.case === "audio" && place === "assistant" && inner.value.transcript !== "") return textBlocks(inner.value.transcript);
  if (place === "assistant") {
    encoding.notes.dropped(`${path}.${inner.case}`, `anthropic takes no ${inner.case} from the assistant`);
    return [];
  }
  if (inner.case === "audio" || inner.case === "video" || place === "system")
    throw new ChatError("UNSUPPORTED_FEATURE", `anthropic takes no ${inner.case} in ${place} content`, { field: `${path}.${inner.case}` });
  if (inner.case === "image") {
    // 0 and 1 are "unspecified" and "auto", which ask for nothing.
    if (inner.value.detail > 1) encoding.notes.dropped(`${path}.image.detail`, "anthropic has no image detail");
    return [{ type: "image", source: imageSource(inner.value, `${path}.image`, encoding) }];
  }
  const { title, context, citations, media } = inner.value;
  const block: Fields = { type: "document", source: documentSource(inner.value, `${path}.document`, encoding) };
  const heading = title === "" ? (media?.filename ?? "") : title;
  if (heading !== "") block["title"] = heading;
  if (context !== "") block["context"] = context;
  if (citations) block["citations"] = { enabled: true };
  return [block];
}

function toolUse(call: ToolCallPart, path: string, { names, notes }: Encoding): Fields {
  const name = names.wire(call.name);
  const input = call.custom ? wrapped(call.argumentsJson) : argumentsObject(call.argumentsJson, path, notes);
  return { type: "tool_use", id: wireToolId(call.id), name, input };
}

function toolResult(result: ToolResultPart, path: string, encoding: Encoding): Fields {
  const block: Fields = { type: "tool_result", tool_use_id: wireToolId(result.toolCallId) };
  const content = result.content.flatMap((part, i) => blocksOfPart(part, "result", `${path}.tool_result.content[${i}]`, encoding));
  if (content.length > 0) block["content"] = content;
  if (result.isError) block["is_error"] = true;
  return block;
}

function thinking(reasoning: ReasoningPart, path: string, notes: Notes): readonly Fields[] {
  const blocks: Fields[] = [];
  for (const { issuer: by, kind, value } of reasoning.opaque) {
    if (by !== issuer) continue;
    if (kind === "signature") blocks.push({ type: "thinking", thinking: reasoning.text, signature: value });
    if (kind === "redacted_thinking") blocks.push({ type: "redacted_thinking", data: value });
  }
  if (blocks.length === 0) notes.dropped(`${path}.reasoning`, "only reasoning that anthropic signed can be replayed");
  return blocks;
}

function serverTool(tool: ServerToolPart, path: string, notes: Notes): readonly Fields[] {
  if (tool.issuer !== issuer) {
    notes.dropped(`${path}.server_tool`, "server tools of another vendor cannot be replayed at anthropic");
    return [];
  }
  const input = tool.inputJson === "" ? {} : callerObject(tool.inputJson, `${path}.server_tool.input_json`);
  const call: Fields = { type: "server_tool_use", id: tool.id, name: tool.name, input };
  return tool.outputJson === "" ? [call] : [call, callerObject(tool.outputJson, `${path}.server_tool.output_json`)];
}
