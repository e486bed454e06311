import type { Attempt } from "../core/call.ts";
import type { ChatEvent } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { Quirks, UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { UpstreamHead } from "../core/handler.ts";
import { parseJson } from "../core/json.ts";
import type { Provider, ProviderEvent } from "../core/provider.ts";
import type { Secret } from "../core/secret.ts";
import type { WireAnswer, WireBody, WireHeaders } from "./wire/exchange.ts";
import type { Wire } from "./wire/pool.ts";
import { createSseReader } from "./wire/sse.ts";

/** Largest whole answer. */
const answerBytesMax = 64 * 1024 * 1024;
/** As much of an error answer as is looked at. */
const errorBytesMax = 64 * 1024;
/** Longest wait between two bytes of an error answer. */
const errorIdleMs = 5000;

/** A host and how to speak to it. */
export interface HttpProviderOptions {
  readonly name: string;
  readonly wire: Wire;
  readonly dialect: UpstreamDialect;
  readonly quirks: Quirks;
  /** From the origin's root, base path included. */
  readonly chatPath: string;
  /** The unbilled list call; undefined: there is none. */
  readonly modelsPath: string | undefined;
  readonly auth: "bearer" | "x-api-key";
  readonly apiKey: Secret | undefined;
  readonly clock: Clock;
}

/** Any dialect over HTTP: one POST a call; knows nothing of retries, caches or limits. */
export function createHttpProvider(options: HttpProviderOptions): Provider {
  const { dialect, quirks, name } = options;
  const fixed = fixedHeaders(options);
  return {
    name,
    chat: (attempt) => chat(attempt, options, fixed),
    translator: { notes: (request, target, streamed) => dialect.encodeRequest(request, target, quirks, streamed).notes },
    ...(options.modelsPath !== undefined && { probing: { probe: (signal) => probe(options, fixed, signal) } }),
  };
}

function fixedHeaders({ auth, apiKey }: HttpProviderOptions): readonly string[] {
  const headers = ["content-type", "application/json", "accept", "application/json", "user-agent", "semaroute"];
  if (apiKey !== undefined)
    headers.push(...(auth === "bearer" ? ["authorization", `Bearer ${apiKey.reveal()}`] : ["x-api-key", apiKey.reveal()]));
  return headers;
}

async function* chat(
  attempt: Attempt,
  options: HttpProviderOptions,
  fixed: readonly string[],
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { dialect, quirks, wire, chatPath } = options;
  const { request, target, streamed, signal, snapshot } = attempt;
  const encoded = dialect.encodeRequest(request, target, quirks, streamed);
  const headers = [...fixed];
  for (const [header, value] of Object.entries(encoded.headers ?? {})) headers.push(header, value);
  const answer = await wire.send({ method: "POST", path: chatPath, headers, body: encoded.body, signal, idleMs: snapshot.options.idleMs });
  try {
    if (answer.status !== 200) throw await failureFrom(answer, options);
    const head: ProviderEvent = { case: "head", value: headFrom(answer, encoded.notes) };
    if (streamed) yield* streamEvents(head, answer.body, options);
    else yield await wholeAnswer(head, answer.body, { dialect, quirks });
  } finally {
    answer.body.close();
  }
}

function headFrom({ status, headers }: WireAnswer, notes: UpstreamHead["notes"]): UpstreamHead {
  return { status, requestId: requestIdFrom(headers), notes };
}

function requestIdFrom(headers: WireHeaders): string {
  const id = headers["x-request-id"] ?? headers["request-id"];
  return typeof id === "string" ? id.slice(0, 128) : "";
}

interface Speaking {
  readonly dialect: UpstreamDialect;
  readonly quirks: Quirks;
}

async function wholeAnswer(head: ProviderEvent, body: WireBody, speaking: Speaking): Promise<readonly ProviderEvent[]> {
  const text = (await body.all(answerBytesMax)).toString("utf8");
  // Some hosts stream whatever was asked; the same decoder makes one answer of it further on.
  if (kindOf(text) === "sse") return [head, ...eventsFromText(text, speaking)];
  return [head, { case: "whole", value: speaking.dialect.decodeResponse(jsonFrom(text), speaking.quirks) }];
}

function eventsFromText(text: string, { dialect, quirks }: Speaking): ChatEvent[] {
  const events: ChatEvent[] = [];
  const decoder = dialect.streamDecoder(quirks);
  const reader = createSseReader((data, event) => {
    decoder.push(data, event, events);
  });
  reader.push(Buffer.from(text));
  reader.end();
  decoder.end(events);
  return events;
}

async function* streamEvents(
  head: ProviderEvent,
  body: WireBody,
  { dialect, quirks }: Speaking,
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  let events: ProviderEvent[] = [head];
  const first = await body.read();
  const start = Buffer.concat(first ?? []);
  if (kindOf(start.toString("utf8", 0, 512)) !== "sse") {
    const rest = await body.all(answerBytesMax);
    yield [head, { case: "whole", value: dialect.decodeResponse(jsonFrom(Buffer.concat([start, rest]).toString("utf8")), quirks) }];
    return;
  }
  const decoder = dialect.streamDecoder(quirks);
  // The decoder appends chat events only; `events` is replaced, not emptied, because its readers keep what they were given.
  let decoded: ChatEvent[] = [];
  const reader = createSseReader((data, event) => {
    decoder.push(data, event, decoded);
  });
  for (let chunks: readonly Buffer[] | undefined = [start]; chunks !== undefined; chunks = await body.read()) {
    for (const chunk of chunks) reader.push(chunk);
    if (decoded.length === 0) continue;
    if (events.length > 0) {
      events.push(...decoded);
      yield events;
      events = [];
    } else yield decoded;
    decoded = [];
  }
  reader.end();
  decoder.end(decoded);
  if (events.length + decoded.length > 0) yield [...events, ...decoded];
}

/** Content types lie; the first character does not. */
function kindOf(text: string): "json" | "sse" | "html" {
  const first = text.trimStart()[0];
  if (first === "{" || first === "[") return "json";
  return first === "<" ? "html" : "sse";
}

function jsonFrom(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // The parser's message quotes the answer's text.
    throw new ChatError("UPSTREAM_PROTOCOL", `the upstream's answer is ${kindOf(text) === "html" ? "a web page" : "not valid JSON"}`);
  }
}

async function failureFrom(answer: WireAnswer, { dialect }: HttpProviderOptions): Promise<ChatError> {
  const { status, headers, body } = answer;
  const upstream = { status, requestId: requestIdFrom(headers) };
  if (status < 200 || (status >= 300 && status < 400)) {
    return new ChatError("UPSTREAM_UNAVAILABLE", `the upstream answered ${status}; redirects are not followed`, { upstream });
  }
  if (status < 300) return new ChatError("UPSTREAM_PROTOCOL", `the upstream answered ${status} without an answer`, { upstream });
  const text = await errorText(body);
  return dialect.failureFrom({ status, headers, body: text });
}

async function errorText(body: WireBody): Promise<string> {
  let text = "";
  try {
    for (let chunks = await body.read(); chunks !== undefined && text.length < errorBytesMax; chunks = await body.read()) {
      text += Buffer.concat(chunks).toString("utf8");
    }
  } catch {
    // A broken error answer is still an error answer: the status says enough.
  }
  return text.slice(0, errorBytesMax);
}

async function probe(options: HttpProviderOptions, fixed: readonly string[], signal: AbortSignal): Promise<readonly string[] | undefined> {
  const { wire, modelsPath = "/", dialect } = options;
  const answer = await wire.send({ method: "GET", path: modelsPath, headers: [...fixed], body: undefined, signal, idleMs: errorIdleMs });
  try {
    // A host without a list call is alive all the same.
    if (answer.status === 404 || answer.status === 405) return undefined;
    if (answer.status !== 200) throw await failureFrom(answer, options);
    const text = (await answer.body.all(answerBytesMax)).toString("utf8");
    return dialect.decodeModels(jsonFrom(text));
  } finally {
    answer.body.close();
  }
}
