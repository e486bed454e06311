import { type ContentPart, contentPart, type Media, textPart } from "../../core/chat.ts";
import { keys, type Shape, shape } from "../../core/extensions.ts";
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
import { decodeBase64 } from "../../core/base64.ts";
import { decodeDataUrl, isDataUrl, isWebUrl, media, mimeTypeOfAudio, mimeTypeOfFile } from "../../core/media.ts";
import { detailByWord } from "../../core/openai/words.ts";
import { decodeAnnotations } from "./annotations.ts";
import { extensionsOf, filed, issuer, ownFields } from "./extensions.ts";
import { nativePart, refusalPart } from "./parts.ts";

/** A caller's `content` or `output`: a text, or a list of parts. */
export function decodeContent(object: JsonObject, key: string, path: string): ContentPart[] {
  const value = object[key];
  const where = at(path, key);
  if (value === undefined || value === null) return refuse(where, "is missing");
  if (typeof value === "string") return [textPart(value)];
  if (!Array.isArray(value)) return refuse(where, "must be a string or an array of parts");
  return value.map((part, i) => decodePart(part, `${where}[${i}]`));
}

/** Kinds that the vocabulary has not are kept whole for targets of this language. */
function decodePart(value: unknown, path: string): ContentPart {
  const object = objectAt(value, path);
  const kind = kinds.get(requiredName(object, "type", path));
  if (kind === undefined) return nativePart(object);
  const part = kind.decode(object, path);
  part.extensionsJson = filed({ ...ownFields(part.extensionsJson), ...ownFields(extensionsOf(object, kind.known)) });
  return part;
}

interface PartKind {
  /** What the vocabulary carries of it. */
  readonly known: Shape;
  readonly decode: (object: JsonObject, path: string) => ContentPart;
}

const plainText: PartKind = {
  known: shape(keys("type", "text")),
  decode: (object, path) => textPart(requiredString(object, "text", path)),
};

const kinds: ReadonlyMap<string, PartKind> = new Map<string, PartKind>([
  ["input_text", plainText],
  ["text", plainText],
  ["output_text", { known: shape(keys("type", "text", "annotations", "logprobs")), decode: outputText }],
  ["refusal", { known: shape(keys("type", "refusal")), decode: (object, path) => refusalPart(requiredString(object, "refusal", path)) }],
  ["input_image", { known: shape(keys("type", "image_url", "file_id", "detail")), decode: imagePart }],
  ["input_file", { known: shape(keys("type", "file_data", "file_url", "file_id", "filename")), decode: filePart }],
  ["input_audio", { known: shape(keys("type"), { input_audio: keys("data", "format") }), decode: audioPart }],
]);

function outputText(object: JsonObject, path: string): ContentPart {
  const part = textPart(requiredString(object, "text", path));
  const { citations, verbatim } = decodeAnnotations(object["annotations"]);
  if (part.part.case === "text") part.part.value.citations = citations;
  if (verbatim !== undefined) part.extensionsJson = filed({ annotations: verbatim });
  return part;
}

function imagePart(object: JsonObject, path: string): ContentPart {
  const detail = optionalWord(object, "detail", path, detailByWord) ?? 0;
  const url = optionalString(object, "image_url", path);
  const found = url === undefined ? fileOf(object, path, "image_url") : mediaFromUrl(url, at(path, "image_url"), "");
  return contentPart({ case: "image", value: { $typeName: "semaroute.v1.ImagePart", media: found, detail } });
}

function filePart(object: JsonObject, path: string): ContentPart {
  const found = fileMedia(object, path);
  const value = { $typeName: "semaroute.v1.DocumentPart", media: found, title: "", context: "", citations: false } as const;
  return contentPart({ case: "document", value });
}

function fileMedia(object: JsonObject, path: string): Media {
  const filename = optionalString(object, "filename", path) ?? "";
  const data = optionalString(object, "file_data", path);
  const url = optionalString(object, "file_url", path);
  if (data === undefined) return url === undefined ? fileOf(object, path, "file_data") : mediaFromUrl(url, at(path, "file_url"), filename);
  const where = at(path, "file_data");
  if (isDataUrl(data)) return mediaFromUrl(data, where, filename);
  return media({ case: "data", value: bytes(data, where) }, mimeTypeOfFile(filename), filename);
}

/** A file that was uploaded; `other` is the field that might have been there instead. */
function fileOf(object: JsonObject, path: string, other: string): Media {
  const id = optionalString(object, "file_id", path);
  if (id === undefined || id === "") return refuse(at(path, other), "is missing");
  const value = { $typeName: "semaroute.v1.FileHandle", issuer, id } as const;
  return media({ case: "file", value }, "", optionalString(object, "filename", path) ?? "");
}

function audioPart(object: JsonObject, path: string): ContentPart {
  const where = at(path, "input_audio");
  const input = requiredObject(object, "input_audio", path);
  const format = requiredName(input, "format", where);
  const data = bytes(requiredString(input, "data", where), at(where, "data"));
  const value = media({ case: "data", value: data }, mimeTypeOfAudio(format), "");
  return contentPart({ case: "audio", value: { $typeName: "semaroute.v1.AudioPart", media: value, transcript: "", audioId: "" } });
}

function mediaFromUrl(url: string, path: string, filename: string): Media {
  if (isWebUrl(url)) return media({ case: "url", value: url }, "", filename);
  if (!isDataUrl(url)) return refuse(path, "must be an http, https or data URL");
  const inline = decodeDataUrl(url);
  if (inline === undefined || inline.data.length === 0) return refuse(path, "is not a readable data URL");
  return media({ case: "data", value: inline.data }, inline.mimeType, filename);
}

function bytes(text: string, path: string): Uint8Array {
  const data = decodeBase64(text);
  return data === undefined || data.length === 0 ? refuse(path, "must be base64") : data;
}
