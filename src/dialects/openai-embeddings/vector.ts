/** Base64 of a vector: float32, little end first, as the official clients read it. */
export function base64FromVector(values: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i] ?? 0, true);
  return Buffer.from(view.buffer).toString("base64");
}

/** The vector in base64; undefined where it is none. */
export function vectorFromBase64(text: string): number[] | undefined {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.length % 4 !== 0 || bytes.length !== bytesIn(text)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values: number[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const value = view.getFloat32(at, true);
    if (!Number.isFinite(value)) return undefined;
    values.push(value);
  }
  return values;
}

/** How many bytes a text of base64 stands for; Node's decoder leaves out what is none. */
function bytesIn(text: string): number {
  let length = text.length;
  while (length > 0 && text.charCodeAt(length - 1) === 0x3d) length--;
  return Math.floor((length * 3) / 4);
}
