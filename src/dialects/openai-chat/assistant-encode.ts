import type { AudioPart, Message, ToolCallPart } from "../../core/chat.ts";
import { wrapped } from "../../core/freeform.ts";
import { type EncodeContext, extended } from "./encode-context.ts";
import { type Extensions } from "../../core/extensions.ts";
import { extensionIssuer, extensionsFrom, extraFields } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import type { PlacedPart } from "../../core/message-parts.ts";
import type { MessagePlace } from "./messages-encode.ts";
import { extraContent, isReplayed } from "./opaque.ts";
import { contentOf, encodeParts, textJson } from "./parts-encode.ts";
import { toolCallId } from "./tool-call-id.ts";

/** An earlier answer; none where nothing of it can be said here. */
export function assistantMessage(message: Message, parts: readonly PlacedPart[], { path, context }: MessagePlace): JsonObject[] {
  const known: Record<string, unknown> = { role: "assistant" };
  const content: JsonObject[] = [];
  const calls: JsonObject[] = [];
  const thoughts: PlacedPart[] = [];
  let refusal = "";
  for (const each of parts) {
    const { part: inner } = each.part;
    if (inner.case === "toolCall") calls.push(callJson(inner.value, each, context));
    else if (inner.case === "refusal") refusal += inner.value.text;
    else if (inner.case === "reasoning") thoughts.push(each);
    else if (inner.case === "audio") audioReplay(inner.value, each.path, { known, content, context });
    else content.push(...encodeParts([each], context));
  }
  const thought = replayedThought(thoughts, calls.length > 0, context);
  if (content.length === 0 && calls.length === 0 && refusal === "" && known["audio"] === undefined) return [];
  known["content"] = content.length === 0 ? null : contentOf(content);
  if (message.name !== "") known["name"] = message.name;
  if (refusal !== "") known["refusal"] = refusal;
  if (calls.length > 0) known["tool_calls"] = calls;
  if (thought !== "") known[context.quirks.replayReasoning ?? "reasoning_content"] = thought;
  return [extended(context, replayable(message.extensionsJson, path, context), known, path)];
}

/** What a host that takes reasoning back is told of it; tokens are for their issuer, and no host of this dialect. */
function replayedThought(thoughts: readonly PlacedPart[], hasCalls: boolean, { quirks, notes }: EncodeContext): string {
  // DeepSeek demands its `reasoning_content` beside calls, and refused it elsewhere: there it is no loss.
  const taken = quirks.replayReasoning === "reasoning" || (quirks.replayReasoning === "reasoning_content" && hasCalls);
  let text = "";
  for (const { part, path } of thoughts) {
    if (part.part.case !== "reasoning") continue;
    const { value } = part.part;
    if (value.text !== "" && quirks.replayReasoning === undefined)
      notes.dropped(`${path}.reasoning`, "the host reads no reasoning of earlier turns");
    else if (value.opaque.length > 0) notes.dropped(`${path}.reasoning.opaque`, "sealed reasoning goes back to its issuer only");
    if (taken) text += value.text;
  }
  return text;
}

/** OpenRouter's `reasoning_details` go back to hosts that take reasoning back; others would refuse the message. */
function replayable(extensions: Extensions, path: string, context: EncodeContext): Extensions {
  if (context.quirks.replayReasoning === "reasoning") return extensions;
  const extra = extraFields(extensions);
  if (extra?.["reasoning_details"] === undefined) return extensions;
  const field = `${path}.extensions_json.${extensionIssuer}.reasoning_details`;
  context.notes.dropped(field, "the host reads no reasoning of earlier turns");
  const { reasoning_details: _, ...rest } = extra;
  return Object.keys(rest).length === 0 ? {} : extensionsFrom(rest);
}

function callJson(call: ToolCallPart, { part, path }: PlacedPart, context: EncodeContext): JsonObject {
  const id = toolCallId(call.id, context.quirks);
  const name = context.names.wire(call.name);
  const isCustom = call.custom && context.quirks.customTools !== false;
  const known: Record<string, unknown> = isCustom
    ? { id, type: "custom", custom: { name, input: call.argumentsJson } }
    : { id, type: "function", function: { name, arguments: argumentsOf(call) } };
  const signature = extraContent(part.opaque.filter((token) => isReplayed(token, part, context.target)));
  if (signature !== undefined) known["extra_content"] = signature;
  if (part.cacheControl !== undefined) context.notes.dropped(`${path}.cache_control`, "calls take no breakpoint in this dialect");
  return extended(context, part.extensionsJson, known, path);
}

function argumentsOf({ custom, argumentsJson }: ToolCallPart): string {
  if (custom) return JSON.stringify(wrapped(argumentsJson));
  // "" means "no arguments" to OpenAI; templates of other hosts parse it and fail.
  return argumentsJson === "" ? "{}" : argumentsJson;
}

/** Sound of an earlier turn lives at OpenAI only; elsewhere its transcript stands for it. */
function audioReplay(
  audio: AudioPart,
  path: string,
  { known, content, context }: { readonly known: Record<string, unknown>; readonly content: JsonObject[]; readonly context: EncodeContext },
): void {
  if (context.target.issuer === "openai" && audio.audioId !== "") known["audio"] = { id: audio.audioId };
  else if (audio.transcript !== "") content.push(textJson(audio.transcript));
  else context.notes.dropped(`${path}.audio`, "sound of earlier turns cannot be sent without its transcript");
}
