import { callerObject, type Fields, isJsonObject } from "../../core/json-fields.ts";

export { callerObject, type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";

/** The family's name in `Opaque.issuer` and the keys of `extensions_json`. */
export const issuer = "cohere";

/** The object under the key; an empty one where there is none. */
export function fieldsAt(fields: Fields, key: string): Fields {
  const value = fields[key];
  return isJsonObject(value) ? value : {};
}

/** The array under the key; an empty one where there is none. */
export function listAt(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  return Array.isArray(value) ? value : [];
}

/** What `extensions_json` holds for us; `path` is the message's own, empty at the root. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  if (text === undefined || text === "") return undefined;
  return callerObject(text, `${path === "" ? "" : `${path}.`}extensions_json.${issuer}`);
}

/** What is left of an answer's object besides the known fields, as `extensions_json`; what says nothing is left out. */
export function extensionsOf(fields: Fields, known: ReadonlySet<string>): Record<string, string> {
  const rest = Object.entries(fields).filter(([key, value]) => !known.has(key) && value !== null && value !== undefined);
  return rest.length === 0 ? {} : { [issuer]: JSON.stringify(Object.fromEntries(rest)) };
}
