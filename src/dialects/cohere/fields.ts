import { ChatError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";

/** The family's name in `Opaque.issuer` and the keys of `extensions_json`. */
export const issuer = "cohere";

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

/** The object under the key; an empty one where there is none. */
export function fieldsAt(fields: Fields, key: string): Fields {
  const value = fields[key];
  return isFields(value) ? value : {};
}

/** The array under the key; an empty one where there is none. */
export function listAt(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  return Array.isArray(value) ? value : [];
}

/** The object in a caller's JSON text; anything else is INVALID_REQUEST at `field`. */
export function callerFields(text: string, field: string): Fields {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw new ChatError("INVALID_REQUEST", `${field} is not valid JSON`, { field });
  }
  if (!isFields(value)) throw new ChatError("INVALID_REQUEST", `${field} is not a JSON object`, { field });
  return value;
}

/** What `extensions_json` holds for us; `path` is the message's own, empty at the root. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  if (text === undefined || text === "") return undefined;
  return callerFields(text, `${path === "" ? "" : `${path}.`}extensions_json.${issuer}`);
}

/** What is left of an answer's object besides the known fields, as `extensions_json`; what says nothing is left out. */
export function extensionsOf(fields: Fields, known: ReadonlySet<string>): Record<string, string> {
  const rest = Object.entries(fields).filter(([key, value]) => !known.has(key) && value !== null && value !== undefined);
  return rest.length === 0 ? {} : { [issuer]: JSON.stringify(Object.fromEntries(rest)) };
}
