import { encodeBase64 } from "../../core/base64.ts";
import type { DocumentPart, Media } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import type { Fields } from "../../core/json-fields.ts";
import { sniffed } from "../../core/media-type.ts";
import { issuer } from "./fields.ts";

const imageTypes: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"]);

/** A picture as a part. What its first bytes prove counts more than its label. */
export function imageData(media: Media | undefined, path: string): Fields {
  const type = (media?.source.case === "data" ? sniffed(media.source.value) : undefined) ?? typeOf(media);
  if (type === "image/gif" || (type !== "" && !imageTypes.has(type)))
    throw unsupported("gemini takes png, jpeg, webp, heic and heif images", path);
  if (type === "" && media?.source.case === "data") throw unsupported("an image needs a media type that gemini takes", path);
  return mediaData(media, type, path);
}

/** Other spellings of what Google calls so. */
const audioNames: ReadonlyMap<string, string> = new Map([
  ["audio/mpeg", "audio/mp3"],
  ["audio/x-wav", "audio/wav"],
  ["audio/wave", "audio/wav"],
  ["audio/vnd.wave", "audio/wav"],
]);

/** Sound or moving images as a part. */
export function timedData(media: Media | undefined, path: string): Fields {
  const type = typeOf(media);
  return mediaData(media, audioNames.get(type) ?? type, path);
}

const textTypes: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "application/xml",
  "application/javascript",
  "application/x-javascript",
]);

/** A document as a part: PDF or text; what is text under another name goes as plain text. */
export function documentData({ media }: DocumentPart, path: string): Fields {
  const type = typeOf(media);
  if (media?.source.case !== "data") return mediaData(media, type, path);
  const bytes = media.source.value;
  if (sniffed(bytes) === "application/pdf" || type === "application/pdf") return mediaData(media, "application/pdf", path);
  if (type.startsWith("text/")) return mediaData(media, type, path);
  if (textTypes.has(type) && isUtf8(bytes)) return mediaData(media, "text/plain", path);
  throw unsupported("gemini takes pdf and text documents", path);
}

function mediaData(media: Media | undefined, mimeType: string, path: string): Fields {
  const typed = mimeType === "" ? {} : { mimeType };
  switch (media?.source.case) {
    case "data":
      return { inlineData: { ...typed, data: encodeBase64(media.source.value) } };
    case "url":
      if (!/^(?:https|gs):\/\//i.test(media.source.value)) throw unsupported("gemini fetches https urls only", path);
      return { fileData: { ...typed, fileUri: media.source.value } };
    case "file":
      if (media.source.value.issuer !== issuer) throw unsupported("a file handle of another vendor cannot be read by gemini", path);
      return { fileData: { ...typed, fileUri: media.source.value.id } };
    default:
      throw new ChatError("INVALID_REQUEST", "media has no source", { field: path });
  }
}

const typesByEnding: ReadonlyMap<string, string> = new Map([
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["webp", "image/webp"],
  ["gif", "image/gif"],
  ["heic", "image/heic"],
  ["heif", "image/heif"],
  ["pdf", "application/pdf"],
  ["mp4", "video/mp4"],
  ["webm", "video/webm"],
  ["mov", "video/quicktime"],
  ["mp3", "audio/mp3"],
  ["wav", "audio/wav"],
]);

/** The label, else what a URL's ending says; empty: nothing is known. */
function typeOf(media: Media | undefined): string {
  const label = media?.mimeType.toLowerCase() ?? "";
  if (label !== "" || media?.source.case !== "url") return label === "image/jpg" ? "image/jpeg" : label;
  const [path = ""] = media.source.value.split(/[?#]/);
  return typesByEnding.get(path.slice(path.lastIndexOf(".") + 1).toLowerCase()) ?? "";
}

function unsupported(text: string, field: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", text, { field });
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
