import type { AudioPart, DocumentPart, ImagePart, Media } from "../../core/chat.ts";
import { type JsonObject, callerObject } from "../../core/json-fields.ts";
import { encodeBase64 } from "../../core/base64.ts";
import { audioFormat, encodeDataUrl, sniffImage, wordsAbout } from "../../core/media.ts";
import type { PlacedPart } from "../../core/message-parts.ts";
import { wordByDetail } from "../../core/openai/words.ts";
import { type EncodeContext, unsupported } from "./encode-context.ts";
import { issuer, language, ownFields } from "./extensions.ts";

/** Parts of anybody but the assistant: none where this language has no form for one, which is noted. */
export function encodeInput(parts: readonly PlacedPart[], context: EncodeContext): JsonObject[] {
  return parts.flatMap((each) => {
    noteCacheControl(each, context);
    const own = ownFields(each.part.extensionsJson);
    return bare(each, context).map((known) => ({ ...own, ...known }));
  });
}

/** Notes a breakpoint, which has no place here. */
export function noteCacheControl({ part, path }: PlacedPart, { notes }: EncodeContext): void {
  if (part.cacheControl !== undefined) notes.dropped(`${path}.cache_control`, "this dialect caches prompts by itself");
}

/** A single plain text as a string, anything else as it is. */
export function contentOf(parts: readonly JsonObject[]): unknown {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && only["type"] === "input_text" && Object.keys(only).length === 2) return only["text"];
  return parts;
}

function bare({ part, path }: PlacedPart, context: EncodeContext): JsonObject[] {
  const { part: inner } = part;
  const at = `${path}.${inner.case ?? ""}`;
  switch (inner.case) {
    case "text":
    case "refusal":
      return [{ type: "input_text", text: inner.value.text }];
    case "image":
      return [imageJson(inner.value, at, context)];
    case "audio":
      return [audioJson(inner.value, at, context)];
    case "document":
      return documentJson(inner.value, at, context);
    case "video":
      return unsupported(context, at, "takes no video");
    case "native":
      if (inner.value.issuer === language) return [callerObject(inner.value.json, `${at}.json`)];
      context.notes.dropped(at, `a part of ${inner.value.issuer} has no form in this dialect`);
      return [];
    case "serverTool":
      context.notes.dropped(`${path}.server_tool`, `a tool that ran at ${inner.value.issuer} has no form in this dialect`);
      return [];
    case "reasoning":
    case "toolCall":
    case "toolResult":
    case undefined:
      context.notes.dropped(path, "a part that its message's role cannot hold");
      return [];
    default:
      return inner satisfies never;
  }
}

function imageJson(image: ImagePart, path: string, context: EncodeContext): JsonObject {
  const source = image.media?.source;
  const detail = wordByDetail.get(image.detail);
  const known = { type: "input_image", ...(detail !== undefined && { detail }) };
  if (source?.case === "url") return { ...known, image_url: source.value };
  if (source?.case === "file") return { ...known, file_id: fileId(image.media, path, context) };
  if (source?.case !== "data") return unsupported(context, `${path}.media`, "takes images with content only");
  return { ...known, image_url: encodeDataUrl(image.media?.mimeType || (sniffImage(source.value) ?? "image/png"), source.value) };
}

function audioJson(audio: AudioPart, path: string, context: EncodeContext): JsonObject {
  const source = audio.media?.source;
  if (source?.case !== "data") return unsupported(context, path, "takes audio as bytes only");
  return { type: "input_audio", input_audio: { data: encodeBase64(source.value), format: audioFormat(audio.media?.mimeType ?? "") } };
}

function documentJson(document: DocumentPart, path: string, context: EncodeContext): JsonObject[] {
  const { media } = document;
  if (document.citations) context.notes.dropped(`${path}.citations`, "this dialect cannot be asked for citations");
  const filename = media?.filename || document.title;
  const about = wordsAbout(document, filename, path, context.notes);
  const preface = about === "" ? [] : [{ type: "input_text", text: about }];
  const named = filename === "" ? {} : { filename };
  switch (media?.source.case) {
    case "file":
      return [...preface, { type: "input_file", file_id: fileId(media, path, context), ...named }];
    case "url":
      return [...preface, { type: "input_file", file_url: media.source.value, ...named }];
    case "data": {
      const file_data = encodeDataUrl(media.mimeType || "application/pdf", media.source.value);
      return [...preface, { type: "input_file", file_data, filename: filename || "document.pdf" }];
    }
    default:
      return unsupported(context, `${path}.media`, "takes documents with content only");
  }
}

function fileId(media: Media | undefined, path: string, context: EncodeContext): string {
  const source = media?.source;
  if (source?.case === "file" && source.value.issuer === issuer) return source.value.id;
  const whose = source?.case === "file" ? source.value.issuer : "nobody";
  return unsupported(context, `${path}.media.file`, `cannot read files of ${whose}`);
}
