import { ChatError } from "./error.ts";
import { integerText, parseCallerJson } from "./json.ts";

/** A JSON object that nobody has looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One that is being made. */
export type Fields = Record<string, unknown>;

/** Whether it is a JSON object: neither null, nor an array, nor a number that `parseJson` kept raw. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("rawJSON" in value && Object.isFrozen(value));
}

/** Path of a field in the caller's own terms; `path` is the object's, empty at the root. */
export function at(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** Throws INVALID_REQUEST about one field. */
export function refuse(path: string, what: string): never {
  throw new ChatError("INVALID_REQUEST", `${path} ${what}`, { field: path });
}

/** The JSON object in a caller's text; anything else is INVALID_REQUEST at `field`. */
export function callerObject(text: string, field: string): JsonObject {
  let value: unknown;
  try {
    value = parseCallerJson(text);
  } catch (cause) {
    throw new ChatError("INVALID_REQUEST", `${field} is not valid JSON`, { cause, field });
  }
  if (!isJsonObject(value)) throw new ChatError("INVALID_REQUEST", `${field} must be a JSON object`, { field });
  return value;
}

/** Both objects in one; `over` wins. */
export function mergedFields(under: JsonObject | undefined, over: JsonObject): Fields {
  return { ...under, ...over };
}

/** The string under the key; empty where there is none. */
export function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

// The readers below take the object, the key and the object's path; null equals absence.

/** A string, or undefined where absent. */
export function optionalString(object: JsonObject, key: string, path: string): string | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : refuse(at(path, key), "must be a string");
}

/** A string that must be there; it may be empty. */
export function requiredString(object: JsonObject, key: string, path: string): string {
  return optionalString(object, key, path) ?? refuse(at(path, key), "is missing");
}

/** A string that must be there and say something. */
export function requiredName(object: JsonObject, key: string, path: string): string {
  const value = requiredString(object, key, path);
  return value === "" ? refuse(at(path, key), "must not be empty") : value;
}

/** True or false, or undefined where absent. */
export function optionalBoolean(object: JsonObject, key: string, path: string): boolean | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === "boolean" ? value : refuse(at(path, key), "must be true or false");
}

/** Bounds of a number, both included. */
export type Range = readonly [minimum: number, maximum: number];

/** A number within the range, or undefined where absent. */
export function optionalNumber(object: JsonObject, key: string, path: string, range: Range): number | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") return refuse(at(path, key), "must be a number");
  if (!(value >= range[0] && value <= range[1])) return refuse(at(path, key), `must be between ${range[0]} and ${range[1]}`);
  return value;
}

/** The most an unsigned 32-bit field holds. */
export const uint32Max = 0xffff_ffff;

/** An integer within the range, or undefined where absent. */
export function optionalInteger(object: JsonObject, key: string, path: string, range: Range): number | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (integerText(value) === undefined) return refuse(at(path, key), "must be an integer");
  // An integer too long for a double is out of every range we have.
  if (typeof value !== "number") return refuse(at(path, key), `must be between ${range[0]} and ${range[1]}`);
  return optionalNumber(object, key, path, range);
}

/** A signed 64-bit integer, exact, or undefined where absent. */
export function optionalInt64(object: JsonObject, key: string, path: string): bigint | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  const digits = integerText(value);
  if (digits === undefined || !/^-?\d{1,30}$/.test(digits)) return refuse(at(path, key), "must be an integer");
  const number = BigInt(digits);
  return BigInt.asIntN(64, number) === number ? number : refuse(at(path, key), "must fit 64 bits");
}

/** An object, or undefined where absent. */
export function optionalObject(object: JsonObject, key: string, path: string): JsonObject | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  return isJsonObject(value) ? value : refuse(at(path, key), "must be an object");
}

/** An object that must be there. */
export function requiredObject(object: JsonObject, key: string, path: string): JsonObject {
  return optionalObject(object, key, path) ?? refuse(at(path, key), "is missing");
}

/** An array, or undefined where absent. */
export function optionalArray(object: JsonObject, key: string, path: string): readonly unknown[] | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? value : refuse(at(path, key), "must be an array");
}

/** Strings, or undefined where absent. */
export function optionalStrings(object: JsonObject, key: string, path: string): string[] | undefined {
  return optionalArray(object, key, path)?.map((each, i) =>
    typeof each === "string" ? each : refuse(`${at(path, key)}[${i}]`, "must be a string"),
  );
}

/** A map of strings; empty where absent. */
export function optionalTexts(object: JsonObject, key: string, path: string): Record<string, string> {
  const texts = optionalObject(object, key, path);
  const read: Record<string, string> = {};
  for (const name of Object.keys(texts ?? {})) {
    const value = texts?.[name];
    if (typeof value !== "string") return refuse(at(at(path, key), name), "must be a string");
    // Whatever it is called, it is a property of its own.
    Object.defineProperty(read, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return read;
}

/** What a word of the wire means here, or undefined where absent. */
export function optionalWord<T>(object: JsonObject, key: string, path: string, words: ReadonlyMap<string, T>): T | undefined {
  const word = optionalString(object, key, path);
  if (word === undefined) return undefined;
  return words.get(word) ?? refuse(at(path, key), `must be one of ${[...words.keys()].join(", ")}`);
}

/** An array's element as an object. */
export function objectAt(value: unknown, path: string): JsonObject {
  return isJsonObject(value) ? value : refuse(path, "must be an object");
}
