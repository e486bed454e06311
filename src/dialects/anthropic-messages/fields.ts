import { ChatError } from "../../core/error.ts";
import { parseCallerJson } from "../../core/json.ts";

/** The family's name in `Opaque.issuer`, `FileHandle.issuer` and the keys of `extensions_json`. */
export const issuer = "anthropic";

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

/** What `extensions_json` holds for us. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  return text === undefined
    ? undefined
    : callerFields(text, path === "" ? `extensions_json.${issuer}` : `${path}.extensions_json.${issuer}`);
}

/** Both objects in one; `over` wins. */
export function mergedFields(under: Fields | undefined, over: Fields): Fields {
  return under === undefined ? over : { ...under, ...over };
}

/** Objects within a block or a tool that hold fields of ours beside a caller's; all others are one's or the other's. */
const shared = ["cache_control", "source"] as const;

/** The same for a block or a tool, whose `shared` objects are joined, too. */
export function mergedBlock(under: Fields | undefined, over: Fields): Fields {
  if (under === undefined) return over;
  const whole = mergedFields(under, over);
  for (const key of shared) {
    const [below, own] = [under[key], over[key]];
    if (isFields(below) && isFields(own)) whole[key] = mergedFields(below, own);
  }
  return whole;
}

/** What is left of a vendor's object besides the known fields, as `extensions_json`; nulls say nothing and are left out. */
export function extensionsOf(fields: Fields, known: ReadonlySet<string>): Record<string, string> {
  return extensionsFrom(restOf(fields, known));
}

/** The fields besides the known ones; undefined where none is left. */
export function restOf(fields: Fields, known: ReadonlySet<string>): Fields | undefined {
  const rest = Object.entries(fields).filter(([key, value]) => !known.has(key) && value !== null && value !== undefined);
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

/** These fields as `extensions_json`. */
export function extensionsFrom(fields: Fields | undefined): Record<string, string> {
  return fields === undefined ? {} : { [issuer]: JSON.stringify(fields) };
}
