import { parseJson } from "../../core/json.ts";
import { type Fields, isFields } from "./fields.ts";

/** The schema of the function that stands for a free-form tool: one string. */
export const freeformSchema: Fields = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
};

/** A free-form input as arguments of that function. */
export function wrapped(input: string): string {
  return JSON.stringify({ input });
}

/** The way back; what the model wrote instead, where it is something else. */
export function unwrapped(argumentsJson: string): string {
  let value: unknown;
  try {
    value = parseJson(argumentsJson);
  } catch {
    return argumentsJson;
  }
  return isFields(value) && typeof value["input"] === "string" ? value["input"] : argumentsJson;
}

/** Arguments as text. Of a call without any, Cohere says null, or "null", or nothing. */
export function argumentsText(value: unknown): string {
  const text = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);
  return saysNothing(text) ? "{}" : text;
}

/** Whether these arguments stand for none. */
export function saysNothing(text: string): boolean {
  const trimmed = text.trim();
  return trimmed === "" || trimmed === "null";
}
