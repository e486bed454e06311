import { isJsonObject, type JsonObject, callerObject } from "./json-fields.ts";

/** Extra fields by issuer, as messages of the vocabulary hold them: each a JSON object's text. */
export type Extensions = Record<string, string>;

/** The keys of an object that the vocabulary carries; a shape as value looks into that key's object. */
export type Shape = ReadonlyMap<string, Shape | true>;

interface ShapeInit {
  readonly [key: string]: true | ShapeInit;
}

/** Compiles a shape; at start-up. */
export function shape(...inits: readonly ShapeInit[]): Shape {
  const compiled = new Map<string, Shape | true>();
  for (const init of inits) for (const [key, inner] of Object.entries(init)) compiled.set(key, inner === true ? true : shape(inner));
  return compiled;
}

/** Shorthand of a shape's init: all these keys are carried whole. */
export function keys(...names: readonly string[]): Record<string, true> {
  return Object.fromEntries(names.map((name) => [name, true]));
}

/** What is in the object and not in the shape; undefined where nothing is. Null equals absence. */
export function unknownOf(object: JsonObject, known: Shape): JsonObject | undefined {
  let rest: Record<string, unknown> | undefined;
  for (const key of Object.keys(object)) {
    const inner = known.get(key);
    if (inner === true) continue;
    let value = object[key];
    if (inner !== undefined) value = isJsonObject(value) ? unknownOf(value, inner) : undefined;
    if (value === null || value === undefined) continue;
    // No prototype: a caller's `__proto__` is a key like any other.
    rest ??= emptyObject();
    rest[key] = value;
  }
  return rest;
}

/** The same fields by their names: the order in which a caller writes them must not keep its request from an equal one's stored answer. */
export function byName(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** What is filed under an issuer; undefined where nothing is. What is not a JSON object is the caller's mistake. */
export function fieldsUnder(issuer: string, extensions: Readonly<Extensions>): JsonObject | undefined {
  const text = extensions[issuer];
  if (text === undefined || text === "") return undefined;
  return callerObject(text, `extensions_json.${issuer}`);
}

/** `known` over `extra`; objects that both have are merged one level deep, so that schemas are never mixed. */
export function merged(extra: JsonObject, known: JsonObject): JsonObject {
  const both: Record<string, unknown> = { ...extra };
  for (const key of Object.keys(known)) {
    const own = known[key];
    const other = extra[key];
    if (own !== undefined) both[key] = isJsonObject(own) && isJsonObject(other) ? { ...other, ...own } : own;
  }
  return both;
}

function emptyObject(): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null);
  return object;
}
