import { createParser } from "eventsource-parser";
import type { ChatRequest, ChatResponse, StreamEvent } from "../../../src/core/chat.ts";
import type { Target } from "../../../src/core/catalog.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { parseCallerJson, parseJson } from "../../../src/core/json.ts";
import { anthropicDoor } from "../../../src/dialects/anthropic-messages/door.ts";
import { type Fields, isJsonObject } from "../../../src/dialects/anthropic-messages/fields.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";
import { decoded, type Sse } from "./support.ts";

/** A body with one message, unless told otherwise. */
export function ask(more: Fields = {}): Fields {
  return { model: "claude-sonnet-4-5", max_tokens: 100, messages: [{ role: "user", content: "Hello" }], ...more };
}

/** What a caller of the door asks, as the rooms behind it get it. */
export function asked(body: Fields, headers: Readonly<Record<string, string>> = {}): ChatRequest {
  return anthropicDoor.decodeRequest(parseCallerJson(JSON.stringify(body)), (name) => headers[name]).request;
}

/** What leaves for an Anthropic upstream. */
export function sent(request: ChatRequest, at: Target, streamed = false) {
  const { body, notes, headers = {} } = anthropicMessages.encodeRequest(request, at, {}, streamed);
  const value = parseJson(body);
  if (!isJsonObject(value)) throw new Error("the body is no object");
  return { body: value, text: body, notes: notes.map(({ field }) => field), headers };
}

/** A whole answer through the door. */
export function answered(response: ChatResponse): Fields {
  const value = parseJson(anthropicDoor.decodeRequest(ask(), () => undefined).whole(response));
  if (!isJsonObject(value)) throw new Error("the answer is no object");
  return value;
}

/** The text of a stream through the door. */
export function streamText(events: readonly StreamEvent[], body: Fields = ask()): string {
  const encoder = anthropicDoor.decodeRequest(body, () => undefined).stream();
  return events.map((event) => encoder.push(event)).join("");
}

/** The events in a stream's text. */
export function eventsIn(text: string): readonly Sse[] {
  const events: Sse[] = [];
  const parser = createParser({ onEvent: ({ data, event }) => events.push({ data, event }) });
  parser.feed(text);
  return events;
}

/** The data of each event, whose two lines must agree on its type. */
export function dataIn(text: string): readonly Fields[] {
  return eventsIn(text).map(({ data, event }) => {
    const value = parseJson(data);
    if (!isJsonObject(value) || value["type"] !== event) throw new Error(`event ${event} holds ${data}`);
    return value;
  });
}

/** The answer that a stream of Anthropic's makes. */
export function foldedFrom(events: readonly Sse[]): ChatResponse {
  const folder = createFolder();
  for (const event of decoded(events)) folder.push(event);
  return folder.response();
}

/** Events of a stream without the whole ones. */
export function streamEvents(events: readonly Sse[]): readonly StreamEvent[] {
  return decoded(events).flatMap((event) => (event.case === "whole" || event.case === "embedded" ? [] : [event]));
}
