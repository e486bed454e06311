import { type Fields, isJsonObject } from "./json-fields.ts";

/** A schema within what Anthropic compiles. */
export interface SubsetSchema {
  readonly schema: Fields;
  /** Something was loosened, or became words in a description. */
  readonly changed: boolean;
}

/** Keywords that are understood as they are. */
const kept: ReadonlySet<string> = new Set(["type", "enum", "const", "default", "title", "description", "required", "$ref"]);
/** Keywords that hold one schema, a list of them, and named ones. */
const single: ReadonlySet<string> = new Set(["items"]);
const lists: ReadonlySet<string> = new Set(["anyOf", "allOf"]);
const named: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"]);
/** Keywords that constrain nothing. */
const remarks: ReadonlySet<string> = new Set(["$schema", "$id", "$comment", "examples", "readOnly", "writeOnly", "deprecated"]);
const formats: ReadonlySet<unknown> = new Set("date-time time date duration email hostname uri ipv4 ipv6 uuid".split(" "));

/**
 * The schema in the subset that structured outputs take: objects are closed, `oneOf` is `anyOf`, and a keyword without a
 * twin moves into the description, where the model reads it. Undefined for a recursive schema, which has no such form.
 */
export function subsetSchema(schema: Fields): SubsetSchema | undefined {
  if (isRecursive(schema)) return undefined;
  const state = { changed: false };
  const subset = converted(schema, state);
  // What is within it already stays byte by byte: a caller's cache is bound to it.
  return isSame(subset, schema) ? { schema, changed: false } : { schema: subset, changed: state.changed };
}

/** The schema with a description, where there is no other place for one. */
export function describedSchema(schema: Fields, description: string): Fields {
  if (description === "") return schema;
  const own = schema["description"];
  return { ...schema, description: typeof own === "string" && own !== "" ? `${description}\n${own}` : description };
}

/** Whether two values are the same but for the order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((each, i) => isSame(each, b[i]));
  if (!isJsonObject(a) || !isJsonObject(b)) return JSON.stringify(a) === JSON.stringify(b);
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]));
}

function converted(schema: Fields, state: { changed: boolean }): Fields {
  if (typeof schema["$ref"] === "string") return { $ref: schema["$ref"], ...definitions(schema, state) };
  const out: Fields = {};
  const words: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (kept.has(key)) out[key] = value;
    else if (single.has(key) && isJsonObject(value)) out[key] = converted(value, state);
    else if (lists.has(key) && Array.isArray(value)) out[key] = alternatives(value, state);
    else if (named.has(key) && isJsonObject(value)) out[key] = namedSchemas(value, state);
    else if (key === "oneOf" && Array.isArray(value)) {
      out["anyOf"] = alternatives(value, state);
      state.changed = true;
    } else if (key === "format" && formats.has(value)) out[key] = value;
    else if (key === "minItems" && (value === 0 || value === 1)) out[key] = value;
    else if (key !== "additionalProperties" && !remarks.has(key)) words.push(`${key}: ${JSON.stringify(value)}`);
  }
  closeObject(schema, out, words);
  if (words.length > 0) {
    state.changed = true;
    const description = typeof out["description"] === "string" ? `${out["description"]}\n\n` : "";
    out["description"] = `${description}{${words.join(", ")}}`;
  }
  return out;
}

/** A closed object satisfies an open one's schema too; only what the further properties must be is lost. */
function closeObject(schema: Fields, out: Fields, words: string[]): void {
  const { type } = schema;
  if (type !== "object" && !(Array.isArray(type) && type.includes("object")) && !isJsonObject(schema["properties"])) return;
  const further = schema["additionalProperties"];
  if (isJsonObject(further)) words.push(`additionalProperties: ${JSON.stringify(further)}`);
  out["additionalProperties"] = false;
}

function definitions(schema: Fields, state: { changed: boolean }): Fields {
  const kinds = Object.entries(schema).filter(([key]) => key === "$defs" || key === "definitions");
  return Object.fromEntries(kinds.map(([key, value]) => [key, isJsonObject(value) ? namedSchemas(value, state) : value]));
}

function namedSchemas(schemas: Fields, state: { changed: boolean }): Fields {
  // fromEntries defines own properties, so that one called `__proto__` stays one.
  return Object.fromEntries(Object.entries(schemas).map(([name, value]) => [name, isJsonObject(value) ? converted(value, state) : value]));
}

function alternatives(schemas: readonly unknown[], state: { changed: boolean }): unknown[] {
  return schemas.map((value) => (isJsonObject(value) ? converted(value, state) : value));
}

/** Whether some reference leads back to where it stands. */
function isRecursive(root: Fields): boolean {
  const done = new Set<string>();
  const open = new Set<string>();
  const visit = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(visit);
    if (!isJsonObject(value)) return false;
    const ref = value["$ref"];
    if (typeof ref === "string" && follow(ref)) return true;
    return Object.entries(value).some(([key, each]) => key !== "$defs" && key !== "definitions" && visit(each));
  };
  const follow = (ref: string): boolean => {
    if (ref === "#" || open.has(ref)) return true;
    if (done.has(ref)) return false;
    open.add(ref);
    const loops = visit(target(root, ref));
    open.delete(ref);
    done.add(ref);
    return loops;
  };
  return visit(root);
}

function target(root: Fields, ref: string): unknown {
  if (!ref.startsWith("#/")) return undefined;
  let at: unknown = root;
  for (const step of ref.slice(2).split("/")) {
    if (!isJsonObject(at)) return undefined;
    at = at[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return at;
}
