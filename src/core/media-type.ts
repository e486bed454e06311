/** What the first bytes of a file say that it is; undefined: nothing known. Labels lie, and vendors check. */
export function sniffed(bytes: Uint8Array): string | undefined {
  return signatures.find((signature) => signature.bytes.every((byte, i) => bytes[signature.at + i] === byte))?.type;
}

const signatures: readonly { readonly type: string; readonly at: number; readonly bytes: readonly number[] }[] = [
  { type: "image/jpeg", at: 0, bytes: [0xff, 0xd8, 0xff] },
  { type: "image/png", at: 0, bytes: [0x89, 0x50, 0x4e, 0x47] },
  { type: "image/gif", at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  // After "RIFF" and four bytes of length.
  { type: "image/webp", at: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
  { type: "application/pdf", at: 0, bytes: [0x25, 0x50, 0x44, 0x46, 0x2d] },
];
