import { ChatError } from "./error.ts";
import { parseCallerJson } from "./json.ts";

/** A JSON object whose values nobody has looked at. */
export type Fields = Record<string, unknown>;

/** Whether the value is a JSON object. An integer that `parseJson` kept raw is an object as well, but one without a prototype. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.getPrototypeOf(value) !== null;
}

/** The string under the key; empty where there is none. */
export function textAt(fields: Fields, key: string): string {
  const value = fields[key];
  return typeof value === "string" ? value : "";
}

/** The object in a caller's JSON text; anything else is INVALID_REQUEST at `field`. */
export function callerFields(text: string, field: string): Fields {
  let value: unknown;
  try {
    value = parseCallerJson(text);
  } catch (cause) {
    throw new ChatError("INVALID_REQUEST", `${field} is not valid JSON`, { cause, field });
  }
  if (!isFields(value)) throw new ChatError("INVALID_REQUEST", `${field} is not a JSON object`, { field });
  return value;
}

/** Both objects in one; `over` wins. */
export function mergedFields(under: Fields | undefined, over: Fields): Fields {
  return under === undefined ? over : { ...under, ...over };
}
