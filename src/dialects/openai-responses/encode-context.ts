import type { Target } from "../../core/catalog.ts";
import { ChatError } from "../../core/error.ts";
import type { Notes } from "../../core/notes.ts";
import type { ToolNames } from "../../core/tool-names.ts";

/** Where a request goes, and what has been told of its translation so far. */
export interface EncodeContext {
  readonly target: Target;
  readonly notes: Notes;
  readonly names: ToolNames;
}

/** The target cannot take what the request depends on: another one may. */
export function unsupported(context: EncodeContext, field: string, text: string): never {
  throw new ChatError("UNSUPPORTED_FEATURE", `target ${context.target.id} ${text}`, { field });
}
