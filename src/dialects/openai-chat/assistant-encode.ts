import type { AudioPart, ContentPart, Message, ToolCallPart } from "../../core/chat.ts";
import { note, TranslationAction } from "../../core/chat.ts";
import { wrapped } from "../../core/freeform.ts";
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
  let thought: Thought = { text: "", sealed: false };
  for (const part of parts) {
    const { part: inner } = part;
    if (inner.case === "toolCall") calls.push(callJson(inner.value, part, context));
    else if (inner.case === "refusal") refusal += inner.value.text;
    else if (inner.case === "reasoning")
      thought = { text: thought.text + inner.value.text, sealed: thought.sealed || inner.value.opaque.length > 0 };
    else if (inner.case === "audio") audioReplay(inner.value, known, content, context);
    else content.push(...encodeParts([part], context));
  }
  if (content.length === 0 && calls.length === 0 && refusal === "" && known["audio"] === undefined) return [];
  known["content"] = content.length === 0 ? null : contentOf(content);
  if (message.name !== "") known["name"] = message.name;
  if (refusal !== "") known["refusal"] = refusal;
  if (calls.length > 0) known["tool_calls"] = calls;
  replayThought(thought, known, calls.length > 0, context);
  return [extended(context, replayable(message.extensionsJson, context), known, "messages.extensions_json")];
}

/** Reasoning of one earlier answer. */
interface Thought {
  readonly text: string;
  /** It has tokens, which are for their issuer, and no host of this dialect. */
  readonly sealed: boolean;
}

function replayThought({ text, sealed }: Thought, known: Record<string, unknown>, hasCalls: boolean, context: EncodeContext): void {
  const { replayReasoning } = context.quirks;
  if (sealed) drop(context, "messages.content.reasoning", "sealed reasoning goes back to its issuer only");
  if (text === "") return;
  if (replayReasoning === undefined) {
    const field = "messages.content.reasoning";
    if (!context.notes.some((each) => each.field === field))
      context.notes.push(note(field, TranslationAction.APPROXIMATED, "the host reads no reasoning of earlier turns"));
    return;
  }
  // DeepSeek demands its `reasoning_content` beside calls, and refused it elsewhere.
  if (replayReasoning === "reasoning" || hasCalls) known[replayReasoning] = text;
}

/** OpenRouter's `reasoning_details` go back to hosts that take reasoning back; others would refuse the message. */
function replayable(extensions: Extensions, context: EncodeContext): Extensions {
  if (context.quirks.replayReasoning === "reasoning") return extensions;
  const extra = extraFields(extensions);
  if (extra?.["reasoning_details"] === undefined) return extensions;
  drop(context, "messages.extensions_json.reasoning_details", "the host reads no reasoning of earlier turns");
  const { reasoning_details: _, ...rest } = extra;
  return Object.keys(rest).length === 0 ? {} : extensionsFrom(rest);
}

function callJson(call: ToolCallPart, part: ContentPart, context: EncodeContext): JsonObject {
  const id = toolCallId(call.id, context.quirks);
  const name = context.names.wire(call.name);
  const isCustom = call.custom && context.quirks.customTools !== false;
  const known: Record<string, unknown> = isCustom
    ? { id, type: "custom", custom: { name, input: call.argumentsJson } }
    : { id, type: "function", function: { name, arguments: argumentsOf(call) } };
  const signature = context.target.issuer === "google" ? extraContent(part.opaque) : undefined;
  if (signature === undefined && part.opaque.length > 0)
    drop(context, "messages.content.opaque", "tokens of another vendor go back to their issuer only");
  if (signature !== undefined) known["extra_content"] = signature;
  return extended(context, part.extensionsJson, known, "messages.content.extensions_json");
}

function argumentsOf({ custom, argumentsJson }: ToolCallPart): string {
  if (custom) return JSON.stringify(wrapped(argumentsJson));
  // "" means "no arguments" to OpenAI; templates of other hosts parse it and fail.
  return argumentsJson === "" ? "{}" : argumentsJson;
}

/** Sound of an earlier turn lives at OpenAI only; elsewhere its transcript stands for it. */
function audioReplay(audio: AudioPart, known: Record<string, unknown>, content: JsonObject[], context: EncodeContext): void {
  if (context.target.issuer === "openai" && audio.audioId !== "") known["audio"] = { id: audio.audioId };
  else if (audio.transcript !== "") content.push(textJson(audio.transcript));
  else drop(context, "messages.content.audio", "sound of earlier turns cannot be sent without its transcript");
}
