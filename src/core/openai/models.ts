import { isJsonObject } from "../json-fields.ts";

/** Ids in a list of models: OpenAI's `{data:[{id}]}`, Together's bare array, and the `models` of some others. Undefined: it is none. */
export function decodeModels(body: unknown): readonly string[] | undefined {
  const list = isJsonObject(body) ? (body["data"] ?? body["models"]) : body;
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((each) => (isJsonObject(each) && typeof each["id"] === "string" ? [each["id"]] : []));
}
