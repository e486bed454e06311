import type { Target } from "../../core/catalog.ts";
import { dropped, note, TranslationAction, type TranslationNote } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";

/** Where a request goes, and what has been told of its translation so far. */
export interface EncodeContext {
  readonly target: Target;
  readonly notes: TranslationNote[];
}

/** Notes that a field is left out; once per field. */
export function drop(context: EncodeContext, field: string, text: string): void {
  if (!context.notes.some((each) => each.field === field)) context.notes.push(dropped(field, text));
}

/** Notes that a field is sent as something near to it; once per field. */
export function approximate(context: EncodeContext, field: string, text: string): void {
  if (!context.notes.some((each) => each.field === field)) context.notes.push(note(field, TranslationAction.APPROXIMATED, text));
}

/** The target cannot take what the request depends on: another one may. */
export function unsupported(context: EncodeContext, field: string, text: string): never {
  throw new ChatError("UNSUPPORTED_FEATURE", `target ${context.target.id} ${text}`, { field });
}
