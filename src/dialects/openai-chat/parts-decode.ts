import { decodeBase64 } from "../../core/base64.ts";
import type { ContentPart, Media } from "../../core/chat.ts";
import { contentPart, textPart } from "../../core/chat.ts";
import { decodeCacheControl } from "./cache-control.ts";
import { keys, type Shape, shape } from "../../core/extensions.ts";
import { extensionIssuer, extensionsOf } from "./extensions.ts";
import {
  at,
  type JsonObject,
  objectAt,
  optionalString,
  optionalWord,
  refuse,
  requiredName,
  requiredObject,
  requiredString,
} from "../../core/json-fields.ts";
import { decodeDataUrl, isDataUrl, isWebUrl, media, mimeTypeOfAudio, mimeTypeOfFile } from "../../core/media.ts";
import { reasoningFromBlock } from "./opaque.ts";
import { detailByWord } from "../../core/openai/words.ts";

/** One part of a message's content. Kinds that the vocabulary has not are kept whole for targets of this dialect. */
export function decodePart(value: unknown, path: string): ContentPart {
  const object = objectAt(value, path);
  const kind = kinds.get(requiredName(object, "type", path));
  if (kind === undefined) return nativePart(object);
  const part = kind.decode(object, path);
  const control = decodeCacheControl(object, path);
  if (control !== undefined) part.cacheControl = control;
  part.extensionsJson = extensionsOf(object, kind.known);
  return part;
}

/** What the model said instead of an answer. */
export function refusalPart(text: string): ContentPart {
  return contentPart({ case: "refusal", value: { $typeName: "semaroute.v1.RefusalPart", text, category: "" } });
}

interface PartKind {
  /** What the vocabulary carries of it. */
  readonly known: Shape;
  readonly decode: (object: JsonObject, path: string) => ContentPart;
}

const always = keys("type", "cache_control");

const kinds: ReadonlyMap<string, PartKind> = new Map<string, PartKind>([
  ["text", { known: shape(always, keys("text")), decode: (object, path) => textPart(requiredString(object, "text", path)) }],
  ["refusal", { known: shape(always, keys("refusal")), decode: (object, path) => refusalPart(requiredString(object, "refusal", path)) }],
  ["image_url", { known: shape(always, { image_url: keys("url", "detail") }), decode: imagePart }],
  ["input_audio", { known: shape(always, { input_audio: keys("data", "format") }), decode: audioPart }],
  ["file", { known: shape(always, { file: keys("file_data", "filename", "file_id") }), decode: filePart }],
  ["video_url", { known: shape(always, { video_url: keys("url") }), decode: videoPart }],
  ["thinking", { known: shape(always, keys("thinking", "signature")), decode: thinkingPart }],
  ["redacted_thinking", { known: shape(always, keys("data")), decode: thinkingPart }],
]);

function nativePart(object: JsonObject): ContentPart {
  const value = { $typeName: "semaroute.v1.NativePart", issuer: extensionIssuer, json: JSON.stringify(object) } as const;
  return contentPart({ case: "native", value });
}

/** `{url}`, or the bare string that many clients send. */
function urlOf(object: JsonObject, key: string, path: string): string {
  return typeof object[key] === "string" ? object[key] : requiredString(requiredObject(object, key, path), "url", at(path, key));
}

function mediaFromUrl(url: string, path: string, filename: string): Media {
  if (isWebUrl(url)) return media({ case: "url", value: url }, "", filename);
  if (!isDataUrl(url)) return refuse(path, "must be an http, https or data URL");
  const inline = decodeDataUrl(url);
  if (inline === undefined || inline.data.length === 0) return refuse(path, "is not a readable data URL");
  return media({ case: "data", value: inline.data }, inline.mimeType, filename);
}

function imagePart(object: JsonObject, path: string): ContentPart {
  const inner = object["image_url"];
  const where = at(path, "image_url");
  const bare = typeof inner === "string";
  const detail = bare ? undefined : optionalWord(requiredObject(object, "image_url", path), "detail", where, detailByWord);
  const found = mediaFromUrl(urlOf(object, "image_url", path), bare ? where : at(where, "url"), "");
  return contentPart({ case: "image", value: { $typeName: "semaroute.v1.ImagePart", media: found, detail: detail ?? 0 } });
}

function videoPart(object: JsonObject, path: string): ContentPart {
  const found = mediaFromUrl(urlOf(object, "video_url", path), at(path, "video_url.url"), "");
  return contentPart({ case: "video", value: { $typeName: "semaroute.v1.VideoPart", media: found } });
}

function audioPart(object: JsonObject, path: string): ContentPart {
  const where = at(path, "input_audio");
  const input = requiredObject(object, "input_audio", path);
  const format = requiredName(input, "format", where);
  const data = bytes(requiredString(input, "data", where), at(where, "data"));
  const value = media({ case: "data", value: data }, mimeTypeOfAudio(format), "");
  return contentPart({ case: "audio", value: { $typeName: "semaroute.v1.AudioPart", media: value, transcript: "", audioId: "" } });
}

function filePart(object: JsonObject, path: string): ContentPart {
  const where = at(path, "file");
  const file = requiredObject(object, "file", path);
  const filename = optionalString(file, "filename", where) ?? "";
  const id = optionalString(file, "file_id", where);
  const text = optionalString(file, "file_data", where);
  if (text === undefined && id === undefined) return refuse(at(where, "file_data"), "is missing");
  const found =
    text === undefined
      ? media({ case: "file", value: { $typeName: "semaroute.v1.FileHandle", issuer: extensionIssuer, id: id ?? "" } }, "", filename)
      : isDataUrl(text) || isWebUrl(text)
        ? mediaFromUrl(text, at(where, "file_data"), filename)
        : media({ case: "data", value: bytes(text, at(where, "file_data")) }, mimeTypeOfFile(filename), filename);
  const value = { $typeName: "semaroute.v1.DocumentPart", media: found, title: "", context: "", citations: false } as const;
  return contentPart({ case: "document", value });
}

function thinkingPart(object: JsonObject, path: string): ContentPart {
  return reasoningFromBlock(object) ?? refuse(path, "is not a thinking block");
}

function bytes(text: string, path: string): Uint8Array {
  const data = decodeBase64(text);
  return data === undefined || data.length === 0 ? refuse(path, "must be base64") : data;
}
