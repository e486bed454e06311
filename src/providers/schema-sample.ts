import { parseJson } from "../core/json.ts";

/** Callers write the schemas, so what is made of them has a limit. */
const depthMax = 32;
const budgetMax = 100_000;

type Schema = Readonly<Record<string, unknown>>;

interface Making {
  readonly root: Schema;
  /** What may still be made and looked at: values, characters and merged properties, all counted alike. */
  budget: number;
}

/**
 * The smallest JSON that satisfies a JSON Schema, near enough for a simulation: required properties only, by const, default,
 * example, enum, type and bounds; local references and combinations are followed, patterns are not. `{}` for what is no schema.
 */
export function sampleJson(schemaText: string): string {
  let root: unknown;
  try {
    root = parseJson(schemaText);
  } catch {
    return "{}";
  }
  if (!isSchema(root)) return "{}";
  return JSON.stringify(sample(root, { root, budget: budgetMax }, 0));
}

function sample(given: unknown, making: Making, depth: number): unknown {
  making.budget--;
  if (!isSchema(given) || depth > depthMax || making.budget < 0) return null;
  const schema = flatten(given, making, depth);
  const ready = readyMade(schema);
  if (ready !== undefined) {
    if (typeof ready === "string" || typeof ready === "object") making.budget -= JSON.stringify(ready).length;
    return ready;
  }
  switch (typeOf(schema)) {
    case "object":
      return sampleObject(schema, making, depth);
    case "array":
      return sampleArray(schema, making, depth);
    case "integer":
      return sampleNumber(schema, numberIn(schema, "multipleOf") ?? 1);
    case "number":
      return sampleNumber(schema, numberIn(schema, "multipleOf"));
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return sampleString(schema, making);
  }
}

/** A value that the schema itself names. */
function readyMade(schema: Schema): unknown {
  if (schema["const"] !== undefined) return schema["const"];
  if (schema["default"] !== undefined) return schema["default"];
  for (const list of [schema["examples"], schema["enum"]]) if (Array.isArray(list) && list.length > 0) return list[0];
  return undefined;
}

/** References and combinations resolved: all of `allOf`, the first of `anyOf` and `oneOf`. */
function flatten(schema: Schema, making: Making, depth: number): Schema {
  const parts: unknown[] = Array.isArray(schema["allOf"]) ? [...schema["allOf"]] : [];
  if (typeof schema["$ref"] === "string") parts.push(resolve(schema["$ref"], making.root));
  for (const choices of [schema["anyOf"], schema["oneOf"]]) if (Array.isArray(choices)) parts.push(choices[0]);
  if (depth > depthMax) return schema;
  let merged = schema;
  for (const part of parts) {
    if (making.budget-- < 0) break;
    if (isSchema(part)) merged = merge(merged, flatten(part, making, depth + 1), making);
  }
  return merged;
}

function merge(a: Schema, b: Schema, making: Making): Schema {
  const merged: Record<string, unknown> = { ...b, ...a };
  if (isSchema(a["properties"]) && isSchema(b["properties"])) {
    merged["properties"] = { ...b["properties"], ...a["properties"] };
    making.budget -= Object.keys(a["properties"]).length + Object.keys(b["properties"]).length;
  }
  if (Array.isArray(a["required"]) && Array.isArray(b["required"])) {
    merged["required"] = [...a["required"], ...b["required"]];
    making.budget -= a["required"].length + b["required"].length;
  }
  return merged;
}

/** A local reference such as `#/$defs/City`. */
function resolve(reference: string, root: Schema): unknown {
  if (!reference.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const step of reference.slice(1).split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isSchema(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

function typeOf(schema: Schema): unknown {
  const { type } = schema;
  if (Array.isArray(type)) return type[0];
  if (type !== undefined) return type;
  if (schema["properties"] !== undefined || schema["required"] !== undefined) return "object";
  return schema["items"] !== undefined || schema["prefixItems"] !== undefined ? "array" : "string";
}

function sampleObject(schema: Schema, making: Making, depth: number): unknown {
  const required: unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const made = new Map<string, unknown>();
  for (const name of required) {
    if (making.budget <= 0) break;
    if (typeof name !== "string") continue;
    making.budget -= name.length;
    made.set(name, sample(Object.hasOwn(properties, name) ? properties[name] : {}, making, depth + 1));
  }
  // Object.fromEntries defines properties, so a property named `__proto__` is one like any other.
  return Object.fromEntries(made);
}

function sampleArray(schema: Schema, making: Making, depth: number): unknown {
  const first: unknown[] = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
  const length = Math.max(first.length, numberIn(schema, "minItems") ?? 0);
  const made: unknown[] = [];
  while (made.length < length && making.budget > 0) made.push(sample(first[made.length] ?? schema["items"] ?? {}, making, depth + 1));
  return made;
}

/** The first of the likely numbers that is within the bounds. */
function sampleNumber(schema: Schema, step: number | undefined): number {
  const min = numberIn(schema, "minimum") ?? -Infinity;
  const above = numberIn(schema, "exclusiveMinimum") ?? -Infinity;
  const max = numberIn(schema, "maximum") ?? Infinity;
  const below = numberIn(schema, "exclusiveMaximum") ?? Infinity;
  const low = Math.max(min, above);
  const high = Math.min(max, below);
  const likely = [0, low, high, low + (step ?? 1), high - (step ?? 1), (low + high) / 2];
  if (step !== undefined) likely.push(Math.ceil(low / step) * step, Math.floor(high / step) * step, (Math.floor(low / step) + 1) * step);
  const fits = (n: number): boolean =>
    Number.isFinite(n) && n >= min && n > above && n <= max && n < below && (step === undefined || Number.isInteger(n / step));
  return likely.find(fits) ?? 0;
}

const formats: Readonly<Record<string, string>> = {
  date: "2026-01-01",
  time: "00:00:00Z",
  "date-time": "2026-01-01T00:00:00Z",
  duration: "PT0S",
  email: "user@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
};

function sampleString(schema: Schema, making: Making): string {
  const { format } = schema;
  if (typeof format === "string" && Object.hasOwn(formats, format)) return formats[format] ?? "";
  const length = Math.max(0, Math.min(making.budget, numberIn(schema, "minLength") ?? 0));
  making.budget -= length;
  return "x".repeat(length);
}

function numberIn(schema: Schema, name: string): number | undefined {
  const value = schema[name];
  return typeof value === "number" ? value : undefined;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
