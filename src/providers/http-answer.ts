import type { ChatEvent, EmbedRequest, EmbedResponse } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { AnswerContext, Quirks, StreamDecoder, UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { ProviderEvent } from "../core/provider.ts";
import { parseUpstreamJson, refuseDeep } from "./upstream-json.ts";
import type { WireAnswer, WireBody, WireHeaders } from "./wire/body.ts";
import { decodedBody } from "./wire/content-encoding.ts";
import { type EventReader, framings, type FramingRules } from "./wire/framing.ts";

/** Largest answer, whole or streamed. */
const answerBytesMax = 64 * 1024 * 1024;
/** As much of an error answer as is looked at, and for how long: its status says the most. */
const errorBytesMax = 64 * 1024;
const errorMs = 5000;

/** Who answers, and in which language. */
export interface Answering {
  /** `provider NAME`, for messages. */
  readonly who: string;
  readonly dialect: UpstreamDialect;
  readonly quirks: Quirks;
  readonly clock: Clock;
  /** What it was sent as credentials, or signed with, and must not be heard of again; nothing that is not worth the name. */
  readonly secrets: readonly string[];
}

/** An answer under way, and what its request's encoder wants it to be read with. */
export interface Arriving extends WireAnswer {
  readonly context: AnswerContext | undefined;
}

/** Azure's support asks for its gateway's id, which stands beside another; Cohere and OpenRouter have names of their own. */
const idHeaders = ["apim-request-id", "x-request-id", "request-id", "x-debug-trace-id", "x-generation-id", "x-amzn-requestid"] as const;

/** The upstream's own id of the request; empty where it sent none that can be shown. */
export function requestIdFrom(headers: WireHeaders, { secrets }: Answering): string {
  const id = idHeaders.map((name) => headers[name]).find((each) => each !== undefined);
  if (typeof id !== "string" || !/^[\x21-\x7e]{1,128}$/.test(id)) return "";
  return secrets.some((secret) => id.includes(secret)) ? "" : id;
}

/** The answer to a request for a whole one. */
export async function wholeAnswer(head: ProviderEvent, answer: Arriving, answering: Answering): Promise<readonly ProviderEvent[]> {
  const { who, dialect, quirks } = answering;
  const bytes = await decodedBody(answer, who).all(answerBytesMax);
  const text = bytes.toString("utf8");
  // Some hosts stream whatever was asked; the same decoder makes one answer of it further on.
  if (framingOf(answering).begins(text.trimStart().charCodeAt(0))) return [head, ...eventsFrom(bytes, answer.context, answering)];
  return [head, { case: "whole", value: dialect.decodeResponse(parseUpstreamJson(text, who), quirks, answer.context) }];
}

/** The answer to a request for embeddings. */
export async function embeddedAnswer(
  answer: WireAnswer,
  request: Readonly<EmbedRequest>,
  { who, dialect }: Answering,
): Promise<EmbedResponse> {
  const text = (await decodedBody(answer, who).all(answerBytesMax)).toString("utf8");
  // Vectors have no integers whose digits matter, and numbers by the million: to keep digits would take ten times as long.
  const body = parseUpstreamJson(text, who, JSON.parse);
  const failure = dialect.failureInside?.(body);
  if (failure !== undefined) throw failure;
  if (dialect.embeddings === undefined) throw new ChatError("INTERNAL", `${who} has no embeddings`);
  return dialect.embeddings.decodeResponse(body, request);
}

/** The answer to a request for a stream: its events as they come. */
export async function* streamEvents(
  head: ProviderEvent,
  answer: Arriving,
  answering: Answering,
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { who, dialect, quirks } = answering;
  const body = decodedBody(answer, who);
  const start = await firstBytes(body);
  const sign = start.toString("utf8", 0, 512).trimStart();
  const framing = framingOf(answering);
  if (sign !== "" && !framing.begins(sign.charCodeAt(0))) {
    const rest = await body.all(answerBytesMax);
    const text = Buffer.concat([start, rest]).toString("utf8");
    yield [head, { case: "whole", value: dialect.decodeResponse(parseUpstreamJson(text, who), quirks, answer.context) }];
    return;
  }
  let events: ProviderEvent[] = [head];
  let bytes = start.length;
  const decoder = dialect.streamDecoder(quirks, answer.context);
  // The decoder appends chat events only; `events` is replaced, not emptied, because its readers keep what they were given.
  let decoded: ChatEvent[] = [];
  const reader = framing.reader((data, event) => {
    refuseDeep(data, who);
    decoder.push(data, event, decoded);
  });
  for (let chunks: readonly Buffer[] | undefined = [start]; chunks !== undefined; chunks = await body.read()) {
    for (const chunk of chunks) {
      bytes += chunk.length;
      reader.push(chunk);
    }
    if (bytes > answerBytesMax) throw new ChatError("UPSTREAM_PROTOCOL", `the stream of ${who} is longer than ${answerBytesMax} bytes`);
    if (decoded.length === 0) continue;
    if (events.length > 0) {
      events.push(...decoded);
      yield events;
      events = [];
    } else yield decoded;
    decoded = [];
  }
  end(reader, decoder, decoded);
  if (events.length + decoded.length > 0) yield [...events, ...decoded];
}

/** The ids in a list of models. */
export async function listFrom(answer: WireAnswer, answering: Answering): Promise<readonly string[] | undefined> {
  return answering.dialect.decodeModels(await jsonFrom(answer, answering));
}

/** A whole body as JSON that nobody has looked at. */
export async function jsonFrom(answer: WireAnswer, { who }: Pick<Answering, "who">): Promise<unknown> {
  return parseUpstreamJson((await decodedBody(answer, who).all(answerBytesMax)).toString("utf8"), who);
}

/** What an answer with another status than 200 means. */
export async function failureFrom(answer: WireAnswer, answering: Answering): Promise<ChatError> {
  const { status, headers } = answer;
  const { who } = answering;
  const upstream = { status, requestId: requestIdFrom(headers, answering) };
  if (status < 200 || (status >= 300 && status < 400))
    return new ChatError("UPSTREAM_PROTOCOL", `${who} answered ${status}; redirects are not followed`, { upstream, final: true });
  if (status < 300) return new ChatError("UPSTREAM_PROTOCOL", `${who} answered ${status} without an answer`, { upstream });
  return answering.dialect.failureFrom({ status, headers, body: await errorText(answer, answering), wallMs: answering.clock.wall() });
}

async function errorText(answer: WireAnswer, { who, clock }: Answering): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  let cancelTimer: (() => void) | undefined;
  try {
    const body = decodedBody(answer, who);
    cancelTimer = clock.after(errorMs, () => body.close());
    for (let chunks = await body.read(); chunks !== undefined && bytes < errorBytesMax; chunks = await body.read()) {
      parts.push(...chunks);
      for (const chunk of chunks) bytes += chunk.length;
    }
  } catch {
    // A broken error answer is still an error answer: the status says enough.
  } finally {
    cancelTimer?.();
  }
  return Buffer.concat(parts).toString("utf8", 0, errorBytesMax);
}

function framingOf({ dialect }: Answering): FramingRules {
  return framings[dialect.framing ?? "sse"];
}

function eventsFrom(bytes: Buffer, context: AnswerContext | undefined, answering: Answering): ChatEvent[] {
  const { who, dialect, quirks } = answering;
  const events: ChatEvent[] = [];
  const decoder = dialect.streamDecoder(quirks, context);
  const reader = framingOf(answering).reader((data, event) => {
    refuseDeep(data, who);
    decoder.push(data, event, events);
  });
  reader.push(bytes);
  end(reader, decoder, events);
  return events;
}

function end(reader: EventReader, decoder: StreamDecoder, out: ChatEvent[]): void {
  reader.end();
  decoder.end(out);
}

/** Everything up to and with the first bytes that are not blank. */
async function firstBytes(body: WireBody): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  for (let chunks = await body.read(); chunks !== undefined; chunks = await body.read()) {
    start = Buffer.concat([start, ...chunks]);
    if (start.length > 512 || start.toString("utf8").trim() !== "") break;
  }
  return start;
}
