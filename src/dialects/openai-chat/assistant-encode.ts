import type { AudioPart, ContentPart, Message, ToolCallPart } from "../../core/chat.ts";
import { type EncodeContext, drop, extended } from "./encode-context.ts";
import { type Extensions } from "../../core/extensions.ts";
import { extensionsFrom, extraFields } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { extraContent } from "./opaque.ts";
import { contentOf, encodeParts, textJson } from "./parts-encode.ts";
import { toolCallId } from "./tool-call-id.ts";

/** An earlier answer; none where nothing of it can be said here. */
export function assistantMessage(message: Message, parts: readonly ContentPart[], context: EncodeContext): JsonObject[] {
  const known: Record<string, unknown> = { role: "assistant" };
  const content: JsonObject[] = [];
  const calls: JsonObject[] = [];
  let refusal = "";
  let reasoning = "";
  for (const part of parts) {
    const { part: inner } = part;
    if (inner.case === "toolCall") calls.push(callJson(inner.value, part, context));
    else if (inner.case === "refusal") refusal += inner.value.text;
    else if (inner.case === "reasoning") reasoning += inner.value.text;
    else if (inner.case === "audio") audioReplay(inner.value, known, content, context);
    else content.push(...encodeParts([part], context));
  }
  if (content.length === 0 && calls.length === 0 && refusal === "" && known["audio"] === undefined) return [];
  known["content"] = content.length === 0 ? null : contentOf(content);
  if (message.name !== "") known["name"] = message.name;
  if (refusal !== "") known["refusal"] = refusal;
  if (calls.length > 0) known["tool_calls"] = calls;
  const { replayReasoning } = context.quirks;
  // DeepSeek demands its `reasoning_content` beside calls, and refused it elsewhere.
  if (reasoning !== "" && (replayReasoning === "reasoning" || (replayReasoning !== undefined && calls.length > 0)))
    known[replayReasoning] = reasoning;
  return [extended(context, replayable(message.extensionsJson, context), known, "messages.extensions_json")];
}

/** OpenRouter's `reasoning_details` go back to hosts that take reasoning back; others would refuse the message. */
function replayable(extensions: Extensions, context: EncodeContext): Extensions {
  if (context.quirks.replayReasoning === "reasoning") return extensions;
  const extra = extraFields(extensions);
  if (extra?.["reasoning_details"] === undefined) return extensions;
  const { reasoning_details: _, ...rest } = extra;
  return Object.keys(rest).length === 0 ? {} : extensionsFrom(rest);
}

function callJson(call: ToolCallPart, part: ContentPart, context: EncodeContext): JsonObject {
  const id = toolCallId(call.id, context.quirks);
  const known: Record<string, unknown> = call.custom
    ? { id, type: "custom", custom: { name: call.name, input: call.argumentsJson } }
    : // "" means "no arguments" to OpenAI; templates of other hosts parse it and fail.
      { id, type: "function", function: { name: call.name, arguments: call.argumentsJson === "" ? "{}" : call.argumentsJson } };
  const signature = context.target.issuer === "google" ? extraContent(part.opaque) : undefined;
  if (signature !== undefined) known["extra_content"] = signature;
  return extended(context, part.extensionsJson, known, "messages.content.extensions_json");
}

/** Sound of an earlier turn lives at OpenAI only; elsewhere its transcript stands for it. */
function audioReplay(audio: AudioPart, known: Record<string, unknown>, content: JsonObject[], context: EncodeContext): void {
  if (context.target.issuer === "openai" && audio.audioId !== "") known["audio"] = { id: audio.audioId };
  else if (audio.transcript !== "") content.push(textJson(audio.transcript));
  else drop(context, "messages.content.audio", "sound of earlier turns cannot be sent without its transcript");
}
