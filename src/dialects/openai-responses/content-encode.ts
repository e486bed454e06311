import type { AudioPart, ContentPart, DocumentPart, ImagePart, Media } from "../../core/chat.ts";
import { type JsonObject, objectFromText } from "../../core/json-fields.ts";
import { encodeBase64 } from "../../core/base64.ts";
import { audioFormat, encodeDataUrl, sniffImage } from "../../core/media.ts";
import { wordByDetail } from "../../core/openai/words.ts";
import { drop, type EncodeContext, unsupported } from "./encode-context.ts";
import { issuer, language, ownFields } from "./extensions.ts";

/** Parts of anybody but the assistant: none where this language has no form for one, which is noted. */
export function encodeInput(parts: readonly ContentPart[], context: EncodeContext): JsonObject[] {
  return parts.flatMap((part) => {
    if (part.cacheControl !== undefined) drop(context, "messages.content.cache_control", "this dialect caches prompts by itself");
    const own = ownFields(part.extensionsJson);
    return bare(part, context).map((known) => ({ ...own, ...known }));
  });
}

/** A single plain text as a string, anything else as it is. */
export function contentOf(parts: readonly JsonObject[]): unknown {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && only["type"] === "input_text" && Object.keys(only).length === 2) return only["text"];
  return parts;
}

function bare(part: ContentPart, context: EncodeContext): JsonObject[] {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
    case "refusal":
      return [{ type: "input_text", text: inner.value.text }];
    case "image":
      return [imageJson(inner.value, context)];
    case "audio":
      return [audioJson(inner.value, context)];
    case "document":
      return documentJson(inner.value, context);
    case "video":
      return unsupported(context, "messages.content.video", "takes no video");
    case "native":
      if (inner.value.issuer === language) return [objectFromText(inner.value.json, "messages.content.native.json")];
      drop(context, "messages.content.native", `a part of ${inner.value.issuer} has no form in this dialect`);
      return [];
    case "serverTool":
      drop(context, "messages.content.server_tool", `a tool that ran at ${inner.value.issuer} has no form in this dialect`);
      return [];
    case "reasoning":
    case "toolCall":
    case "toolResult":
    case undefined:
      drop(context, "messages.content", "a part that its message's role cannot hold");
      return [];
    default:
      return inner satisfies never;
  }
}

function imageJson(image: ImagePart, context: EncodeContext): JsonObject {
  const source = image.media?.source;
  const detail = wordByDetail.get(image.detail);
  const known = { type: "input_image", ...(detail !== undefined && { detail }) };
  if (source?.case === "url") return { ...known, image_url: source.value };
  if (source?.case === "file") return { ...known, file_id: fileId(image.media, context) };
  if (source?.case !== "data") return unsupported(context, "messages.content.image.media", "takes images with content only");
  return { ...known, image_url: encodeDataUrl(image.media?.mimeType || (sniffImage(source.value) ?? "image/png"), source.value) };
}

function audioJson(audio: AudioPart, context: EncodeContext): JsonObject {
  const source = audio.media?.source;
  if (source?.case !== "data") return unsupported(context, "messages.content.audio", "takes audio as bytes only");
  return { type: "input_audio", input_audio: { data: encodeBase64(source.value), format: audioFormat(audio.media?.mimeType ?? "") } };
}

function documentJson(document: DocumentPart, context: EncodeContext): JsonObject[] {
  const { media } = document;
  if (document.citations) drop(context, "messages.content.document.citations", "this dialect cannot be asked for citations");
  const preface = document.context === "" ? [] : [{ type: "input_text", text: document.context }];
  const filename = media?.filename || document.title;
  const named = filename === "" ? {} : { filename };
  switch (media?.source.case) {
    case "file":
      return [...preface, { type: "input_file", file_id: fileId(media, context), ...named }];
    case "url":
      return [...preface, { type: "input_file", file_url: media.source.value, ...named }];
    case "data": {
      const file_data = encodeDataUrl(media.mimeType || "application/pdf", media.source.value);
      return [...preface, { type: "input_file", file_data, filename: filename || "document.pdf" }];
    }
    default:
      return unsupported(context, "messages.content.document.media", "takes documents with content only");
  }
}

function fileId(media: Media | undefined, context: EncodeContext): string {
  const source = media?.source;
  if (source?.case === "file" && source.value.issuer === issuer) return source.value.id;
  const whose = source?.case === "file" ? source.value.issuer : "nobody";
  return unsupported(context, "messages.content.media.file", `cannot read files of ${whose}`);
}
