import type { Target } from "../../core/catalog.ts";
import type { TranslationNote } from "../../core/chat.ts";
import { dropped } from "../../core/chat.ts";
import type { Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import type { ToolNames } from "../../core/tool-names.ts";
import { type Extensions, merged } from "../../core/extensions.ts";
import { extensionIssuer, extraFields } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";

/** Where a request goes, and what has been told of its translation so far. */
export interface EncodeContext {
  readonly target: Target;
  readonly quirks: Quirks;
  readonly notes: TranslationNote[];
  readonly names: ToolNames;
}

/** Notes that a field is left out; once per field. */
export function drop(context: EncodeContext, field: string, text: string): void {
  if (!context.notes.some((note) => note.field === field)) context.notes.push(dropped(field, text));
}

/** The target cannot take what the request depends on: another one may. */
export function unsupported(context: EncodeContext, field: string, text: string): never {
  throw new ChatError("UNSUPPORTED_FEATURE", `target ${context.target.id} ${text}`, { field });
}

/** What is known over this dialect's extra fields, where the host takes fields that it may not know. */
export function extended(context: EncodeContext, extensions: Readonly<Extensions>, known: JsonObject, field: string): JsonObject {
  if (extensions[extensionIssuer] === undefined) return known;
  if (context.quirks.strictFields === true) {
    drop(context, field, "the host refuses fields it does not know");
    return known;
  }
  const extra = extraFields(extensions);
  return extra === undefined ? known : merged(extra, known);
}
