import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { readFileSync } from "node:fs";
import type { ContentPartSchema, MessageSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import type { Target, TargetId } from "../../../src/core/catalog.ts";
import {
  type ChatEvent,
  type ChatRequest,
  ChatRequestSchema,
  type ChatResponse,
  ModelCapabilitiesSchema,
  Role,
  TranslationAction,
} from "../../../src/core/chat.ts";
import type { AnswerContext } from "../../../src/core/dialect.ts";
import { ChatError } from "../../../src/core/error.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { parseJson } from "../../../src/core/json.ts";
import { type Fields, isJsonObject } from "../../../src/core/json-fields.ts";
import { cohere } from "../../../src/dialects/cohere/upstream.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";

/** What a part is made from. */
export type PartInit = MessageInitShape<typeof ContentPartSchema>;
/** What a message is made from. */
export type MessageInit = MessageInitShape<typeof MessageSchema>;
/** What a request is made from. */
export type RequestInit = MessageInitShape<typeof ChatRequestSchema>;

/** A part of text. */
export const text = (value: string) => ({ part: { case: "text" as const, value: { text: value } } });
/** A tool call of the assistant. */
export const call = (id: string, argumentsJson = "{}", name = "f", custom = false): PartInit => ({
  part: { case: "toolCall", value: { id, name, argumentsJson, custom } },
});
/** A tool result. */
export const result = (toolCallId: string, ...content: PartInit[]): PartInit => ({
  part: { case: "toolResult", value: { toolCallId, content } },
});
/** A document of text. */
export const document = (value: string, more: { title?: string; citations?: boolean; context?: string } = {}): PartInit => ({
  part: {
    case: "document",
    value: { media: { source: { case: "data", value: new TextEncoder().encode(value) }, mimeType: "text/plain" }, ...more },
  },
});
/** A picture by its address. */
export const image = (url: string): PartInit => ({
  part: { case: "image", value: { media: { source: { case: "url", value: url } } } },
});
/** A message of the user. */
export const user = (...content: PartInit[]): MessageInit => ({ role: Role.USER, content });
/** A message of the assistant. */
export const assistant = (...content: PartInit[]): MessageInit => ({ role: Role.ASSISTANT, content });
/** A message of tools. */
export const tool = (...content: PartInit[]): MessageInit => ({ role: Role.TOOL, content });
/** Instructions. */
export const system = (...content: PartInit[]): MessageInit => ({ role: Role.SYSTEM, content });

/** A function without parameters, unless told otherwise. */
export const fn = (name: string, more: { description?: string; parametersJsonSchema?: string; strict?: boolean } = {}) => ({
  kind: { case: "function" as const, value: { name, ...more } },
});

/** A target of which nothing is known, unless told otherwise. */
export function target(capabilities: MessageInitShape<typeof ModelCapabilitiesSchema> = {}): Target {
  return {
    // A brand, which only the catalogue gives out.
    id: "cohere/command-a" as TargetId,
    provider: "cohere",
    model: "command-a",
    upstreamModel: "command-a-03-2025",
    kind: "chat",
    issuer: "cohere",
    capabilities: create(ModelCapabilitiesSchema, capabilities),
    price: undefined,
    timeoutMs: undefined,
  };
}

/** A request with one user message, unless told otherwise. */
export function chatRequest(init: RequestInit = {}): ChatRequest {
  return create(ChatRequestSchema, { model: "auto", messages: [{ role: Role.USER, text: "Hello" }], ...init });
}

/** What left for the upstream. */
export interface Encoded {
  readonly body: Fields;
  readonly text: string;
  /** `ACTION field`. */
  readonly notes: readonly string[];
  readonly answering: AnswerContext | undefined;
}

/** Encodes for a model of which nothing is known, unless told otherwise. */
export function encode(init: RequestInit = {}, at: Target = target(), streamed = false): Encoded {
  const { body: written, notes, answering } = cohere.encodeRequest(chatRequest(init), at, {}, streamed);
  const body = parseJson(written);
  if (!isJsonObject(body)) throw new Error("the body is no object");
  return { body, text: written, notes: notes.map((each) => `${actionName(each.action)} ${each.field}`), answering };
}

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? String(action);
}

/** What the function throws. */
export function thrownBy(run: () => unknown): ChatError {
  try {
    run();
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The bytes of a recorded stream. */
export function recorded(name: string): Buffer {
  return readFileSync(new URL(`../../golden/answers/cohere/${name}.sse`, import.meta.url));
}

/** The same answer, recorded whole. */
export function recordedWhole(name: string): Fields {
  const body = parseJson(readFileSync(new URL(`../../golden/answers/cohere/${name}.json`, import.meta.url), "utf8"));
  if (!isJsonObject(body)) throw new Error(`${name} is no object`);
  return body;
}

/** Decodes a stream that comes in these pieces. */
export function decoded(pieces: readonly Buffer[], context?: AnswerContext): ChatEvent[] {
  const out: ChatEvent[] = [];
  const decoder = cohere.streamDecoder({}, context);
  const reader = createSseReader((data, event) => decoder.push(data, event, out));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  decoder.end(out);
  return out;
}

/** Decodes these events, each named by its `type`. */
export function decodedEvents(events: readonly Fields[], context?: AnswerContext): ChatEvent[] {
  return decoded([Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""))], context);
}

/** The answer that a stream's events make. */
export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}

/** Events in short words. */
export function short(events: readonly ChatEvent[]): string[] {
  return events.map((event) => {
    switch (event.case) {
      case "partStarted": {
        const inner = event.value.part?.part;
        return `${event.value.partIndex} +${inner?.case}${inner?.case === "toolCall" ? ` ${inner.value.id} ${inner.value.name}` : ""}`;
      }
      case "partDelta": {
        const { partIndex, delta } = event.value;
        return `${partIndex} ${delta.case} ${typeof delta.value === "string" ? delta.value : JSON.stringify(delta.value)}`;
      }
      case "partEnded":
        return `${event.value.partIndex} -`;
      case "choiceEnded":
        return `end ${event.value.finishReason} ${event.value.nativeFinishReason}`;
      case "usage":
        return `usage ${event.value.inputTokens}+${event.value.outputTokens}`;
      default:
        return event.case;
    }
  });
}
