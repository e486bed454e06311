import type { Target } from "../../core/catalog.ts";
import { ChatError } from "../../core/error.ts";
import { Notes } from "../../core/notes.ts";
import { fnv1a, hex32 } from "../../core/text-hash.ts";
import { ToolNames } from "../../core/tool-names.ts";

/** Where a request goes, and what was collected on its way. */
export interface Encoding {
  readonly target: Target;
  readonly notes: Notes;
  readonly names: ToolNames;
}

/** Most characters of a tool's name. */
const toolNameMax = 64;

/** Nothing collected yet. */
export function encodingFor(target: Target): Encoding {
  return { target, notes: new Notes(), names: new ToolNames(toolNameMax, plainToolName) };
}

/** Letters, digits and underscores, no digit first. https://docs.cohere.com/reference/errors */
function plainToolName(name: string, max: number): string {
  if (name.length <= max && /^[A-Za-z_]\w*$/.test(name)) return name;
  const hash = `_${hex32(fnv1a(name))}`;
  return (
    name
      .replaceAll(/\W/g, "_")
      .replace(/^(?=\d)/, "_")
      .slice(0, max - hash.length) + hash
  );
}

/** A number within its bounds, with a note where it was not. */
export function clamped(encoding: Encoding, field: string, value: number, [least, most]: readonly [number, number]): number {
  if (value >= least && value <= most) return value;
  encoding.notes.clamped(field, `cohere takes ${least} to ${most}`);
  return Math.min(Math.max(value, least), most);
}

/** The target cannot take what the answer depends on; another one may. */
export function unsupported(field: string, text: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", `cohere ${text}`, { field });
}
