import { ChatError } from "../../core/error.ts";
import { integerText, parseJson } from "../../core/json.ts";

/** A JSON object that nobody has looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What this dialect's extra fields are filed under in `extensions_json`; the same as those of OpenAI's chats. */
export const extensionIssuer = "openai";

/** Whether it is a JSON object: neither null, nor an array, nor a number that `parseJson` kept raw. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && integerText(value) === undefined;
}

/** Throws INVALID_REQUEST about one field. */
export function refuse(path: string, what: string): never {
  throw new ChatError("INVALID_REQUEST", `${path} ${what}`, { field: path });
}

/** A string of at most so many characters; empty where absent or null. */
export function stringAt(object: JsonObject, key: string, lengthMax: number): string {
  const value = object[key] ?? "";
  if (typeof value !== "string") return refuse(key, "must be a string");
  return value.length > lengthMax ? refuse(key, `must be at most ${lengthMax} characters long`) : value;
}

/** What is in an object besides the known keys, as `extensions_json`; null equals absence. */
export function extensionsOf(object: JsonObject, known: ReadonlySet<string>): Record<string, string> {
  const rest = Object.keys(object).filter((key) => !known.has(key) && object[key] !== null && object[key] !== undefined);
  if (rest.length === 0) return {};
  // By name: the order in which they came must not keep an equal request from a stored answer.
  return { [extensionIssuer]: JSON.stringify(Object.fromEntries(rest.toSorted().map((key) => [key, object[key]]))) };
}

/** This dialect's part of `extensions_json`; empty where there is none. What is not a JSON object is the caller's mistake. */
export function extensionFields(extensions: Readonly<Record<string, string>>): JsonObject {
  const text = extensions[extensionIssuer];
  if (text === undefined || text === "") return {};
  const field = `extensions_json.${extensionIssuer}`;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return refuse(field, "is not valid JSON");
  }
  return isJsonObject(value) ? value : refuse(field, "must be a JSON object");
}
