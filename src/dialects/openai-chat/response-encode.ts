import type { ChatResponse, Choice, ContentPart } from "../../core/chat.ts";
import { completionId, encodeAudio, encodeCitation, encodeImage, encodeToolCall, logprobsObject, withExtra } from "./answer-encode.ts";
import { codePoints } from "../../core/code-points.ts";
import { servedTier } from "../../core/openai/words.ts";
import { extraFields, withExtensions } from "./extensions.ts";
import { encodeFinishReason } from "./finish-reason.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { blocksFromReasoning, extraContent, paragraph } from "./opaque.ts";
import { encodeUsage } from "./usage.ts";

/** How the caller asked. */
export interface ResponseOptions {
  /** Answer with the deprecated `function_call` instead of `tool_calls`. */
  readonly legacyFunctions: boolean;
}

/** A whole answer as JSON text. */
export function encodeChatResponse(response: ChatResponse, options: ResponseOptions): string {
  const known: Record<string, unknown> = {
    id: completionId(response.id),
    object: "chat.completion",
    created: Number(response.createTime?.seconds ?? 0n),
    model: response.model,
    choices: response.choices.map((choice) => encodeChoice(choice, options)),
  };
  if (response.usage !== undefined) known["usage"] = encodeUsage(response.usage);
  if (response.serviceTier !== "") known["service_tier"] = servedTier(response.serviceTier);
  if (response.systemFingerprint !== "") known["system_fingerprint"] = response.systemFingerprint;
  return JSON.stringify(withExtensions(response.extensionsJson, known));
}

function encodeChoice(choice: Choice, options: ResponseOptions): JsonObject {
  const parts = choice.message?.content ?? [];
  const message = withExtra(extraOfMessage(choice), encodeMessage(parts, options));
  const hasRefusal = message["refusal"] !== null;
  const encoded = withExtensions(choice.extensionsJson, {
    index: choice.index,
    message,
    logprobs: logprobsObject(choice.logprobs, hasRefusal && message["content"] === null) ?? undefined,
    finish_reason: encodeFinishReason(choice.finishReason, { hasRefusal, legacyFunctions: options.legacyFunctions }),
  });
  // The key is always there, but null must not hide the probabilities of a refusal, which travel as an extension.
  return encoded["logprobs"] === undefined ? { ...encoded, logprobs: null } : encoded;
}

/** The message's extra fields, and those of its parts, which have no place of their own in it: a stream told them with each. */
function extraOfMessage({ message }: Choice): JsonObject {
  let extra = extraFields(message?.extensionsJson ?? {}) ?? {};
  for (const { part, extensionsJson } of message?.content ?? [])
    if (part.case !== "toolCall") extra = withExtra(extraFields(extensionsJson) ?? {}, extra);
  return extra;
}

interface Collected {
  text: string;
  hasText: boolean;
  refusal: string;
  reasoning: string;
  audio: JsonObject | undefined;
  readonly calls: JsonObject[];
  readonly annotations: JsonObject[];
  readonly blocks: JsonObject[];
  readonly images: JsonObject[];
}

function encodeMessage(parts: readonly ContentPart[], options: ResponseOptions): JsonObject {
  const found: Collected = {
    text: "",
    hasText: false,
    refusal: "",
    reasoning: "",
    audio: undefined,
    calls: [],
    annotations: [],
    blocks: [],
    images: [],
  };
  for (const part of parts) collect(part, found);
  const says = found.hasText || (found.calls.length === 0 && found.refusal === "" && found.audio === undefined);
  const message: Record<string, unknown> = {
    role: "assistant",
    content: says ? found.text : null,
    refusal: found.refusal === "" ? null : found.refusal,
  };
  if (found.reasoning !== "") message["reasoning_content"] = found.reasoning;
  if (found.blocks.length > 0) message["thinking_blocks"] = found.blocks;
  if (found.annotations.length > 0) message["annotations"] = found.annotations;
  if (found.audio !== undefined) message["audio"] = found.audio;
  if (found.images.length > 0) message["images"] = found.images;
  if (found.calls.length > 0 && options.legacyFunctions) message["function_call"] = found.calls[0]?.["function"];
  else if (found.calls.length > 0) message["tool_calls"] = found.calls;
  return message;
}

function collect(part: ContentPart, found: Collected): void {
  const { part: inner } = part;
  switch (inner.case) {
    case "text": {
      if (inner.value.citations.length > 0) {
        const start = codePoints(found.text);
        const span = { start, end: start + codePoints(inner.value.text) };
        for (const citation of inner.value.citations) {
          const annotation = encodeCitation(citation, span);
          if (annotation !== undefined) found.annotations.push(annotation);
        }
      }
      found.text += inner.value.text;
      // An empty text beside calls would read as an answer.
      found.hasText ||= inner.value.text !== "";
      return;
    }
    case "refusal":
      found.refusal += inner.value.text;
      return;
    case "reasoning": {
      found.reasoning += paragraph(inner.value, found.reasoning !== "") + inner.value.text;
      found.blocks.push(...blocksFromReasoning(inner.value.text, inner.value.opaque));
      return;
    }
    case "toolCall":
      found.calls.push(withExtensions(part.extensionsJson, encodeToolCall(inner.value, extraContent(part.opaque))));
      return;
    case "audio":
      found.audio = encodeAudio(inner.value);
      return;
    case "image": {
      const image = encodeImage(inner.value.media);
      if (image !== undefined) found.images.push(image);
      return;
    }
    default:
    // What ran at another vendor, or has no form here, is not part of this dialect's answer.
  }
}
