import { parseJson } from "./json.ts";

// Most vendors have no tools with free-form input: there, such a tool travels as a function of one string.

/** The function that stands for a free-form tool: its description, and its parameters as a JSON Schema. */
export interface FreeformFunction {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** `grammarSyntax` and `grammar` may be empty. */
export function freeformFunction(tool: {
  readonly description: string;
  readonly grammarSyntax: string;
  readonly grammar: string;
}): FreeformFunction {
  const { description, grammarSyntax, grammar } = tool;
  const syntax = grammarSyntax === "" ? "grammar" : `${grammarSyntax} grammar`;
  const lines = [description, grammar === "" ? "" : `The input must match this ${syntax}:\n${grammar}`];
  return {
    description: lines.filter((line) => line !== "").join("\n\n"),
    schema: { type: "object", properties: { input: { type: "string" } }, required: ["input"], additionalProperties: false },
  };
}

/** The function's arguments for a free-form input. */
export function wrapped(input: string): { input: string } {
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
  return typeof value === "object" && value !== null && "input" in value && typeof value.input === "string" ? value.input : argumentsJson;
}
