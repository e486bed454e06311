import type { DoorDialect, ErrorShape } from "../../core/dialect.ts";
import { isJsonObject, optionalBoolean, refuse } from "../../core/json-fields.ts";
import { encodeError } from "../../core/openai/error-encode.ts";
import { responsesParams } from "../../core/openai/param-names.ts";
import { echoOf } from "./echo.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeResponse } from "./response-encode.ts";
import { createStreamEncoder, keepalive } from "./stream-encode.ts";

const errors: ErrorShape = {
  body: (error) => JSON.stringify(encodeError(error, responsesParams)),
  refusal: ({ code, message }) => JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } }),
  event: (error) => createStreamEncoder(echoOf({})).fail?.(error) ?? "",
};

/** OpenAI's Responses API, as spoken to a caller; without memory of its answers. */
export const openaiResponsesDoor: DoorDialect = {
  decodeRequest(body) {
    if (!isJsonObject(body)) return refuse("body", "must be a JSON object");
    const streamed = optionalBoolean(body, "stream", "") ?? false;
    const request = decodeRequest(body);
    const echo = echoOf(body);
    return { request, streamed, whole: (response) => encodeResponse(response, echo), stream: () => createStreamEncoder(echo) };
  },
  heartbeat: keepalive,
  errors,
};
