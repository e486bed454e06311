import { createHash, hash } from "node:crypto";

/** Bytes of chance in a secret: nobody finds one by trying. */
export const secretBytes = 32;

const mark = "sr_";
/** Characters behind the mark: 32 bytes in base64url, and a checksum. */
const chanceLength = 43;
const checksumLength = 6;
/** Characters of it that are shown to recognise it by; 220 bits of chance remain. */
const prefixLength = mark.length + 6;

const shape = new RegExp(`^${mark}[A-Za-z0-9_-]{${chanceLength + checksumLength}}$`);

/**
 * `sr_`, the bytes in base64url, and six characters that follow from them: whoever finds such a text can tell it from others
 * without asking us, be it a scanner for lost secrets or a door.
 */
export function secretFrom(bytes: Uint8Array): string {
  const body = mark + Buffer.from(bytes).toString("base64url");
  return body + checksumOf(body);
}

/** Whether a text could be a secret of ours. */
export function isSecret(text: string): boolean {
  if (!text.startsWith(mark) || !shape.test(text)) return false;
  return checksumOf(text.slice(0, -checksumLength)) === text.slice(-checksumLength);
}

/**
 * What is kept of a secret: SHA-256, in hexadecimal. Slow hashes such as bcrypt protect what people think up; 256 bits of chance
 * cannot be tried through, and every call has to be looked up by it.
 */
export function digestOf(secret: string): string {
  return hash("sha256", secret, "hex");
}

/** What a secret is recognised by. */
export function prefixOf(secret: string): string {
  return secret.slice(0, prefixLength);
}

function checksumOf(body: string): string {
  return createHash("sha256").update(body).digest("base64url").slice(0, checksumLength);
}
