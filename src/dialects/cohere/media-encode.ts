import { encodeBase64 } from "../../core/base64.ts";
import { type DocumentPart, ImageDetail, type ImagePart, type Media } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { sniffed } from "../../core/media-type.ts";
import { type Encoding, unsupported } from "./encoding.ts";
import type { Fields } from "./fields.ts";

const details: ReadonlyMap<ImageDetail, string> = new Map([
  [ImageDetail.AUTO, "auto"],
  [ImageDetail.LOW, "low"],
  [ImageDetail.HIGH, "high"],
  [ImageDetail.ORIGINAL, "high"],
]);

/** A picture as an element of `content`. */
export function imagePart(image: ImagePart, path: string, encoding: Encoding): Fields {
  if (image.detail === ImageDetail.ORIGINAL) encoding.notes.approximated(`${path}.detail`, "cohere's highest detail is high");
  const detail = details.get(image.detail);
  return { type: "image_url", image_url: { url: imageUrl(image.media, path), ...(detail !== undefined && { detail }) } };
}

function imageUrl(media: Media | undefined, path: string): string {
  switch (media?.source.case) {
    case "url":
      return media.source.value;
    case "data": {
      const bytes = media.source.value;
      return `data:${sniffed(bytes) ?? (media.mimeType || "image/png")};base64,${encodeBase64(bytes)}`;
    }
    case "file":
      throw unsupported(path, "takes images as bytes or by URL only");
    default:
      throw new ChatError("INVALID_REQUEST", "media has no source", { field: path });
  }
}

/** A document of text as what Cohere calls a document's data; other kinds are not taken apart here. */
export function documentData(document: DocumentPart, path: string): Fields {
  const { media, context } = document;
  const source = media?.source;
  if (source?.case !== "data") throw unsupported(path, "takes documents as text only");
  const type = media?.mimeType ?? "";
  const text = type === "" || type.startsWith("text/") || type === "application/json" ? utf8(source.value) : undefined;
  if (text === undefined) throw unsupported(path, "takes documents as text only");
  const title = document.title || (media?.filename ?? "");
  return { ...(title !== "" && { title }), ...(context !== "" && { context }), text };
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
