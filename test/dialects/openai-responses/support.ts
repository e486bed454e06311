import { readFileSync } from "node:fs";
import type { Target, TargetId } from "../../../src/core/catalog.ts";
import { type ChatEvent, type ChatRequest, type ChatResponse, type StreamEvent, TranslationAction } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { parseCallerJson } from "../../../src/core/json.ts";
import { openaiResponsesDoor } from "../../../src/dialects/openai-responses/door.ts";
import { openaiResponses } from "../../../src/dialects/openai-responses/upstream.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";

/** Whatever JSON holds: what a test looks at, it expects. */
export type Json = Readonly<Record<string, unknown>>;

/** A target of OpenAI's, unless said otherwise. */
export function target(over: Partial<Omit<Target, "capabilities">> & { capabilities?: Partial<Target["capabilities"]> } = {}): Target {
  return {
    id: "openai/gpt-test" as TargetId,
    provider: "openai",
    model: "gpt-test",
    upstreamModel: "m",
    kind: "chat",
    issuer: "openai",
    price: undefined,
    timeoutMs: undefined,
    ...over,
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities", ...over.capabilities },
  };
}

/** A body with one user message and these fields. */
export function ask(fields: Json = {}): Json {
  return { model: "m", input: "hi", ...fields };
}

/** A caller's body as the door reads it. */
export function read(body: unknown): ReturnType<typeof openaiResponsesDoor.decodeRequest> {
  return openaiResponsesDoor.decodeRequest(parseCallerJson(JSON.stringify(body)), () => undefined);
}

/** The same, without how it wants its answer. */
export function decoded(body: unknown): ChatRequest {
  return read(body).request;
}

/** What leaves for the upstream, parsed, and its notes as `ACTION field`. */
export function encoded(
  request: ChatRequest,
  options: { target?: Target; streamed?: boolean } = {},
): { readonly body: Json; readonly text: string; readonly notes: readonly string[] } {
  const { body: text, notes } = openaiResponses.encodeRequest(request, options.target ?? target(), {}, options.streamed ?? false);
  return { body: JSON.parse(text), text, notes: notes.map(({ action, field }) => `${actionName(action)} ${field}`) };
}

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? String(action);
}

/** A recorded stream's text. */
export function recorded(name: string): string {
  return readFileSync(new URL(`../../golden/answers/openai-responses/${name}.sse`, import.meta.url), "utf8");
}

/** Names of the recorded streams that end well. */
export const goodStreams = [
  "text",
  "parallel-tools",
  "reasoning",
  "raw-reasoning",
  "refusal",
  "json-schema",
  "length",
  "hosted",
  "custom",
] as const;

/** Events of a stream that comes in these pieces, decoded; `ended`: the body has come to its end. */
export function streamed(pieces: readonly (string | Uint8Array)[], ended = true): ChatEvent[] {
  const decoder = openaiResponses.streamDecoder({});
  const out: ChatEvent[] = [];
  const reader = createSseReader((data, event) => decoder.push(data, event, out));
  for (const piece of pieces) reader.push(Buffer.from(piece));
  if (!ended) return out;
  reader.end();
  decoder.end(out);
  return out;
}

/** One answer of these events. */
export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}

/** Only events of the API, as a door gets them. */
export function streamEvents(events: readonly ChatEvent[]): StreamEvent[] {
  return events.flatMap((event) => (event.case === "whole" || event.case === "embedded" ? [] : [event]));
}

/** What the door writes of these events, for a caller who asked so. */
export function written(events: readonly ChatEvent[], body: Json = ask({ stream: true })): string {
  const encoder = read(body).stream();
  return streamEvents(events)
    .map((event) => encoder.push(event))
    .join("");
}

/** The data of each event, which must be named by its type. */
export function dataOf(sse: string): Json[] {
  const found: Json[] = [];
  const reader = createSseReader((data, event) => {
    const value: Json = JSON.parse(data);
    if (value["type"] !== event) throw new Error(`event ${event} has type ${String(value["type"])}`);
    found.push(value);
  });
  reader.push(Buffer.from(sse));
  reader.end();
  return found;
}

/** The response object of a recorded stream's last event. */
export function lastResponse(sse: string): Json {
  return dataOf(sse).at(-1)?.["response"] as Json;
}

/** The ChatError that a function throws. */
export function thrown(run: () => unknown): ChatError {
  try {
    run();
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
