import type { UpstreamDialect } from "../../core/dialect.ts";
import { failureFrom, failureInside } from "../../core/openai/failure.ts";
import { isErrorBody } from "../../core/openai/failure-shape.ts";
import { decodeModels } from "../../core/openai/models.ts";
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
