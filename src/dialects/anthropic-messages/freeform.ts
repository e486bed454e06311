import { ChatError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { type Fields, isFields } from "./fields.ts";

/**
 * Anthropic has no tools with free-form input, so they travel as functions of one string. The name's ending tells them
 * from real functions in the answer, where the request is not at hand.
 */
const suffix = "__freeform";
const nameMax = 128;

/** The tool's name on the wire; `field` is where it stands in the request. */
export function wireToolName(name: string, custom: boolean, field: string): string {
  if (!custom) {
    if (!name.endsWith(suffix)) return name;
    throw new ChatError("UNSUPPORTED_FEATURE", `a function's name must not end in ${suffix} at anthropic`, { field });
  }
  if (name.length + suffix.length <= nameMax) return name + suffix;
  throw new ChatError("UNSUPPORTED_FEATURE", `a custom tool's name has at most ${nameMax - suffix.length} characters at anthropic`, {
    field,
  });
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
