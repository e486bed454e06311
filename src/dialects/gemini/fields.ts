import { callerObject, type Fields } from "../../core/json-fields.ts";

/** The family's name in `Opaque.issuer`, `FileHandle.issuer` and the keys of `extensions_json`. */
export const issuer = "google";

/** What `extensions_json` holds for us; `path` is the holder's, empty at the root. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  if (text === undefined) return undefined;
  return callerObject(text, path === "" ? `extensions_json.${issuer}` : `${path}.extensions_json.${issuer}`);
}

/** What is left of Google's object besides the known fields, as `extensions_json`; nulls say nothing and are left out. */
export function extensionsOf(fields: Fields, known: ReadonlySet<string>): Record<string, string> {
  let rest: Fields | undefined;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (known.has(key) || value === null || value === undefined) continue;
    rest ??= {};
    rest[key] = value;
  }
  return rest === undefined ? {} : { [issuer]: JSON.stringify(rest) };
}
