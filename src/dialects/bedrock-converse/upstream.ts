import type { UpstreamDialect } from "../../core/dialect.ts";
import { failureFrom } from "./errors.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { streamDecoder } from "./stream-decode.ts";

/** Amazon Bedrock's Converse. Model families differ more than hosts do, so there are no quirks. */
export const bedrockConverse: UpstreamDialect = {
  framing: "eventstream",
  encodeRequest: (request, target) => encodeRequest(request, target),
  decodeResponse,
  streamDecoder,
  failureFrom,
  // The runtime's host lists nothing.
  decodeModels: () => undefined,
};
