import { ChatError } from "./error.ts";
import { parseJson } from "./json.ts";
import { type Fields, isFields } from "./json-object.ts";

/**
 * Most vendors have no tools with free-form input, so they travel as functions of one string. The name's ending tells them
 * from real functions in the answer, where the request is not at hand.
 */
const suffix = "__freeform";

/** What a vendor takes as a tool's name. */
export interface ToolNaming {
  /** For messages. */
  readonly vendor: string;
  /** Characters of a name. */
  readonly nameMax: number;
}

/** The tool's name on the wire; `field` is where it stands in the request. */
export function wireToolName(tool: { readonly name: string; readonly custom: boolean }, field: string, naming: ToolNaming): string {
  const { name, custom } = tool;
  const { vendor, nameMax } = naming;
  if (!custom && name.endsWith(suffix))
    throw new ChatError("UNSUPPORTED_FEATURE", `a function's name must not end in ${suffix} at ${vendor}`, { field });
  const wire = custom ? name + suffix : name;
  if (wire.length <= nameMax) return wire;
  const [what, most] = custom ? ["custom tool", nameMax - suffix.length] : ["function", nameMax];
  throw new ChatError("UNSUPPORTED_FEATURE", `a ${what}'s name has at most ${most} characters at ${vendor}`, { field });
}

/** The caller's name of a tool and its kind. */
export function callerToolName(wireName: string): { readonly name: string; readonly custom: boolean } {
  return wireName.endsWith(suffix) && wireName.length > suffix.length
    ? { name: wireName.slice(0, -suffix.length), custom: true }
    : { name: wireName, custom: false };
}

/** The function's arguments for a free-form input. */
export function wrapped(input: string): Fields {
  return { input };
}

/** The free-form input in the function's arguments; what the model wrote instead, where it is something else. */
export function unwrapped(argumentsJson: string): string {
  let value: unknown;
  try {
    value = parseJson(argumentsJson);
  } catch {
    return argumentsJson;
  }
  return isFields(value) && typeof value["input"] === "string" ? value["input"] : argumentsJson;
}

/** The function that stands for a free-form tool. */
export function freeformFunction(
  description: string,
  grammarSyntax: string,
  grammar: string,
): { description: string; input_schema: Fields } {
  const syntax = grammarSyntax === "" ? "grammar" : `${grammarSyntax} grammar`;
  const lines = [description, grammar === "" ? "" : `The input must match this ${syntax}:\n${grammar}`];
  return {
    description: lines.filter((line) => line !== "").join("\n\n"),
    input_schema: { type: "object", properties: { input: { type: "string" } }, required: ["input"], additionalProperties: false },
  };
}
