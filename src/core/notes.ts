import { note, TranslationAction, type TranslationNote } from "./chat.ts";

/**
 * What one translation had to change. A long conversation meets the same trouble in each turn, so each kind is noted once,
 * with the path of its first place.
 */
export class Notes {
  readonly list: TranslationNote[] = [];
  readonly #kinds = new Set<string>();

  dropped(field: string, text: string): void {
    this.#add(field, TranslationAction.DROPPED, text);
  }

  clamped(field: string, text: string): void {
    this.#add(field, TranslationAction.CLAMPED, text);
  }

  emulated(field: string, text: string): void {
    this.#add(field, TranslationAction.EMULATED, text);
  }

  approximated(field: string, text: string): void {
    this.#add(field, TranslationAction.APPROXIMATED, text);
  }

  #add(field: string, action: TranslationAction, text: string): void {
    const kind = `${action} ${field.replaceAll(/\[\d+\]/g, "[]")} ${text}`;
    if (this.#kinds.has(kind)) return;
    this.#kinds.add(kind);
    this.list.push(note(field, action, text));
  }
}
