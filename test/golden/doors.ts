/** Every door, as what it makes of an answer: the same encoders and error shapes that the server uses. */
import { create, type DescMessage, type MessageInitShape, toJson, toJsonString } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ChatResponseSchema, StreamChatResponseSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import type { ChatEvent, ChatResponse, StreamEvent } from "../../src/core/chat.ts";
import type { DoorDialect } from "../../src/core/dialect.ts";
import type { ChatError } from "../../src/core/error.ts";
import { parseJson } from "../../src/core/json.ts";
import { anthropicDoor } from "../../src/dialects/anthropic-messages/door.ts";
import { openaiChatDoor } from "../../src/dialects/openai-chat/door.ts";
import { openaiResponsesDoor } from "../../src/dialects/openai-responses/door.ts";
import { connectErrorFrom, errorHeaders, statusOf } from "../../src/server/errors.ts";

/** What an answer becomes at one door, as text. */
export interface DoorRow {
  /** Name of its folder under `rendered/`. */
  readonly name: string;
  /** Ending of a stream's file. */
  readonly streamEnding: string;
  whole(response: ChatResponse): string;
  /** `error`: what broke it, after these events. */
  stream(events: readonly ChatEvent[], error: ChatError | undefined): string;
  /** An error before anything else has left. */
  refused(error: ChatError): string;
}

const requestId = "req-golden";
const messages = [{ role: "user", content: "Hello" }];

/** All doors. */
export const doors: readonly DoorRow[] = [
  restDoor("openai-chat", openaiChatDoor, { model: "auto", messages }, { stream: true, stream_options: { include_usage: true } }),
  restDoor("openai-responses", openaiResponsesDoor, { model: "auto", input: "Hello" }, { stream: true }),
  restDoor("anthropic-messages", anthropicDoor, { model: "auto", max_tokens: 1024, messages }, { stream: true }),
  {
    name: "grpc",
    streamEnding: "stream.json",
    whole: (response) => pretty(toJsonString(ChatResponseSchema, response)),
    stream(events, error) {
      const lines = streamEvents(events).map((event) =>
        JSON.stringify(toJson(StreamChatResponseSchema, create(StreamChatResponseSchema, { event }))),
      );
      if (error !== undefined) lines.push(JSON.stringify({ error: statusIn(error) }));
      return `[\n${lines.join(",\n")}\n]\n`;
    },
    refused: (error) => pretty(JSON.stringify(statusIn(error))),
  },
];

function restDoor(name: string, dialect: DoorDialect, body: object, streamed: object): DoorRow {
  return {
    name,
    streamEnding: "sse",
    whole: (response) => pretty(dialect.decodeRequest(body, header).whole(response)),
    stream(events, error) {
      const encoder = dialect.decodeRequest({ ...body, ...streamed }, header).stream();
      let text = "";
      for (const event of streamEvents(events)) text += encoder.push(event);
      return error === undefined ? text : text + (encoder.fail?.(error) ?? dialect.errors.event(error, requestId));
    },
    refused: (error) =>
      pretty(
        JSON.stringify({
          status: dialect.errors.statuses?.[error.failure] ?? statusOf(error.failure).http,
          headers: Object.fromEntries(errorHeaders(error)),
          body: parseJson(dialect.errors.body(error, requestId)),
        }),
      ),
  };
}

function header(): undefined {}

/** Only events of the API, as every door gets them. */
function streamEvents(events: readonly ChatEvent[]): StreamEvent[] {
  return events.flatMap((event) => (event.case === "whole" || event.case === "embedded" ? [] : [event]));
}

/** A status with its details and its metadata. */
function statusIn(error: ChatError): object {
  const refusal = connectErrorFrom(error, { requestId });
  return {
    code: Code[refusal.code],
    message: refusal.rawMessage,
    details: refusal.details.flatMap((detail) => ("desc" in detail ? detailIn(detail) : [])),
    metadata: Object.fromEntries(refusal.metadata),
  };
}

function detailIn({ desc, value }: { readonly desc: DescMessage; readonly value: MessageInitShape<DescMessage> }): object {
  return { "@type": desc.typeName, value: toJson(desc, create(desc, value)) };
}

function pretty(json: string): string {
  return `${JSON.stringify(parseJson(json), undefined, 2)}\n`;
}
