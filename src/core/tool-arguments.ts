import { type Fields, isJsonObject } from "./json-fields.ts";
import { parseCallerJson } from "./json.ts";
import type { Notes } from "./notes.ts";

/**
 * A call's arguments as the object that vendors want; `path` is the part's. Models do write invalid JSON and clients do replay
 * it; the call must stay, since its result does.
 */
export function argumentsObject(text: string, path: string, notes: Notes): Fields {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return {};
  try {
    const value = parseCallerJson(text);
    if (isJsonObject(value)) return value;
  } catch {
    // Said below, as for JSON that is no object.
  }
  notes.approximated(`${path}.tool_call.arguments_json`, "arguments that are no JSON object are sent as text under _raw");
  return { _raw: text };
}
