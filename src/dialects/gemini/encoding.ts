import type { Notes } from "../../core/notes.ts";
import { legalToolName, ToolNames } from "../../core/tool-names.ts";
import type { ModelRules } from "./model-rules.ts";

/** What encoding one request stands on, and what it collects. */
export interface Encoding {
  readonly rules: ModelRules;
  readonly notes: Notes;
  readonly names: ToolNames;
}

/** Most characters of a function's name at Google. */
const nameMax = 128;

/** Names of functions as Google takes them: the first character is a letter or an underscore. */
export function functionNames(): ToolNames {
  return new ToolNames(nameMax, (name, max) => legalToolName(/^[A-Za-z_]/.test(name) ? name : `_${name}`, max));
}
