import type { UpstreamDialect } from "../../core/dialect.ts";
import { embeddings } from "./embeddings.ts";
import { failureFrom } from "./errors.ts";
import { isJsonObject, listAt, textAt } from "./fields.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { streamDecoder } from "./stream-decode.ts";

/** Cohere's API v2, as its host speaks it; there is one host, so there are no quirks. */
export const cohere: UpstreamDialect = {
  encodeRequest: (request, target, _quirks, streamed) => encodeRequest(request, target, streamed),
  decodeResponse: (body, _quirks, context) => decodeResponse(body, context),
  streamDecoder: (_quirks, context) => streamDecoder(context),
  failureFrom,
  decodeModels,
  embeddings,
};

/** `{models: [{name}]}`. */
function decodeModels(body: unknown): readonly string[] | undefined {
  if (!isJsonObject(body) || !Array.isArray(body["models"])) return undefined;
  return listAt(body, "models").flatMap((model) => (isJsonObject(model) && textAt(model, "name") !== "" ? [textAt(model, "name")] : []));
}
