import type { Target } from "../../core/catalog.ts";
import { note, TranslationAction, type TranslationNote } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";

/** Where a request goes, and what was collected on its way. */
export interface Encoding {
  readonly target: Target;
  readonly notes: TranslationNote[];
}

/** Notes a change; a long conversation meets the same trouble in each turn, so once for each field and kind. */
export function tell(encoding: Encoding, action: TranslationAction, field: string, text: string): void {
  const known = encoding.notes.some((each) => each.field === field && each.action === action);
  if (!known) encoding.notes.push(note(field, action, text));
}

/** Notes that a field is left out. */
export function drop(encoding: Encoding, field: string, text: string): void {
  tell(encoding, TranslationAction.DROPPED, field, text);
}

/** A number within its bounds, with a note where it was not. */
export function clamped(encoding: Encoding, field: string, value: number, [least, most]: readonly [number, number]): number {
  if (value >= least && value <= most) return value;
  tell(encoding, TranslationAction.CLAMPED, field, `cohere takes ${least} to ${most}`);
  return Math.min(Math.max(value, least), most);
}

/** The target cannot take what the answer depends on; another one may. */
export function unsupported(field: string, text: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", `cohere ${text}`, { field });
}
