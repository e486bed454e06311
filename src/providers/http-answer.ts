import type { ChatEvent } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { Quirks, StreamDecoder, UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { ProviderEvent } from "../core/provider.ts";
import { parseUpstreamJson, refuseDeep } from "./upstream-json.ts";
import type { WireAnswer, WireBody, WireHeaders } from "./wire/body.ts";
import { decodedBody } from "./wire/content-encoding.ts";
import { createSseReader, type SseReader } from "./wire/sse.ts";

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
  /** What it was sent as a credential, and must not be heard of again; undefined: nothing, or nothing worth a name. */
  readonly key: string | undefined;
}

/** The upstream's own id of the request; empty where it sent none that can be shown. */
export function requestIdFrom(headers: WireHeaders, { key }: Answering): string {
  const id = headers["x-request-id"] ?? headers["request-id"];
  if (typeof id !== "string" || !/^[\x21-\x7e]{1,128}$/.test(id)) return "";
  return key !== undefined && id.includes(key) ? "" : id;
}

/** The answer to a request for a whole one. */
export async function wholeAnswer(head: ProviderEvent, answer: WireAnswer, answering: Answering): Promise<readonly ProviderEvent[]> {
  const { who, dialect, quirks } = answering;
  const text = (await decodedBody(answer, who).all(answerBytesMax)).toString("utf8");
  // Some hosts stream whatever was asked; the same decoder makes one answer of it further on.
  if (isSse(text.trimStart().charCodeAt(0))) return [head, ...eventsFromText(text, answering)];
  return [head, { case: "whole", value: dialect.decodeResponse(parseUpstreamJson(text, who), quirks) }];
}

/** The answer to a request for a stream: its events as they come. */
export async function* streamEvents(
  head: ProviderEvent,
  answer: WireAnswer,
  answering: Answering,
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { who, dialect, quirks } = answering;
  const body = decodedBody(answer, who);
  const start = await firstBytes(body);
  const sign = start.toString("utf8", 0, 512).trimStart();
  if (sign !== "" && !isSse(sign.charCodeAt(0))) {
    const rest = await body.all(answerBytesMax);
    const text = Buffer.concat([start, rest]).toString("utf8");
    yield [head, { case: "whole", value: dialect.decodeResponse(parseUpstreamJson(text, who), quirks) }];
    return;
  }
  let events: ProviderEvent[] = [head];
  let bytes = start.length;
  const decoder = dialect.streamDecoder(quirks);
  // The decoder appends chat events only; `events` is replaced, not emptied, because its readers keep what they were given.
  let decoded: ChatEvent[] = [];
  const reader = createSseReader((data, event) => {
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

function eventsFromText(text: string, { who, dialect, quirks }: Answering): ChatEvent[] {
  const events: ChatEvent[] = [];
  const decoder = dialect.streamDecoder(quirks);
  const reader = createSseReader((data, event) => {
    refuseDeep(data, who);
    decoder.push(data, event, events);
  });
  reader.push(Buffer.from(text));
  end(reader, decoder, events);
  return events;
}

function end(reader: SseReader, decoder: StreamDecoder, out: ChatEvent[]): void {
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

/**
 * Whether text that begins so is a stream of events: content types lie, the first character does not. It is that of
 * `data`, `event`, `id`, `retry` or a comment; JSON and web pages begin with others.
 */
function isSse(first: number): boolean {
  return first === 0x64 || first === 0x65 || first === 0x69 || first === 0x72 || first === 0x3a;
}
