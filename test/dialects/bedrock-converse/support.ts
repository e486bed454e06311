import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ContentPartSchema, MessageSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import type { Target } from "../../../src/core/catalog.ts";
import {
  type ChatEvent,
  ChatRequestSchema,
  type ChatResponse,
  ModelCapabilitiesSchema,
  Role,
  TranslationAction,
} from "../../../src/core/chat.ts";
import type { AnswerContext } from "../../../src/core/dialect.ts";
import { ChatError } from "../../../src/core/error.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { type Fields, isJsonObject } from "../../../src/core/json-fields.ts";
import { parseJson } from "../../../src/core/json.ts";
import { bedrockConverse } from "../../../src/dialects/bedrock-converse/upstream.ts";
import { chatTarget } from "../../support/attempt.ts";

/** What a part is made from. */
export type PartInit = MessageInitShape<typeof ContentPartSchema>;
/** What a message is made from. */
export type MessageInit = MessageInitShape<typeof MessageSchema>;
/** What a request is made from. */
export type RequestInit = MessageInitShape<typeof ChatRequestSchema>;

/** Names as Amazon has them. */
export const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
export const llama = "us.meta.llama3-3-70b-instruct-v1:0";
export const nova = "us.amazon.nova-pro-v1:0";

/** A target of the model, with what is known of it. */
export function target(upstreamModel: string, capabilities: MessageInitShape<typeof ModelCapabilitiesSchema> = {}): Target {
  return chatTarget({ provider: "bedrock", issuer: "bedrock", upstreamModel, capabilities: create(ModelCapabilitiesSchema, capabilities) });
}

/** A part of text. */
export const text = (value: string) => ({ part: { case: "text" as const, value: { text: value } } });
/** A tool call of the assistant. */
export const call = (id: string, argumentsJson = "{}", name = "f"): PartInit => ({
  part: { case: "toolCall", value: { id, name, argumentsJson } },
});
/** A tool result. */
export const result = (toolCallId: string, value = "ok") => ({
  part: { case: "toolResult" as const, value: { toolCallId, content: [text(value)] } },
});
/** A message of each role. */
export const user = (...content: PartInit[]): MessageInit => ({ role: Role.USER, content });
export const assistant = (...content: PartInit[]): MessageInit => ({ role: Role.ASSISTANT, content });
export const tool = (...content: PartInit[]): MessageInit => ({ role: Role.TOOL, content });
export const system = (...content: PartInit[]): MessageInit => ({ role: Role.SYSTEM, content });
/** A tool of that name. */
export const fn = (name: string, more: { description?: string; parametersJsonSchema?: string; strict?: boolean } = {}) => ({
  kind: { case: "function" as const, value: { name, ...more } },
});

/** What left for the upstream. */
export interface Encoded {
  readonly body: Fields;
  readonly text: string;
  /** `ACTION field`. */
  readonly notes: readonly string[];
  readonly answering: AnswerContext | undefined;
}

/** Encodes for a Claude, unless told otherwise. */
export function encode(init: RequestInit = {}, at: Target | string = claude): Encoded {
  const request = create(ChatRequestSchema, { model: "auto", messages: [{ role: Role.USER, text: "Hello" }], ...init });
  const encoded = bedrockConverse.encodeRequest(request, typeof at === "string" ? target(at) : at, {}, false);
  const body = parseJson(encoded.body);
  if (!isJsonObject(body)) throw new Error("the body is no object");
  return {
    body,
    text: encoded.body,
    notes: encoded.notes.map((each) => `${actionName(each.action)} ${each.field}`),
    answering: encoded.answering,
  };
}

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? String(action);
}

/** The content of the messages that left for the upstream. */
export function contents(messages: MessageInit[], at: Target | string = claude, more: RequestInit = {}): unknown[] {
  const { body } = encode({ messages, ...more }, at);
  return Array.isArray(body["messages"]) ? body["messages"] : [];
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

/** What the recorded answers' requests had: `patch` was a free-form tool. */
export const recordedContext: AnswerContext = { freeformTools: new Set(["patch"]) };

/** An event of a stream: its name and its payload as text. */
export type Event = readonly [name: string, data: string];

function golden(file: string): string {
  return readFileSync(new URL(`../../golden/answers/bedrock-converse/${file}`, import.meta.url), "utf8");
}

/** The events of a recorded stream: a line each, `name {json}`. */
export function recorded(name: string): readonly Event[] {
  return golden(`${name}.events`)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]);
}

/** The same answer, recorded whole. */
export function recordedWhole(name: string): ChatResponse {
  return bedrockConverse.decodeResponse(parseJson(golden(`${name}.json`)), {}, recordedContext);
}

/** Decodes events to the end. */
export function decoded(events: readonly Event[]): ChatEvent[] {
  const out: ChatEvent[] = [];
  const decoder = bedrockConverse.streamDecoder({}, recordedContext);
  for (const [name, data] of events) decoder.push(data, name, out);
  decoder.end(out);
  return out;
}

/** Events as one answer. */
export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}
