/** Plain or URL-safe base64, padded or not, whitespace allowed; undefined where it is neither. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const packed = /\s/.test(text) ? text.replaceAll(/\s+/g, "") : text;
  let digits = packed.length;
  while (digits > 0 && packed.charCodeAt(digits - 1) === 61) digits--;
  const bytes = Buffer.from(packed, "base64");
  // Node skips what is no base64, so a result shorter than its text says tells of it.
  if (packed.length - digits > 2 || digits % 4 === 1 || bytes.length !== Math.floor((digits * 3) / 4)) return undefined;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bytes as base64 text. */
export function encodeBase64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}
