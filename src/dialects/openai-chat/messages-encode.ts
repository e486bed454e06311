import type { ContentPart, Message, ToolResultPart } from "../../core/chat.ts";
import { Role, textPart } from "../../core/chat.ts";
import { assistantMessage } from "./assistant-encode.ts";
import { type EncodeContext, extended } from "./encode-context.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { contentOf, encodeParts, textJson } from "./parts-encode.ts";
import { toolCallId } from "./tool-call-id.ts";
import { turnsOf } from "./turns.ts";

/** The conversation in OpenAI's words; messages that say nothing to it are left out. */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): JsonObject[] {
  const encoded: JsonObject[] = [];
  // Tool messages hold text only, and nothing may stand between them: what else came with them follows as the user's.
  let after: JsonObject[] = [];
  const flush = (): void => {
    if (after.length > 0) encoded.push({ role: "user", content: contentOf(after) });
    after = [];
  };
  for (const message of messages) {
    const parts = partsOf(message);
    if (message.role === Role.ASSISTANT) {
      flush();
      encoded.push(...assistantMessage(message, parts, context));
      continue;
    }
    const results = parts.filter((part) => part.part.case === "toolResult");
    if (results.length === 0) {
      flush();
      encoded.push(...plainMessage(message, parts, context));
      continue;
    }
    for (const [i, part] of results.entries())
      if (part.part.case === "toolResult") encoded.push(toolMessage(message, part.part.value, part, { first: i === 0, after, context }));
    after.push(
      ...encodeParts(
        parts.filter((part) => part.part.case !== "toolResult"),
        context,
      ),
    );
  }
  flush();
  return turnsOf(encoded, context.quirks);
}

/** The shorthand `text` stands in front; in an answer that is sent back as history it only repeats the content. */
function partsOf(message: Message): readonly ContentPart[] {
  if (message.text === "" || (message.role === Role.ASSISTANT && message.content.length > 0)) return message.content;
  return [textPart(message.text), ...message.content];
}

function plainMessage(message: Message, parts: readonly ContentPart[], context: EncodeContext): JsonObject[] {
  const content = encodeParts(parts, context);
  if (content.length === 0) return [];
  const known = {
    role: roleOf(message, context),
    content: contentOf(content),
    ...(message.name !== "" && { name: message.name }),
  };
  return [extended(context, message.extensionsJson, known, "messages.extensions_json")];
}

function roleOf(message: Message, context: EncodeContext): string {
  if (message.role !== Role.SYSTEM) return "user";
  return message.developer && context.quirks.developerRole !== false ? "developer" : "system";
}

interface ResultPlace {
  /** The extra fields of a message go to its first result. */
  readonly first: boolean;
  /** What follows the last tool message. */
  readonly after: JsonObject[];
  readonly context: EncodeContext;
}

function toolMessage(message: Message, result: ToolResultPart, part: ContentPart, place: ResultPlace): JsonObject {
  const { context } = place;
  const texts: JsonObject[] = [];
  const others: JsonObject[] = [];
  for (const each of encodeParts(result.content, context)) (each["type"] === "text" ? texts : others).push(each);
  place.after.push(...others);
  if (texts.length === 0 && others.length > 0) texts.push(textJson("See the attachment below."));
  if (result.isError) texts[0] = asError(texts[0]);
  const known = {
    role: "tool",
    tool_call_id: toolCallId(result.toolCallId, context.quirks),
    content: texts.length === 0 ? "" : contentOf(texts),
  };
  const whole = extended(context, part.extensionsJson, known, "messages.content.extensions_json");
  return place.first ? extended(context, message.extensionsJson, whole, "messages.extensions_json") : whole;
}

function asError(first: JsonObject | undefined): JsonObject {
  const text = typeof first?.["text"] === "string" ? first["text"] : "";
  return { ...first, type: "text", text: `Error: ${text}` };
}
