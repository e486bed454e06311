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
import { gemini } from "../../../src/dialects/gemini/upstream.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";

/** What a part is made from. */
export type PartInit = MessageInitShape<typeof ContentPartSchema>;
/** What a message is made from. */
export type MessageInit = MessageInitShape<typeof MessageSchema>;
/** What a request is made from. */
export type RequestInit = MessageInitShape<typeof ChatRequestSchema>;

/** A request with one user message, unless told otherwise. */
export function chatRequest(init: RequestInit = {}): ChatRequest {
  return create(ChatRequestSchema, { model: "auto", messages: [{ role: Role.USER, text: "Hello" }], ...init });
}

/** A target of the model, with what is known of it. */
export function target(upstreamModel: string, capabilities: MessageInitShape<typeof ModelCapabilitiesSchema> = {}): Target {
  return {
    // A brand, which only the catalogue gives out.
    id: `gemini/${upstreamModel}` as TargetId,
    provider: "gemini",
    model: upstreamModel,
    upstreamModel,
    kind: "chat",
    issuer: "google",
    capabilities: create(ModelCapabilitiesSchema, capabilities),
    price: undefined,
    timeoutMs: undefined,
  };
}

/** Models of each generation that the tests ask for. */
export const models = {
  first: "gemini-2.0-flash",
  second: "gemini-2.5-flash",
  third: "gemini-3-flash-preview",
  newest: "gemini-3.8-flash",
} as const;

/** What left for the upstream. */
export interface Encoded {
  readonly body: Fields;
  readonly text: string;
  /** `ACTION field`. */
  readonly notes: readonly string[];
  readonly answering: AnswerContext | undefined;
}

/** Encodes for a model of the third generation, unless told otherwise. */
export function encode(init: RequestInit = {}, model: string = models.third, capabilities = {}): Encoded {
  const { body: text, notes, answering } = gemini.encodeRequest(chatRequest(init), target(model, capabilities), {}, false);
  const body = parseJson(text);
  if (!isJsonObject(body)) throw new Error("the body is no object");
  return { body, text, notes: notes.map((each) => `${actionName(each.action)} ${each.field}`), answering };
}

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? String(action);
}

/** The `generationConfig` that left. */
export function generation(init: RequestInit, model?: string): unknown {
  return encode(init, model).body["generationConfig"];
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

/** Bytes of a recorded stream. */
export function recorded(name: string): Buffer {
  return readFileSync(new URL(`../../golden/answers/gemini/${name}.sse`, import.meta.url));
}

/** A recorded whole answer, parsed. */
export function recordedWhole(name: string): unknown {
  return parseJson(readFileSync(new URL(`../../golden/answers/gemini/${name}.json`, import.meta.url), "utf8"));
}

/** Decodes a stream that came in these pieces, to its end. */
export function decoded(pieces: readonly Uint8Array[], context?: AnswerContext): ChatEvent[] {
  const out: ChatEvent[] = [];
  const decoder = gemini.streamDecoder({}, context);
  const reader = createSseReader((data, event) => decoder.push(data, event, out));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  decoder.end(out);
  return out;
}

/** Decodes these answers as one stream. */
export function streamed(...answers: readonly unknown[]): ChatEvent[] {
  return decoded(answers.map((each) => Buffer.from(`data: ${JSON.stringify(each)}\n\n`)));
}

/** An answer of one candidate. */
export function answer(parts: readonly unknown[], finishReason?: string, more: Fields = {}): Fields {
  const candidate = { content: { role: "model", parts }, ...(finishReason !== undefined && { finishReason }), index: 0 };
  return { candidates: [candidate], ...more };
}

/** One answer of all events. */
export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}

/** The kinds of events, and of deltas. */
export function shape(events: readonly ChatEvent[]): string {
  return events.map((event) => (event.case === "partDelta" ? (event.value.delta.case ?? "nothing") : event.case)).join(" ");
}

/** A part of text. */
export const text = (value: string) => ({ part: { case: "text" as const, value: { text: value } } });
/** A token of Google's. */
export const signature = (value: string) => ({ issuer: "google", kind: "thought_signature", value });
/** A tool call of the assistant. */
export const call = (id: string, name = "f", argumentsJson = "{}", signed?: string): PartInit => ({
  part: { case: "toolCall", value: { id, name, argumentsJson } },
  ...(signed !== undefined && { opaque: [signature(signed)] }),
});
/** A tool result. */
export const result = (toolCallId: string, value = "ok", more: { isError?: boolean; name?: string } = {}): PartInit => ({
  part: { case: "toolResult", value: { toolCallId, content: [text(value)], ...more } },
});
/** A message of the user. */
export const user = (...content: PartInit[]): MessageInit => ({ role: Role.USER, content });
/** A message of the assistant. */
export const assistant = (...content: PartInit[]): MessageInit => ({ role: Role.ASSISTANT, content });
/** A message of tools. */
export const tool = (...content: PartInit[]): MessageInit => ({ role: Role.TOOL, content });
/** Instructions. */
export const system = (...content: PartInit[]): MessageInit => ({ role: Role.SYSTEM, content });
