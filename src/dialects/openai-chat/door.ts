import type { DoorDialect, ErrorShape } from "../../core/dialect.ts";
import { encodeError, streamErrorText } from "../../core/openai/error-encode.ts";
import { decodeChatRequest } from "./request-decode.ts";
import { encodeChatResponse } from "./response-encode.ts";
import { createStreamEncoder } from "./stream-encode.ts";

/** Errors in OpenAI's shape: of its own doors, and of everything that belongs to no other. */
export const openaiErrors: ErrorShape = {
  body: (error) => JSON.stringify(encodeError(error)),
  refusal: ({ code, message }) => JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } }),
  event: streamErrorText,
};

/** OpenAI's chat completions, as spoken to a caller. */
export const openaiChatDoor: DoorDialect = {
  decodeRequest(body) {
    const { request, streamed, includeUsage, legacyFunctions } = decodeChatRequest(body);
    return {
      request,
      streamed,
      whole: (response) => encodeChatResponse(response, { legacyFunctions }),
      stream: () => createStreamEncoder({ includeUsage, legacyFunctions }),
    };
  },
  heartbeat: ": keep-alive\n\n",
  errors: openaiErrors,
};
