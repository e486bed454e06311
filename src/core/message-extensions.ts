import { parseJson } from "./json.ts";

/** Extra fields by issuer, as messages of the vocabulary hold them. */
type Extensions = Readonly<Record<string, string>>;

/** Where a choice's extensions hold its message's. */
const key = "message";

/**
 * Streams have no event for a message as a whole, so that its extra fields travel with its choice's end, under `message`. The
 * extensions of both in one.
 */
export function withMessageExtensions(choice: Extensions, message: Extensions): Record<string, string> {
  const both: Record<string, string> = { ...choice };
  for (const [issuer, text] of Object.entries(message)) {
    const fields = objectIn(text);
    if (fields !== undefined) both[issuer] = JSON.stringify({ ...objectIn(choice[issuer]), [key]: fields });
  }
  return both;
}

/** The way back. */
export function splitExtensions(both: Extensions): { readonly choice: Record<string, string>; readonly message: Record<string, string> } {
  const choice: Record<string, string> = {};
  const message: Record<string, string> = {};
  for (const [issuer, text] of Object.entries(both)) {
    const { [key]: inner, ...rest } = text.includes(`"${key}"`) ? (objectIn(text) ?? {}) : {};
    if (inner === undefined) choice[issuer] = text;
    else {
      message[issuer] = JSON.stringify(inner);
      if (Object.keys(rest).length > 0) choice[issuer] = JSON.stringify(rest);
    }
  }
  return { choice, message };
}

/** An issuer's fields; what is no object is nobody's. */
function objectIn(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = parseJson(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
