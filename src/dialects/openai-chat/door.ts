import type { ChatRequest } from "../../core/chat.ts";
import type { DoorDialect, ErrorShape, StreamEncoder } from "../../core/dialect.ts";
import { encodeError, streamErrorText } from "../../core/openai/error-encode.ts";
import { decodeChatRequest } from "./request-decode.ts";
import { isJsonObject } from "../../core/json-fields.ts";
import { encodeChatResponse } from "./response-encode.ts";
import { createStreamEncoder, type Framing } from "./stream-encode.ts";

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

/** A request whose chunks travel in frames of their door's own. */
export interface FramedChat {
  readonly request: ChatRequest;
  /** A fresh encoder. */
  chunks(this: void, framing: Framing): StreamEncoder;
}

/** The same language at a door where every answer is a stream: `stream` may say so, or not, or be absent. */
export function decodeFramedChat(body: unknown): FramedChat {
  const streams = isJsonObject(body) && (body["stream"] === false || body["stream"] === undefined || body["stream"] === null);
  const { request, includeUsage, legacyFunctions } = decodeChatRequest(streams ? { ...body, stream: true } : body);
  return { request, chunks: (framing) => createStreamEncoder({ includeUsage, legacyFunctions }, framing) };
}
