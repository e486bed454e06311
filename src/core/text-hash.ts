/** FNV-1a over UTF-16 units, 32 bits. Another basis makes another hash of the same text. */
export function fnv1a(text: string, basis = 0x811c9dc5): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** 32 bits as eight hexadecimal digits. */
export function hex32(word: number): string {
  return word.toString(16).padStart(8, "0");
}
