import type { UpstreamDialect } from "../../core/dialect.ts";
import { counting } from "./counting.ts";
import { failureFrom } from "./errors.ts";
import { isJsonObject } from "./fields.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { streamDecoder } from "./stream-decode.ts";

/** Anthropic Messages, as a provider's host speaks it. Model families differ more than hosts do, so there are no quirks. */
export const anthropicMessages: UpstreamDialect = {
  encodeRequest: (request, target, _quirks, streamed) => encodeRequest(request, target, streamed),
  decodeResponse,
  streamDecoder,
  failureFrom,
  decodeModels,
  counting,
};

/** `{data: [{id}]}`. */
function decodeModels(body: unknown): readonly string[] | undefined {
  if (!isJsonObject(body) || !Array.isArray(body["data"])) return undefined;
  return body["data"].flatMap((model: unknown) => (isJsonObject(model) && typeof model["id"] === "string" ? [model["id"]] : []));
}
