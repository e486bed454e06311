import { callerObject, type Fields } from "../../core/json-fields.ts";

/** The family's name in `Opaque.issuer`, `FileHandle.issuer` and the keys of `extensions_json`. */
export const issuer = "bedrock";

/** Characters of a tool's name. */
export const toolNameMax = 64;

/** What `extensions_json` holds for us. */
export function extensionFields(extensionsJson: Readonly<Record<string, string>>, path: string): Fields | undefined {
  const text = extensionsJson[issuer];
  return text === undefined
    ? undefined
    : callerObject(text, path === "" ? `extensions_json.${issuer}` : `${path}.extensions_json.${issuer}`);
}

/** What is left of an object besides the known fields, as `extensions_json`; nulls say nothing and are left out. */
export function extensionsOf(fields: Fields, known: ReadonlySet<string>): Record<string, string> {
  const rest = Object.entries(fields).filter(([key, value]) => !known.has(key) && value !== null && value !== undefined);
  return rest.length === 0 ? {} : { [issuer]: JSON.stringify(Object.fromEntries(rest)) };
}

/** Bytes as JSON has them here. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
