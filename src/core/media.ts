import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { DocumentPart, Media } from "./chat.ts";
import type { Notes } from "./notes.ts";

/** Bytes and what they are. */
export interface Inline {
  /** Lower case, without parameters. */
  readonly mimeType: string;
  readonly data: Uint8Array;
}

/** Media of one source. */
export function media(source: Media["source"], mimeType: string, filename: string): Media {
  return { $typeName: "semaroute.v1.Media", source, mimeType, filename };
}

/**
 * What is said about a document, for languages that have no place for it: it goes in front. `name`: the one it is sent under, empty
 * where it has none; `path` is the document's.
 */
export function wordsAbout({ title, context }: DocumentPart, name: string, path: string, notes: Notes): string {
  const words = [title === name ? "" : title, context].filter((text) => text !== "").join("\n");
  if (words !== "") notes.approximated(path, "what is said about the document is sent as text in front of it");
  return words;
}

/** Whether it is a `data:` URL; schemes are case-insensitive. */
export function isDataUrl(url: string): boolean {
  return url.slice(0, 5).toLowerCase() === "data:";
}

/** Whether it is an http or https URL. */
export function isWebUrl(url: string): boolean {
  return /^https?:\/\/./i.test(url.slice(0, 9));
}

/** Reads `data:[<mime>][;charset=…][;base64],<data>`; undefined where it is not one. */
export function decodeDataUrl(url: string): Inline | undefined {
  const comma = url.indexOf(",");
  if (comma < 0) return undefined;
  const [mime = "", ...parameters] = url.slice(5, comma).split(";");
  const payload = url.slice(comma + 1);
  const isBase64 = parameters.some((parameter) => parameter.trim().toLowerCase() === "base64");
  const data = isBase64 ? decodeBase64(payload.includes("%") ? unescaped(payload).toString("latin1") : payload) : unescaped(payload);
  if (data === undefined) return undefined;
  return { mimeType: mime.trim().toLowerCase() || "text/plain", data };
}

/** Bytes as a `data:` URL. */
export function encodeDataUrl(mimeType: string, data: Uint8Array): string {
  return `data:${mimeType};base64,${encodeBase64(data)}`;
}

const audioFormats: ReadonlyMap<string, string> = new Map([
  ["wav", "audio/wav"],
  ["mp3", "audio/mpeg"],
]);

/** IANA type of an audio format's word. */
export function mimeTypeOfAudio(format: string): string {
  return audioFormats.get(format) ?? `audio/${format}`;
}

/** OpenAI's word for an audio type. */
export function audioFormat(mimeType: string): string {
  switch (mimeType) {
    case "audio/wav":
    case "audio/x-wav":
    case "audio/wave":
    case "audio/vnd.wave":
      return "wav";
    case "audio/mpeg":
    case "audio/mp3":
      return "mp3";
    default:
      return mimeType.slice(mimeType.indexOf("/") + 1);
  }
}

const documentTypes: ReadonlyMap<string, string> = new Map([
  ["txt", "text/plain"],
  ["md", "text/markdown"],
  ["csv", "text/csv"],
  ["html", "text/html"],
  ["json", "application/json"],
]);

/** IANA type of a file by its name; PDF where the name tells nothing, since that is what OpenAI takes. */
export function mimeTypeOfFile(filename: string): string {
  const extension = filename.slice(filename.lastIndexOf(".") + 1).toLowerCase();
  return documentTypes.get(extension) ?? "application/pdf";
}

/** The type that the first bytes prove, for data that came without one. */
export function sniffImage(data: Uint8Array): string | undefined {
  const starts = (...bytes: readonly number[]): boolean => bytes.every((byte, i) => data[i] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (starts(0x47, 0x49, 0x46, 0x38)) return "image/gif";
  if (starts(0x52, 0x49, 0x46, 0x46) && data[8] === 0x57 && data[9] === 0x45) return "image/webp";
  return undefined;
}

/** Percent escapes as the bytes they stand for, the rest as UTF-8. */
function unescaped(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const escaped = bytes[i] === 0x25 ? Number.parseInt(hexDigits(bytes, i + 1), 16) : Number.NaN;
    bytes[length++] = Number.isNaN(escaped) ? (bytes[i] ?? 0) : escaped;
    if (!Number.isNaN(escaped)) i += 2;
  }
  return bytes.subarray(0, length);
}

function hexDigits(bytes: Buffer, start: number): string {
  const pair = bytes.toString("latin1", start, start + 2);
  return /^[0-9a-f]{2}$/i.test(pair) ? pair : "";
}
