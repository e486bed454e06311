const legal = /^[a-zA-Z0-9_-]+$/;

/**
 * The id as Anthropic takes it. An illegal one, made by another vendor, is replaced by a pure function of itself, so that
 * call and result still meet and a later turn says the same bytes.
 */
export function wireToolId(id: string): string {
  return legal.test(id) ? id : `toolu_${hex(fnv1a(id, 0x811c9dc5))}${hex(fnv1a(id, 0x01000193))}`;
}

/** FNV-1a over UTF-16 units, 32 bits. */
function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
