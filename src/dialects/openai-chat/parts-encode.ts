import { encodeBase64 } from "../../core/base64.ts";
import type { AudioPart, ContentPart, DocumentPart, ImagePart, Media } from "../../core/chat.ts";
import { encodeCacheControl } from "./cache-control.ts";
import { drop, type EncodeContext, extended, unsupported } from "./encode-context.ts";
import { extensionIssuer } from "./extensions.ts";
import { type JsonObject, objectFromText } from "../../core/json-fields.ts";
import { audioFormat, encodeDataUrl, sniffImage } from "../../core/media.ts";
import { wordByDetail } from "../../core/openai/words.ts";

/** A part as elements of `content`: none where this dialect has no form for it, which is noted. */
export function encodeParts(parts: readonly ContentPart[], context: EncodeContext): JsonObject[] {
  return parts.flatMap((part) => {
    if (part.opaque.length > 0) drop(context, "messages.content.opaque", "tokens of another vendor go back to their issuer only");
    return bare(part, context).map((known) => {
      const cached = part.cacheControl === undefined ? known : withCacheControl(known, part, context);
      return extended(context, part.extensionsJson, cached, "messages.content.extensions_json");
    });
  });
}

/** A single plain text as a string, which every host takes; anything else as it is. */
export function contentOf(parts: readonly JsonObject[]): unknown {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && only["type"] === "text" && Object.keys(only).length === 2) return only["text"];
  return parts;
}

/** A part of plain text. */
export function textJson(text: string): JsonObject {
  return { type: "text", text };
}

function withCacheControl(known: JsonObject, part: ContentPart, context: EncodeContext): JsonObject {
  if (context.quirks.cacheControl === true && part.cacheControl !== undefined)
    return { ...known, cache_control: encodeCacheControl(part.cacheControl) };
  drop(context, "messages.content.cache_control", "this dialect caches prompts by itself");
  return known;
}

function bare(part: ContentPart, context: EncodeContext): JsonObject[] {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
      return [textJson(inner.value.text)];
    case "refusal":
      return [{ type: "refusal", refusal: inner.value.text }];
    case "image":
      return [imageJson(inner.value, context)];
    case "audio":
      return [audioJson(inner.value, context)];
    case "document":
      return documentJson(inner.value, context);
    case "video":
      return [{ type: "video_url", video_url: { url: mediaUrl(inner.value.media, "video/mp4", context) } }];
    case "native":
      return nativeJson(inner.value, context);
    case "serverTool":
      drop(context, "messages.content.server_tool", "tools that ran at a provider have no form in this dialect");
      return [];
    case "reasoning":
      // Where the host wants it, it goes beside the content.
      return [];
    case "toolCall":
    case "toolResult":
    case undefined:
      drop(context, "messages.content", "a part that its message's role cannot hold");
      return [];
    default:
      return inner satisfies never;
  }
}

function mediaUrl(media: Media | undefined, mimeType: string, context: EncodeContext): string {
  const source = media?.source;
  if (source?.case === "url") return source.value;
  if (source?.case === "data") return encodeDataUrl(media?.mimeType || mimeType, source.value);
  return unsupported(context, "messages.content.media", "takes media as bytes or by URL only");
}

function imageJson(image: ImagePart, context: EncodeContext): JsonObject {
  const source = image.media?.source;
  const sniffed = source?.case === "data" ? sniffImage(source.value) : undefined;
  const detail = wordByDetail.get(image.detail);
  if (source?.case === "url" && context.quirks.imageUrls === false)
    return unsupported(context, "messages.content.image", "fetches no images: it takes them as bytes only");
  const url = mediaUrl(image.media, sniffed ?? "image/png", context);
  return { type: "image_url", image_url: detail === undefined ? { url } : { url, detail } };
}

function audioJson(audio: AudioPart, context: EncodeContext): JsonObject {
  const source = audio.media?.source;
  if (source?.case !== "data") return unsupported(context, "messages.content.audio", "takes audio as bytes only");
  return { type: "input_audio", input_audio: { data: encodeBase64(source.value), format: audioFormat(audio.media?.mimeType ?? "") } };
}

function documentJson(document: DocumentPart, context: EncodeContext): JsonObject[] {
  const { media } = document;
  if (document.citations) drop(context, "messages.content.document.citations", "this dialect cannot be asked for citations");
  const preface = document.context === "" ? [] : [textJson(document.context)];
  const name = media?.filename || document.title;
  switch (media?.source.case) {
    case "file":
      if (media.source.value.issuer !== extensionIssuer)
        return unsupported(context, "messages.content.document.media.file", `cannot read files of ${media.source.value.issuer}`);
      return [
        ...preface,
        { type: "file", file: { file_id: media.source.value.id, ...(media.filename !== "" && { filename: media.filename }) } },
      ];
    case "data": {
      if (media.mimeType.startsWith("text/")) return [...preface, textJson(new TextDecoder().decode(media.source.value))];
      const file_data = encodeDataUrl(media.mimeType || "application/pdf", media.source.value);
      return [...preface, { type: "file", file: { file_data, filename: name || "document.pdf" } }];
    }
    case "url":
      // OpenRouter reads it; OpenAI refuses it in words.
      return [...preface, { type: "file", file: { file_data: media.source.value, filename: name || "document.pdf" } }];
    default:
      return unsupported(context, "messages.content.document.media", "takes documents with content only");
  }
}

function nativeJson(native: { readonly issuer: string; readonly json: string }, context: EncodeContext): JsonObject[] {
  if (native.issuer === extensionIssuer) return [objectFromText(native.json, "messages.content.native.json")];
  drop(context, "messages.content.native", `a part of ${native.issuer} has no form in this dialect`);
  return [];
}
