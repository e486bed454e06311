import type { UpstreamDialect } from "../../core/dialect.ts";
import { failureFrom, failureInside } from "./failure.ts";
import { isErrorBody } from "./failure-shape.ts";
import { isJsonObject } from "./json-fields.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { createStreamDecoder } from "./stream-decode.ts";

/** OpenAI's chat completions, as spoken to an upstream: OpenAI itself and all the hosts that took over its language. */
export const openaiChat: UpstreamDialect = {
  encodeRequest,
  decodeResponse,
  streamDecoder: createStreamDecoder,
  failureFrom,
  failureInside: (body) => (isErrorBody(body) ? failureInside(body) : undefined),
  decodeModels,
};

/** OpenAI's `{data:[{id}]}`, Together's bare array, and the `models` of some others. */
function decodeModels(body: unknown): readonly string[] | undefined {
  const list = isJsonObject(body) ? (body["data"] ?? body["models"]) : body;
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((each) => (isJsonObject(each) && typeof each["id"] === "string" ? [each["id"]] : []));
}
