import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";

/**
 * Whether OpenAI enforces the schema as it is: each object lists all its properties as required and takes no others.
 * https://platform.openai.com/docs/guides/function-calling#strict-mode
 */
export function isStrictSchema(schema: JsonObject | undefined): boolean {
  return schema !== undefined && schema["type"] === "object" && isStrict(schema);
}

/** Where schemas hold schemas. */
const lists = ["anyOf"] as const;
const maps = ["properties", "$defs", "definitions"] as const;
/** What is not enforced in any place. */
const foreign = ["oneOf", "allOf", "not", "if", "patternProperties", "dependentRequired", "dependentSchemas"] as const;

function isStrict(schema: unknown): boolean {
  if (!isJsonObject(schema)) return false;
  if (foreign.some((key) => schema[key] !== undefined)) return false;
  const { type, properties, required, items } = schema;
  if (type === "object" || (Array.isArray(type) && type.includes("object")) || properties !== undefined) {
    if (schema["additionalProperties"] !== false) return false;
    const names = isJsonObject(properties) ? Object.keys(properties) : [];
    const listed: readonly unknown[] = Array.isArray(required) ? required : [];
    if (!names.every((name) => listed.includes(name))) return false;
  }
  if (items !== undefined && !isStrict(items)) return false;
  for (const key of maps) {
    const inner = schema[key];
    if (inner !== undefined && !(isJsonObject(inner) && Object.values(inner).every(isStrict))) return false;
  }
  for (const key of lists) {
    const inner = schema[key];
    if (inner !== undefined && !(Array.isArray(inner) && inner.every(isStrict))) return false;
  }
  return true;
}
