import type { Target } from "../../core/catalog.ts";
import type { Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import type { Notes } from "../../core/notes.ts";
import type { ToolNames } from "../../core/tool-names.ts";
import { type Extensions, merged } from "../../core/extensions.ts";
import { extensionIssuer, extraFields } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";

/** Where a request goes, and what has been told of its translation so far. */
export interface EncodeContext {
  readonly target: Target;
  readonly quirks: Quirks;
  readonly notes: Notes;
  readonly names: ToolNames;
}

/** The target cannot take what the request depends on: another one may. */
export function unsupported(context: EncodeContext, field: string, text: string): never {
  throw new ChatError("UNSUPPORTED_FEATURE", `target ${context.target.id} ${text}`, { field });
}

/** What is known over this dialect's extra fields, where the host takes fields that it may not know; `path` is the object's. */
export function extended(context: EncodeContext, extensions: Readonly<Extensions>, known: JsonObject, path: string): JsonObject {
  if (extensions[extensionIssuer] === undefined) return known;
  if (context.quirks.strictFields === true) {
    context.notes.dropped(`${path}.extensions_json.${extensionIssuer}`, "the host refuses fields it does not know");
    return known;
  }
  const extra = extraFields(extensions);
  return extra === undefined ? known : merged(extra, known);
}
