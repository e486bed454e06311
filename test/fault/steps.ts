/**
 * What a scripted upstream does with a connection, as data: a flat list of steps, and the bytes that go into them.
 *
 *   answer(() => [write(jsonAnswer(completion("hello")))])            a good whole answer
 *   answer(() => [write(sseHead() + chunked(event(chunk(…)))), rst])   a stream that is reset after its first event
 */
import type { SeenRequest } from "./upstream.ts";

/** One thing to do. */
export type Step =
  /** Reads a request and goes on with what it deserves. */
  | { readonly do: "answer"; readonly by: (request: SeenRequest) => readonly Step[] }
  /** As `answer`, but as soon as the head is there: what is read of the body decides nothing. */
  | { readonly do: "answerEarly"; readonly by: (head: string) => readonly Step[] }
  /** Sends bytes, `slice` at a time, each slice a write of its own. */
  | { readonly do: "write"; readonly bytes: Uint8Array; readonly slice: number; readonly everyMs: number }
  /** Sends the same bytes again and again until the other side is gone, as fast as it reads or at a pace. */
  | { readonly do: "repeat"; readonly bytes: Uint8Array; readonly everyMs: number }
  | { readonly do: "sleep"; readonly ms: number }
  /** Waits until the caller has read some of the answer (`ScriptedUpstream.heard`): what follows comes after content for certain. */
  | { readonly do: "untilHeard" }
  /** Does nothing more until the other side is gone. */
  | { readonly do: "stall" }
  /** As `stall`, and does not even read. */
  | { readonly do: "deaf" }
  /** A TCP reset. */
  | { readonly do: "rst" }
  /** An orderly end of our half. */
  | { readonly do: "fin" };

/** A connection's script. It is begun anew for the next request while the connection lives. */
export type Script = readonly Step[];

/** See `Step`. */
export const stall: Step = { do: "stall" };
/** See `Step`. */
export const deaf: Step = { do: "deaf" };
/** See `Step`. */
export const rst: Step = { do: "rst" };
/** See `Step`. */
export const untilHeard: Step = { do: "untilHeard" };
/** See `Step`. */
export const fin: Step = { do: "fin" };

/** See `Step`. */
export function sleep(ms: number): Step {
  return { do: "sleep", ms };
}

/** Reads a request and plays what the function makes of it. */
export function answer(by: (request: SeenRequest) => readonly Step[]): Step {
  return { do: "answer", by };
}

/** Reads a request's head only and plays what the function makes of it. */
export function answerEarly(by: (head: string) => readonly Step[]): Step {
  return { do: "answerEarly", by };
}

/** Sends text, as UTF-8, or bytes, in one write. */
export function write(bytes: string | Uint8Array): Step {
  return { do: "write", bytes: Buffer.from(bytes), slice: Number.POSITIVE_INFINITY, everyMs: 0 };
}

/** Sends them so many bytes at a time. */
export function slices(bytes: string | Uint8Array, slice: number, everyMs = 0): Step {
  return { do: "write", bytes: Buffer.from(bytes), slice, everyMs };
}

/** Sends them for ever; without a pace as fast as the other side takes them. */
export function repeat(bytes: string | Uint8Array, everyMs = 0): Step {
  return { do: "repeat", bytes: Buffer.from(bytes), everyMs };
}

/** The same script, whatever is asked. */
export function always(...steps: readonly Step[]): Script {
  return [answer(() => steps)];
}

/** One script for whole answers and one for streams. */
export function byKind(whole: readonly Step[], streamed: readonly Step[]): Script {
  return [answer((request) => (request.streamed ? streamed : whole))];
}

/** Head and body of an answer with a length; `headers` may override both lines of ours. */
export function http(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(head(status, { "content-length": String(bytes.length), ...headers })), bytes]);
}

/** The head of an answer. */
export function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
}

/** A whole answer in JSON. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Buffer {
  return http(status, { "content-type": "application/json", ...headers }, JSON.stringify(body));
}

/** An error answer in OpenAI's shape. */
export function errorJson(
  status: number,
  error: Readonly<Record<string, unknown>> = {},
  headers?: Readonly<Record<string, string>>,
): Buffer {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return json({ error: { message: `scripted ${status}`, type, param: null, code: null, ...error } }, status, headers);
}

/** The head of a stream whose body is chunked. */
export function sseHead(headers: Readonly<Record<string, string>> = {}): string {
  return head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked", ...headers });
}

/** The head of a stream that ends with its connection. */
export function sseHeadUntilClose(): string {
  return head(200, { "content-type": "text/event-stream", connection: "close" });
}

/** One chunk of a chunked body. */
export function chunked(bytes: string | Uint8Array): Buffer {
  const body = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")]);
}

/** The end of a chunked body. */
export const lastChunk = "0\r\n\r\n";

/** One server-sent event; strings as they are, all else as JSON. */
export function event(data: unknown, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/** A chunked stream of these events, left open: each a chunk of its own, all in one write. */
export function openStream(...events: readonly string[]): Step {
  return write(Buffer.concat([Buffer.from(sseHead()), ...events.map((each) => chunked(each))]));
}

/** A chunked stream of these events with a clean end of the body. */
export function endedStream(...events: readonly string[]): Step {
  return write(Buffer.concat([Buffer.from(sseHead()), ...events.map((each) => chunked(each)), Buffer.from(lastChunk)]));
}
