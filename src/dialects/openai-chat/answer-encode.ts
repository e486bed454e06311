import { encodeBase64 } from "../../core/base64.ts";
import type { AudioPart, Citation, Media, TokenLogprob, ToolCallPart } from "../../core/chat.ts";
import { merged } from "../../core/extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { encodeLogprobs } from "../../core/openai/logprobs.ts";
import { encodeDataUrl } from "../../core/media.ts";

// Pieces that whole answers and streams have in common.

/** The gateway's id as a client of OpenAI expects it. */
export function completionId(id: string): string {
  return id.startsWith("chatcmpl-") ? id : `chatcmpl-${id}`;
}

/** Where a text part stands in its message, in code points. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A source of the answer; undefined for those without a URL, which this dialect cannot say. One without offsets is for the whole part. */
export function encodeCitation(citation: Citation, part: Span): JsonObject | undefined {
  if (citation.url === "") return undefined;
  const start = (citation.start ?? 0) + part.start;
  const end = citation.end === undefined ? (citation.start === undefined ? part.end : start) : citation.end + part.start;
  return { type: "url_citation", url_citation: { start_index: start, end_index: end, url: citation.url, title: citation.title } };
}

/** `known` over `extra`, whose annotations of other kinds follow the citations. */
export function withExtra(extra: JsonObject, known: JsonObject): JsonObject {
  const both = merged(extra, known);
  const [own, others] = [known["annotations"], extra["annotations"]];
  return Array.isArray(own) && Array.isArray(others) ? { ...both, annotations: [...own, ...others] } : both;
}

/** A tool call. */
export function encodeToolCall(call: ToolCallPart, extra: JsonObject | undefined): JsonObject {
  const { id, name, argumentsJson } = call;
  const known = call.custom
    ? { id, type: "custom", custom: { name, input: argumentsJson } }
    : { id, type: "function", function: { name, arguments: argumentsJson } };
  return extra === undefined ? known : { ...known, extra_content: extra };
}

/** Generated sound; the keys that are not known are left out. */
export function encodeAudio(audio: AudioPart): JsonObject {
  const data = audio.media?.source.case === "data" && audio.media.source.value.length > 0 ? audio.media.source.value : undefined;
  return {
    ...(audio.audioId !== "" && { id: audio.audioId }),
    ...(data !== undefined && { data: encodeBase64(data) }),
    ...(audio.transcript !== "" && { transcript: audio.transcript }),
    ...(audio.expireTime !== undefined && { expires_at: Number(audio.expireTime.seconds) }),
  };
}

/** A generated image, the way OpenRouter sends them; undefined where there is nothing to show. */
export function encodeImage(media: Media | undefined): JsonObject | undefined {
  const url =
    media?.source.case === "data"
      ? encodeDataUrl(media.mimeType, media.source.value)
      : media?.source.case === "url"
        ? media.source.value
        : undefined;
  return url === undefined ? undefined : { type: "image_url", image_url: { url } };
}

/** `logprobs` of a choice or a chunk. */
export function logprobsObject(tokens: readonly TokenLogprob[], isRefusal: boolean): JsonObject | null {
  if (tokens.length === 0) return null;
  const list = encodeLogprobs(tokens);
  return isRefusal ? { content: null, refusal: list } : { content: list, refusal: null };
}
