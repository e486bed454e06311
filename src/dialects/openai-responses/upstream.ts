import type { UpstreamDialect } from "../../core/dialect.ts";
import { failureFrom } from "../../core/openai/failure.ts";
import { decodeModels } from "../../core/openai/models.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { createStreamDecoder } from "./stream-decode.ts";

/** OpenAI's Responses API, as spoken to an upstream; nothing is left to its memory. */
export const openaiResponses: UpstreamDialect = {
  encodeRequest: (request, target, _quirks, streamed) => encodeRequest(request, target, streamed),
  decodeResponse: (body, _quirks, context = {}) => decodeResponse(body, context),
  streamDecoder: (_quirks, context = {}) => createStreamDecoder(context),
  failureFrom,
  decodeModels,
};
