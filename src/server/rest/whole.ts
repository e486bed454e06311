import type { ChatEvent, Usage } from "../../core/chat.ts";
import { type ChatError, chatErrorFrom } from "../../core/error.ts";
import type { ChatStream } from "../../core/handler.ts";
import { callHeaders, costHeaders, type HeaderList, sourceHeaders, timingHeader } from "../answer-headers.ts";
import type { OpenCall } from "../call-desk.ts";
import { doorLimitHeaders } from "../limit-headers.ts";
import { sendError, sendJson } from "./answer.ts";
import type { RestCall, RestParts } from "./context.ts";

/** Makes one answer of a call's events. */
export interface WholeReader {
  /** True: it was the last one, and the answer is there. */
  push(event: ChatEvent): boolean;
  answer(): WholeAnswer;
}

/** An answer, once it is whole. */
export interface WholeAnswer {
  readonly usage: Usage | undefined;
  /** Its JSON text, made when it is sent. */
  body(): string;
}

/** Sends what a call is answered with, or its error. */
export async function sendWhole({ router, desk, onBug }: RestParts, rest: RestCall, opened: OpenCall, reader: WholeReader): Promise<void> {
  const { call } = opened;
  let headers: HeaderList = [...callHeaders(call)];
  let stream: ChatStream | undefined;
  try {
    stream = await router.chat(call);
    const { batches } = stream;
    // Driven by hand: the room that counts looks only when it is asked for more, and by then the answer has left.
    for (let result = await batches.next(); result.done !== true;) {
      let ended = false;
      for (const event of result.value) ended = reader.push(event) || ended;
      if (ended) {
        const answer = reader.answer();
        headers = [
          ...headers,
          ...sourceHeaders(stream.source),
          ...costHeaders(answer.usage),
          ...doorLimitHeaders(rest.errors, router.allowances(call.key)),
          timingHeader(call, stream.source, desk.now()),
        ];
        sendJson(rest.response, 200, [...rest.headers, ...headers], answer.body());
      }
      result = await batches.next();
    }
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (error.failure === "INTERNAL") tellBug(error, opened, onBug);
    error.allowances ??= router.allowances(call.key);
    sendError(rest, error, [...headers, timingHeader(call, error, desk.now())]);
  } finally {
    // Whatever went wrong at this door, the rooms behind it must hear that it is over; after a good end it says nothing new.
    await stream?.batches.return?.();
  }
}

/** A bug of this door ends the call by its own name, so that the log says what the caller saw. */
export function tellBug(error: ChatError, opened: OpenCall, onBug: (error: unknown) => void): void {
  onBug(error.cause ?? error);
  opened.abort(error);
}
