import type { Notes } from "../../core/notes.ts";
import type { ModelRules } from "./model-rules.ts";
import type { FunctionNames } from "./tool-names.ts";

/** What encoding one request stands on, and what it collects. */
export interface Encoding {
  readonly rules: ModelRules;
  readonly notes: Notes;
  readonly names: FunctionNames;
}
