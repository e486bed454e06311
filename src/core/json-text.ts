const backslash = 0x5c;

/**
 * Where the string that begins at `start` ends; the text's length where it does not. Prompts are long, and `indexOf` is
 * much faster than a look at each character.
 */
export function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    if (!isEscaped(text, at)) return at;
  }
  return text.length;
}

/** Whether the string that ends there is a key: a colon comes next. */
export function isKey(text: string, end: number): boolean {
  for (let i = end + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x20) return code === 0x3a;
  }
  return false;
}

/** Whether an odd number of backslashes stands before the character. */
export function isEscaped(text: string, at: number): boolean {
  let escapes = 0;
  while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++;
  return escapes % 2 === 1;
}
