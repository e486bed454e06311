import type { Message, ToolResultPart } from "../../core/chat.ts";
import { Role } from "../../core/chat.ts";
import { assistantMessage } from "./assistant-encode.ts";
import { type EncodeContext, extended } from "./encode-context.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { partsOf, type PlacedPart } from "../../core/message-parts.ts";
import { contentOf, encodeParts, textJson } from "./parts-encode.ts";
import { toolCallId } from "./tool-call-id.ts";
import { turnsOf } from "./turns.ts";

/** The conversation in OpenAI's words; messages that say nothing to it are left out. */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): JsonObject[] {
  const encoded: JsonObject[] = [];
  // Tool messages hold text only, and nothing may stand between them: what else came with them follows as the user's.
  const after: JsonObject[] = [];
  const flush = (): void => {
    if (after.length > 0) encoded.push({ role: "user", content: contentOf(after.splice(0)) });
  };
  for (const [i, message] of messages.entries()) {
    const place: MessagePlace = { path: `messages[${i}]`, after, context };
    const parts = partsOf(message, place.path);
    if (message.role === Role.ASSISTANT) {
      flush();
      encoded.push(...assistantMessage(message, parts, place));
      continue;
    }
    const results = parts.filter(({ part }) => part.part.case === "toolResult");
    if (results.length === 0) {
      flush();
      encoded.push(...plainMessage(message, parts, place));
      continue;
    }
    for (const [at, result] of results.entries()) encoded.push(...toolMessages(at === 0 ? message : undefined, result, place));
    const others = parts.filter(({ part }) => part.part.case !== "toolResult");
    after.push(...encodeParts(others, context));
  }
  flush();
  return turnsOf(encoded, context.quirks);
}

/** Where a message stands. */
export interface MessagePlace {
  /** `messages[0]`. */
  readonly path: string;
  /** What follows the last tool message. */
  readonly after: JsonObject[];
  readonly context: EncodeContext;
}

function plainMessage(message: Message, parts: readonly PlacedPart[], { path, context }: MessagePlace): JsonObject[] {
  const content = encodeParts(parts, context);
  if (content.length === 0) return [];
  const known = {
    role: roleOf(message, context),
    content: contentOf(content),
    ...(message.name !== "" && { name: message.name }),
  };
  return [extended(context, message.extensionsJson, known, path)];
}

function roleOf(message: Message, context: EncodeContext): string {
  if (message.role !== Role.SYSTEM) return "user";
  return message.developer && context.quirks.developerRole !== false ? "developer" : "system";
}

/** A result's message; `message`: whose extra fields it has, which is the first one's of its turn. */
function toolMessages(message: Message | undefined, { part, path }: PlacedPart, place: MessagePlace): JsonObject[] {
  if (part.part.case !== "toolResult") return [];
  const { context } = place;
  const result = part.part.value;
  const content = resultContent(result, path, place);
  // The message itself has no place for a breakpoint.
  if (part.cacheControl !== undefined) context.notes.dropped(`${path}.cache_control`, "taken on what stands in a result only");
  const known = { role: "tool", tool_call_id: toolCallId(result.toolCallId, context.quirks), content };
  const whole = extended(context, part.extensionsJson, known, path);
  return [message === undefined ? whole : extended(context, message.extensionsJson, whole, place.path)];
}

function resultContent(result: ToolResultPart, path: string, { after, context }: MessagePlace): unknown {
  const texts: JsonObject[] = [];
  const others: JsonObject[] = [];
  const parts = result.content.map((part, i) => ({ part, path: `${path}.tool_result.content[${i}]` }));
  for (const each of encodeParts(parts, context)) (each["type"] === "text" ? texts : others).push(each);
  after.push(...others);
  if (texts.length === 0 && others.length > 0) texts.push(textJson("See the attachment below."));
  if (result.isError) texts[0] = asError(texts[0]);
  return texts.length === 0 ? "" : contentOf(texts);
}

function asError(first: JsonObject | undefined): JsonObject {
  const text = typeof first?.["text"] === "string" ? first["text"] : "";
  return { ...first, type: "text", text: `Error: ${text}` };
}
