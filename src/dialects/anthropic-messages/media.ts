import type { DocumentPart, ImagePart, Media } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { sniffed } from "../../core/media-type.ts";
import { type Fields, issuer } from "./fields.ts";

/** What carries the beta names a body needs. */
export interface Betas {
  /** For the header `anthropic-beta`, in the order they were met. */
  readonly betas: Set<string>;
}

const filesBeta = "files-api-2025-04-14";
const imageTypes: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

/** Where the picture is. The type is read from its first bytes, since labels lie and Anthropic checks. */
export function imageSource(image: ImagePart, path: string, into: Betas): Fields {
  const { media } = image;
  if (media?.source.case !== "data") return reference(media, path, into);
  const bytes = media.source.value;
  const mediaType = sniffed(bytes) ?? media.mimeType;
  if (!imageTypes.has(mediaType)) throw unsupported("anthropic takes jpeg, png, gif and webp images", path);
  return { type: "base64", media_type: mediaType, data: base64(bytes) };
}

/** Where the document is: PDF, plain text, or a reference to one. */
export function documentSource(document: DocumentPart, path: string, into: Betas): Fields {
  const { media } = document;
  if (media?.source.case !== "data") return reference(media, path, into);
  const bytes = media.source.value;
  if (sniffed(bytes) === "application/pdf" || media.mimeType === "application/pdf")
    return { type: "base64", media_type: "application/pdf", data: base64(bytes) };
  const text = media.mimeType.startsWith("text/") || media.mimeType === "" ? utf8(bytes) : undefined;
  if (text === undefined) throw unsupported("anthropic takes pdf and utf-8 text documents", path);
  return { type: "text", media_type: "text/plain", data: text };
}

function reference(media: Media | undefined, path: string, into: Betas): Fields {
  switch (media?.source.case) {
    case "url":
      if (!/^https:/i.test(media.source.value)) throw unsupported("anthropic fetches https urls only", path);
      return { type: "url", url: media.source.value };
    case "file":
      if (media.source.value.issuer !== issuer) throw unsupported("a file handle of another vendor cannot be read by anthropic", path);
      into.betas.add(filesBeta);
      return { type: "file", file_id: media.source.value.id };
    default:
      throw new ChatError("INVALID_REQUEST", "media has no source", { field: path });
  }
}

function unsupported(text: string, field: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", text, { field });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
