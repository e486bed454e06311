import type { Target, TargetId } from "../../../src/core/catalog.ts";
import type { ChatEvent, ChatRequest, StreamEvent } from "../../../src/core/chat.ts";
import type { EncodedRequest, Quirks } from "../../../src/core/dialect.ts";
import { ChatError } from "../../../src/core/error.ts";
import { parseCallerJson } from "../../../src/core/json.ts";
import { decodeChatRequest } from "../../../src/dialects/openai-chat/request-decode.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";

/** A target of OpenAI's, unless said otherwise. */
export function target(over: Partial<Omit<Target, "capabilities">> & { capabilities?: Partial<Target["capabilities"]> } = {}): Target {
  return {
    id: "openai/gpt-test" as TargetId,
    provider: "openai",
    model: "gpt-test",
    upstreamModel: "gpt-test-1",
    kind: "chat",
    issuer: "openai",
    price: undefined,
    timeoutMs: undefined,
    ...over,
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities", ...over.capabilities },
  };
}

/** A caller's body as the door reads it. */
export function decoded(body: unknown): ChatRequest {
  return decodeChatRequest(parseCallerJson(JSON.stringify(body))).request;
}

/** A body with one user message and these fields. */
export function ask(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: "m", messages: [{ role: "user", content: "hi" }], ...fields };
}

/** What leaves for the upstream, parsed. */
export function encoded(
  request: ChatRequest,
  options: { target?: Target; quirks?: Quirks; streamed?: boolean } = {},
): { body: Record<string, unknown>; fields: readonly string[]; whole: EncodedRequest } {
  const whole = openaiChat.encodeRequest(request, options.target ?? target(), options.quirks ?? {}, options.streamed ?? false);
  return { body: JSON.parse(whole.body), fields: whole.notes.map((note) => note.field), whole };
}

/** Runs a stream; chunks are objects or raw texts, `[DONE]` included where it comes. */
export function streamed(chunks: readonly unknown[], quirks: Quirks = {}): ChatEvent[] {
  const decoder = openaiChat.streamDecoder(quirks);
  const out: ChatEvent[] = [];
  for (const each of chunks) decoder.push(typeof each === "string" ? each : JSON.stringify(each), undefined, out);
  decoder.end(out);
  return out;
}

/** A chunk of one choice. */
export function chunk(delta: unknown, finish: string | null = null, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "x",
    object: "chat.completion.chunk",
    created: 1,
    model: "up",
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...more,
  };
}

/** Events in short words, for tables. */
export function short(events: readonly ChatEvent[]): string[] {
  return events.map((event) => {
    switch (event.case) {
      case "partStarted": {
        const { choiceIndex, partIndex, part } = event.value;
        const inner = part?.part;
        const call = inner?.case === "toolCall" ? ` ${inner.value.id} ${inner.value.name}` : "";
        return `${choiceIndex}.${partIndex} +${inner?.case}${call}`;
      }
      case "partDelta": {
        const { choiceIndex, partIndex, delta } = event.value;
        const value = typeof delta.value === "string" ? delta.value : delta.case === undefined ? "" : JSON.stringify(delta.value);
        return `${choiceIndex}.${partIndex} ${delta.case} ${value}`;
      }
      case "partEnded":
        return `${event.value.choiceIndex}.${event.value.partIndex} -`;
      case "choiceEnded":
        return `${event.value.choiceIndex} end ${event.value.finishReason} ${event.value.nativeFinishReason}`;
      case "usage":
        return `usage ${event.value.inputTokens}+${event.value.outputTokens}`;
      default:
        return event.case;
    }
  });
}

/** Only events of the API, as a door gets them. */
export function streamEvents(events: readonly ChatEvent[]): StreamEvent[] {
  return events.flatMap((event) => (event.case === "whole" || event.case === "embedded" ? [] : [event]));
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

/** The JSON of each `data:` line; `[DONE]` as it is. */
export function dataOf(sse: string): unknown[] {
  return sse
    .split("\n\n")
    .filter((each) => each.startsWith("data: "))
    .map((each) => (each === "data: [DONE]" ? "[DONE]" : JSON.parse(each.slice(6))));
}
