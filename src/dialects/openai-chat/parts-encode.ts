import { encodeBase64 } from "../../core/base64.ts";
import type { AudioPart, DocumentPart, ImagePart, Media } from "../../core/chat.ts";
import { encodeCacheControl } from "./cache-control.ts";
import { type EncodeContext, extended, unsupported } from "./encode-context.ts";
import { extensionIssuer } from "./extensions.ts";
import { type JsonObject, callerObject } from "../../core/json-fields.ts";
import { audioFormat, encodeDataUrl, sniffImage, wordsAbout } from "../../core/media.ts";
import type { PlacedPart } from "../../core/message-parts.ts";
import { wordByDetail } from "../../core/openai/words.ts";

/** A part as elements of `content`: none where this dialect has no form for it, which is noted. */
export function encodeParts(parts: readonly PlacedPart[], context: EncodeContext): JsonObject[] {
  return parts.flatMap((each) =>
    bare(each, context).map((known) => extended(context, each.part.extensionsJson, withCacheControl(known, each, context), each.path)),
  );
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

/** The object with a part's breakpoint, where the host takes one there. */
export function withCacheControl(known: JsonObject, { part, path }: PlacedPart, { quirks, notes }: EncodeContext): JsonObject {
  if (part.cacheControl === undefined) return known;
  if (quirks.cacheControl === true) return { ...known, cache_control: encodeCacheControl(part.cacheControl) };
  notes.dropped(`${path}.cache_control`, "this dialect caches prompts by itself");
  return known;
}

function bare({ part, path }: PlacedPart, context: EncodeContext): JsonObject[] {
  const { part: inner } = part;
  const at = `${path}.${inner.case ?? ""}`;
  switch (inner.case) {
    case "text":
      return [textJson(inner.value.text)];
    case "refusal":
      return [{ type: "refusal", refusal: inner.value.text }];
    case "image":
      return [imageJson(inner.value, at, context)];
    case "audio":
      return [audioJson(inner.value, at, context)];
    case "document":
      return documentJson(inner.value, at, context);
    case "video":
      return [{ type: "video_url", video_url: { url: mediaUrl(inner.value.media, "video/mp4", at, context) } }];
    case "native":
      return nativeJson(inner.value, at, context);
    case "serverTool":
      context.notes.dropped(`${path}.server_tool`, "tools that ran at a provider have no form in this dialect");
      return [];
    case "reasoning":
      // Where the host wants it, it goes beside the content.
      return [];
    case "toolCall":
    case "toolResult":
    case undefined:
      context.notes.dropped(path, "a part that its message's role cannot hold");
      return [];
    default:
      return inner satisfies never;
  }
}

function mediaUrl(media: Media | undefined, mimeType: string, path: string, context: EncodeContext): string {
  const source = media?.source;
  if (source?.case === "url") return source.value;
  if (source?.case === "data") return encodeDataUrl(media?.mimeType || mimeType, source.value);
  return unsupported(context, `${path}.media`, "takes media as bytes or by URL only");
}

function imageJson(image: ImagePart, path: string, context: EncodeContext): JsonObject {
  const source = image.media?.source;
  const sniffed = source?.case === "data" ? sniffImage(source.value) : undefined;
  const detail = wordByDetail.get(image.detail);
  if (source?.case === "url" && context.quirks.imageUrls === false)
    return unsupported(context, path, "fetches no images: it takes them as bytes only");
  const url = mediaUrl(image.media, sniffed ?? "image/png", path, context);
  return { type: "image_url", image_url: detail === undefined ? { url } : { url, detail } };
}

function audioJson(audio: AudioPart, path: string, context: EncodeContext): JsonObject {
  const source = audio.media?.source;
  if (source?.case !== "data") return unsupported(context, path, "takes audio as bytes only");
  return { type: "input_audio", input_audio: { data: encodeBase64(source.value), format: audioFormat(audio.media?.mimeType ?? "") } };
}

function documentJson(document: DocumentPart, path: string, context: EncodeContext): JsonObject[] {
  const { media, title } = document;
  const source = media?.source;
  if (document.citations) context.notes.dropped(`${path}.citations`, "this dialect cannot be asked for citations");
  const isText = source?.case === "data" && media?.mimeType.startsWith("text/") === true;
  const filename = media?.filename || (source?.case === "file" ? "" : title);
  const about = wordsAbout(document, isText ? "" : filename, path, context.notes);
  const preface = about === "" ? [] : [textJson(about)];
  switch (source?.case) {
    case "file":
      if (source.value.issuer !== extensionIssuer)
        return unsupported(context, `${path}.media.file`, `cannot read files of ${source.value.issuer}`);
      return [...preface, { type: "file", file: { file_id: source.value.id, ...(filename !== "" && { filename }) } }];
    case "data": {
      if (isText) return [...preface, textJson(new TextDecoder().decode(source.value))];
      const file_data = encodeDataUrl(media?.mimeType || "application/pdf", source.value);
      return [...preface, { type: "file", file: { file_data, filename: filename || "document.pdf" } }];
    }
    case "url":
      // OpenRouter reads it; OpenAI refuses it in words.
      return [...preface, { type: "file", file: { file_data: source.value, filename: filename || "document.pdf" } }];
    default:
      return unsupported(context, `${path}.media`, "takes documents with content only");
  }
}

function nativeJson(native: { readonly issuer: string; readonly json: string }, path: string, context: EncodeContext): JsonObject[] {
  if (native.issuer === extensionIssuer) return [callerObject(native.json, `${path}.json`)];
  context.notes.dropped(path, `a part of ${native.issuer} has no form in this dialect`);
  return [];
}
