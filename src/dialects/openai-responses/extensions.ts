import { type Extensions, fieldsUnder, type Shape, unknownOf } from "../../core/extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";

/**
 * What this language's own fields, items and tools are filed under. Not `openai`, which is the chat completions' name for theirs:
 * hosts that speak only chat would be sent what they refuse.
 */
export const language = "openai_responses";

/** Whose tokens and files they are; the account is the same for both of OpenAI's languages. */
export const issuer = "openai";

/** What `encrypted_content` holds that has no mark of another issuer's. */
export const ownToken = { issuer, kind: "encrypted_content" } as const;

/** The object's unknown fields as `extensions_json`. */
export function extensionsOf(object: JsonObject, known: Shape): Extensions {
  return filed(unknownOf(object, known));
}

/** These fields as `extensions_json`; none where there are none. */
export function filed(fields: JsonObject | undefined): Extensions {
  return fields === undefined || Object.keys(fields).length === 0 ? {} : { [language]: JSON.stringify(fields) };
}

/** What is filed under this language; empty where nothing is. */
export function ownFields(extensions: Readonly<Extensions>): JsonObject {
  return extensions[language] === undefined ? none : (fieldsUnder(language, extensions) ?? none);
}

const none: JsonObject = {};
