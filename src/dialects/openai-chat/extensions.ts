import { type Extensions, fieldsUnder, merged, type Shape, unknownOf } from "../../core/extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";

/** What this dialect's extra fields are filed under in every `extensions_json`. */
export const extensionIssuer = "openai";

/** The object's unknown fields as `extensions_json`. */
export function extensionsOf(object: JsonObject, known: Shape): Extensions {
  return extensionsFrom(unknownOf(object, known));
}

/** These fields as `extensions_json`. */
export function extensionsFrom(fields: JsonObject | undefined): Extensions {
  return fields === undefined ? {} : { [extensionIssuer]: JSON.stringify(fields) };
}

/** This dialect's extra fields; undefined where there are none. What is not a JSON object is the caller's mistake. */
export function extraFields(extensions: Readonly<Extensions>): JsonObject | undefined {
  return fieldsUnder(extensionIssuer, extensions);
}

/** The object with this dialect's extra fields under it: what is known always wins, also inside objects that both have. */
export function withExtensions(extensions: Readonly<Extensions>, known: JsonObject): JsonObject {
  const extra = extraFields(extensions);
  return extra === undefined ? known : merged(extra, known);
}
