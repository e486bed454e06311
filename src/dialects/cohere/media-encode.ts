import { type DocumentPart, ImageDetail, type ImagePart, type Media, TranslationAction } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Encoding, tell, unsupported } from "./encoding.ts";
import type { Fields } from "./fields.ts";

const details: ReadonlyMap<ImageDetail, string> = new Map([
  [ImageDetail.AUTO, "auto"],
  [ImageDetail.LOW, "low"],
  [ImageDetail.HIGH, "high"],
  [ImageDetail.ORIGINAL, "high"],
]);

/** A picture as an element of `content`. */
export function imagePart(image: ImagePart, path: string, encoding: Encoding): Fields {
  if (image.detail === ImageDetail.ORIGINAL)
    tell(encoding, TranslationAction.APPROXIMATED, "messages.content.image.detail", "cohere's highest detail is high");
  const detail = details.get(image.detail);
  return { type: "image_url", image_url: { url: imageUrl(image.media, path), ...(detail !== undefined && { detail }) } };
}

function imageUrl(media: Media | undefined, path: string): string {
  switch (media?.source.case) {
    case "url":
      return media.source.value;
    case "data": {
      const bytes = media.source.value;
      const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
      return `data:${sniffed(bytes) ?? (media.mimeType || "image/png")};base64,${base64}`;
    }
    case "file":
      throw unsupported(path, "takes images as bytes or by URL only");
    default:
      throw new ChatError("INVALID_REQUEST", "media has no source", { field: path });
  }
}

const signatures: readonly { readonly type: string; readonly at: number; readonly bytes: readonly number[] }[] = [
  { type: "image/jpeg", at: 0, bytes: [0xff, 0xd8, 0xff] },
  { type: "image/png", at: 0, bytes: [0x89, 0x50, 0x4e, 0x47] },
  { type: "image/gif", at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  // After "RIFF" and four bytes of length.
  { type: "image/webp", at: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
];

/** Labels lie; the first bytes do not. */
function sniffed(bytes: Uint8Array): string | undefined {
  return signatures.find((signature) => signature.bytes.every((byte, i) => bytes[signature.at + i] === byte))?.type;
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
