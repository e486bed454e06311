import { type ContentPart, contentPart, type Media } from "../../core/chat.ts";
import { nativePart } from "./blocks-decode.ts";
import { at, optionalFields, optionalText, refuse, requiredFields, requiredName, requiredText } from "./caller-fields.ts";
import { type Fields, issuer, textAt } from "./fields.ts";
import { plainText, standIn } from "./stand-in.ts";

/** Fields of a source that the vocabulary has. */
export const sourceKnown: ReadonlySet<string> = new Set(["type", "media_type", "data", "url", "file_id", "content"]);

/** An image block. */
export function imageFrom(block: Fields, path: string): ContentPart {
  const where = at(path, "source");
  const media = mediaFrom(requiredFields(block, "source", path), where);
  if (media === undefined) return nativePart(block);
  return contentPart({ case: "image", value: { $typeName: "semaroute.v1.ImagePart", media, detail: 0 } });
}

/** A document block. One of text chunks, which only Anthropic has, is their text to others; with images in it, it is theirs alone. */
export function documentFrom(block: Fields, path: string): { readonly part: ContentPart; readonly extra?: Fields } {
  const source = requiredFields(block, "source", path);
  if (source["type"] === "content") {
    const text = plainText(source["content"]);
    if (text === undefined) return { part: nativePart(block) };
    return standIn([textAt(block, "title"), textAt(block, "context"), text].filter((each) => each !== "").join("\n"), block);
  }
  const media = mediaFrom(source, at(path, "source"));
  if (media === undefined) return { part: nativePart(block) };
  const value = {
    $typeName: "semaroute.v1.DocumentPart",
    media,
    title: optionalText(block, "title", path) ?? "",
    context: optionalText(block, "context", path) ?? "",
    citations: optionalFields(block, "citations", path)?.["enabled"] === true,
  } as const;
  return { part: contentPart({ case: "document", value }) };
}

/** Where bytes are; undefined for kinds of source that are younger than this code. */
function mediaFrom(source: Fields, path: string): Media | undefined {
  switch (requiredName(source, "type", path)) {
    case "base64": {
      const data = bytesOf(requiredName(source, "data", path), at(path, "data"));
      return mediaAt({ case: "data", value: data }, requiredName(source, "media_type", path));
    }
    case "text":
      return mediaAt({ case: "data", value: new TextEncoder().encode(requiredText(source, "data", path)) }, "text/plain");
    case "url":
      return mediaAt({ case: "url", value: webUrl(requiredName(source, "url", path), at(path, "url")) }, "");
    case "file":
      return mediaAt(
        { case: "file", value: { $typeName: "semaroute.v1.FileHandle", issuer, id: requiredName(source, "file_id", path) } },
        "",
      );
    default:
      return undefined;
  }
}

function mediaAt(source: Media["source"], mimeType: string): Media {
  return { $typeName: "semaroute.v1.Media", source, mimeType, filename: "" };
}

function webUrl(url: string, path: string): string {
  return /^https?:\/\/./i.test(url) ? url : refuse(path, "must be an http or https URL");
}

/** Node skips what is no base64, so a result shorter than its text says tells of it. */
function bytesOf(text: string, path: string): Uint8Array {
  const packed = text.replaceAll(/\s+/g, "");
  const digits = packed.replace(/=+$/, "").length;
  const bytes = Buffer.from(packed, "base64");
  if (packed.length - digits > 2 || digits % 4 === 1 || bytes.length !== Math.floor((digits * 3) / 4))
    return refuse(path, "must be base64");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
