import type { ChatEvent, ChatResponse } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { createFolder } from "../../core/fold.ts";
import { AnswerReader } from "./stream-decode.ts";

/** A whole answer, or a stream's answers as the list in which they come where no server-sent events were asked for. */
export function decodeResponse(body: unknown, context: AnswerContext | undefined): ChatResponse {
  const events: ChatEvent[] = [];
  const reader = new AnswerReader(context, !Array.isArray(body));
  reader.take(body, events);
  reader.end(events);
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}
