import type { DoorDialect } from "../../core/dialect.ts";
import { encodeAnswer } from "./answer-encode.ts";
import { anthropicErrors } from "./answer-errors.ts";
import { createAnswerStream, pingText } from "./answer-stream.ts";
import { type CallerHeaders, isStreamed, requestFrom } from "./caller-request.ts";

/** Anthropic Messages, as spoken to a caller of either version. */
export const anthropicDoor: DoorDialect = {
  decodeRequest(body, header) {
    const request = requestFrom(body, headersFrom(header), "answer");
    return { request, streamed: isStreamed(body), whole: encodeAnswer, stream: () => createAnswerStream(request) };
  },
  heartbeat: `: keep-alive\n\n${pingText}`,
  errors: anthropicErrors,
  counting: {
    decodeRequest: (body, header) => requestFrom(body, headersFrom(header), "count"),
    encodeResponse: (inputTokens) => JSON.stringify({ input_tokens: inputTokens }),
  },
};

function headersFrom(header: (name: string) => string | undefined): CallerHeaders {
  return { version: header("anthropic-version"), beta: header("anthropic-beta") };
}
