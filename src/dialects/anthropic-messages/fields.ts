import { callerObject, type Fields, isJsonObject, mergedFields } from "../../core/json-fields.ts";

export { callerObject, type Fields, isJsonObject, mergedFields, textAt } from "../../core/json-fields.ts";

/** The family's name in `Opaque.issuer`, `FileHandle.issuer` and the keys of `extensions_json`. */
export const issuer = "anthropic";

/** What `extensions_json` holds for us. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  return text === undefined
    ? undefined
    : callerObject(text, path === "" ? `extensions_json.${issuer}` : `${path}.extensions_json.${issuer}`);
}

/** Objects within a block or a tool that hold fields of ours beside a caller's; all others are one's or the other's. */
const shared = ["cache_control", "source"] as const;

/** Both objects in one, for a block or a tool, whose `shared` objects are joined, too; `over` wins. */
export function mergedBlock(under: Fields | undefined, over: Fields): Fields {
  if (under === undefined) return over;
  const whole = mergedFields(under, over);
  for (const key of shared) {
    const [below, own] = [under[key], over[key]];
    if (isJsonObject(below) && isJsonObject(own)) whole[key] = mergedFields(below, own);
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
