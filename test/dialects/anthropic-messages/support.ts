import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createParser } from "eventsource-parser";
import { readFileSync } from "node:fs";
import { TranslationAction, type ChatEvent, type ChatRequest, ChatRequestSchema, ModelCapabilitiesSchema } from "../../../src/core/chat.ts";
import type { Target, TargetId } from "../../../src/core/catalog.ts";
import type { AnswerContext } from "../../../src/core/dialect.ts";
import { ChatError } from "../../../src/core/error.ts";
import { parseJson } from "../../../src/core/json.ts";
import { type Fields, isJsonObject } from "../../../src/dialects/anthropic-messages/fields.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";

/** A request with one user message, unless told otherwise. */
function chatRequest(init: MessageInitShape<typeof ChatRequestSchema> = {}): ChatRequest {
  return create(ChatRequestSchema, { model: "auto", messages: [{ role: 2, text: "Hello" }], ...init });
}

/** A target of the model, with what is known of it. */
export function target(upstreamModel: string, capabilities: MessageInitShape<typeof ModelCapabilitiesSchema> = {}): Target {
  return {
    // A brand, which only the catalogue gives out.
    id: `anthropic/${upstreamModel}` as TargetId,
    provider: "anthropic",
    model: upstreamModel,
    upstreamModel,
    kind: "chat",
    issuer: "anthropic",
    capabilities: create(ModelCapabilitiesSchema, capabilities),
    price: undefined,
    timeoutMs: undefined,
  };
}

/** What left for the upstream. */
export interface Encoded {
  readonly body: Fields;
  readonly text: string;
  /** `ACTION field`. */
  readonly notes: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** What its answer is to be read with. */
  readonly answering: AnswerContext;
}

/** Encodes for a model that takes everything, unless told otherwise. */
export function encode(
  init: MessageInitShape<typeof ChatRequestSchema> = {},
  at: Target = target("claude-sonnet-4-5"),
  streamed = false,
): Encoded {
  const { body: text, notes, headers, answering } = anthropicMessages.encodeRequest(chatRequest(init), at, {}, streamed);
  const body = parseJson(text);
  if (!isJsonObject(body)) throw new Error("the body is no object");
  return {
    body,
    text,
    notes: notes.map((each) => `${actionName(each.action)} ${each.field}`),
    headers: headers ?? {},
    answering: answering ?? {},
  };
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

/** One server-sent event. */
export interface Sse {
  readonly data: string;
  readonly event: string | undefined;
}

/** The events of a recorded answer. */
export function recorded(name: string): readonly Sse[] {
  const events: Sse[] = [];
  const parser = createParser({ onEvent: ({ data, event }) => events.push({ data, event }) });
  parser.feed(readFileSync(new URL(`../../golden/answers/anthropic-messages/${name}.sse`, import.meta.url), "utf8"));
  return events;
}

/** Decodes events to the end, as the answer to a request that went out with this context. */
export function decoded(events: readonly Sse[], context: AnswerContext = {}): ChatEvent[] {
  const out: ChatEvent[] = [];
  const decoder = anthropicMessages.streamDecoder({}, context);
  for (const { data, event } of events) decoder.push(data, event, out);
  decoder.end(out);
  return out;
}
