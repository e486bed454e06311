import type { DocumentPart, Media } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import type { Fields } from "../../core/json-fields.ts";
import { sniffed } from "../../core/media-type.ts";
import { base64, issuer } from "./fields.ts";

/** Kinds of media by the name of their block. */
export type MediaKind = "image" | "document" | "audio" | "video";

/** Converse's words for media types. */
const formats: Readonly<Record<MediaKind, ReadonlyMap<string, string>>> = {
  image: new Map(["png", "jpeg", "gif", "webp"].map((word) => [`image/${word}`, word])),
  document: new Map([
    ["application/pdf", "pdf"],
    ["text/csv", "csv"],
    ["application/msword", "doc"],
    ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"],
    ["application/vnd.ms-excel", "xls"],
    ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"],
    ["text/html", "html"],
    ["text/plain", "txt"],
    ["text/markdown", "md"],
  ]),
  audio: new Map([
    ["audio/mpeg", "mp3"],
    ["audio/mp3", "mp3"],
    ["audio/wav", "wav"],
    ["audio/x-wav", "wav"],
    ["audio/wave", "wav"],
    ["audio/flac", "flac"],
    ["audio/ogg", "ogg"],
    ["audio/opus", "opus"],
    ["audio/aac", "aac"],
    ["audio/mp4", "mp4"],
    ["audio/m4a", "m4a"],
    ["audio/webm", "webm"],
    ["audio/pcm", "pcm"],
  ]),
  video: new Map([
    ["video/mp4", "mp4"],
    ["video/quicktime", "mov"],
    ["video/x-matroska", "mkv"],
    ["video/webm", "webm"],
    ["video/x-flv", "flv"],
    ["video/mpeg", "mpeg"],
    ["video/x-ms-wmv", "wmv"],
    ["video/3gpp", "three_gp"],
  ]),
};

/** `format` and `source` of a block. Converse fetches nothing but from S3, so that a URL is no source. */
export function mediaFields(kind: MediaKind, media: Media | undefined, path: string): Fields {
  switch (media?.source.case) {
    case "data": {
      const bytes = media.source.value;
      // Labels of images and PDFs lie.
      return { format: formatOf(kind, sniffed(bytes) ?? media.mimeType, media, path), source: { bytes: base64(bytes) } };
    }
    case "url":
      if (media.source.value.startsWith("s3://")) return stored(kind, media, media.source.value, path);
      throw unsupported(`bedrock takes ${kind} content as bytes; it fetches no URLs`, path);
    case "file":
      if (media.source.value.issuer === issuer && media.source.value.id.startsWith("s3://"))
        return stored(kind, media, media.source.value.id, path);
      throw unsupported("a file handle of another vendor cannot be read by bedrock", path);
    default:
      throw new ChatError("INVALID_REQUEST", "media has no source", { field: path });
  }
}

function stored(kind: MediaKind, media: Media, uri: string, path: string): Fields {
  return { format: formatOf(kind, media.mimeType, media, path), source: { s3Location: { uri } } };
}

function formatOf(kind: MediaKind, type: string, { filename }: Media, path: string): string {
  const known = formats[kind];
  const bare = (type.split(";")[0] ?? "").trim().toLowerCase();
  const word = known.get(bare);
  if (word !== undefined) return word;
  const ending = /\.([A-Za-z0-9]{1,5})$/.exec(filename)?.[1]?.toLowerCase() ?? "";
  const words = new Set(known.values());
  if ((bare === "" || bare === "application/octet-stream") && words.has(ending)) return ending;
  if (kind === "document" && (bare.startsWith("text/") || bare === "application/json" || bare === "")) return "txt";
  throw unsupported(`bedrock takes ${kind} content as ${[...words].join(", ")}`, path);
}

function unsupported(text: string, field: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", text, { field });
}

/**
 * A name for a document as Converse takes it: letters, digits, single spaces, hyphens, parentheses and square brackets, and not one
 * that an earlier document has.
 */
export function documentName({ title, media }: DocumentPart, taken: Set<string>): string {
  const written = title === "" ? (media?.filename ?? "").replace(/\.[A-Za-z0-9]{1,5}$/, "") : title;
  const legal = written
    .replaceAll(/[^A-Za-z0-9 \-()[\]]+/g, " ")
    .replaceAll(/ +/g, " ")
    .trim()
    .slice(0, 190)
    .trimEnd();
  const base = legal === "" ? "Document" : legal;
  let name = base;
  for (let i = 2; taken.has(name); i++) name = `${base} ${i}`;
  taken.add(name);
  return name;
}
