/**
 * Text that comes in pieces may be cut within a character of two units, and half of one is no text: it waits for its other half.
 */
export class WholeCharacters {
  #half = "";

  /** The piece, with what had to wait and without what has to. */
  take(piece: string): string {
    const text = this.#half + piece;
    const last = text.charCodeAt(text.length - 1);
    const isHalf = last >= 0xd800 && last <= 0xdbff;
    this.#half = isHalf ? text.slice(-1) : "";
    return isHalf ? text.slice(0, -1) : text;
  }

  /** What stands for a half whose other half never came; empty where none waits. */
  end(): string {
    const missing = this.#half === "" ? "" : "\ufffd";
    this.#half = "";
    return missing;
  }
}
