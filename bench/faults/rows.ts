import { begun, done, finished, piece, streamEvents, streamOf, wholeOf } from "../../test/fault/bodies.ts";
import {
  always,
  byKind,
  chunked,
  endedStream,
  errorJson,
  event,
  fin,
  head,
  http,
  lastChunk,
  openStream,
  repeat,
  rst,
  type Script,
  sleep,
  sseHead,
  sseHeadUntilClose,
  stall,
  type Step,
  write,
} from "../../test/fault/steps.ts";

/** What the caller asks for. */
export type Kind = "whole" | "stream";

/** What is right: for the faulty upstream alone, and with a healthy one behind it. */
export type Right =
  /** The good answer, all of it. */
  | "answered"
  /** An error with one of these statuses before anything else. */
  | readonly number[]
  /** What had come, and then an error that no SDK can take for an end. */
  | "told";

/** A fault, as it is played to every gateway. */
export interface PeerRow {
  readonly fault: string;
  /** Undefined: nobody listens. */
  readonly script: Script | undefined;
  readonly kinds: readonly Kind[];
  readonly lone: Right;
  readonly pair: Right;
}

/** The text that good answers have, in two pieces. */
export const pieces = ["The answer ", "is 42."] as const;

const both = ["whole", "stream"] as const;
const streams = ["stream"] as const;
const wholes = ["whole"] as const;
/** Any 5xx: whose fault it is, is told; which one exactly is taste. */
const upstreamFault = [500, 502, 503, 504] as const;

const content = chunked(piece(pieces[0]));
const opened: readonly Step[] = [write(sseHead()), write(chunked(begun)), write(content), sleep(150)];
const busy = event({ error: { message: "the engine is overloaded", type: "overloaded_error", code: null, param: null } });

/** All rows; `trapPort` is where the redirect leads. */
export function peerRows(trapPort: number): readonly PeerRow[] {
  return [
    { fault: "nobody listens", script: undefined, kinds: both, lone: upstreamFault, pair: "answered" },
    { fault: "reset right after the request", script: always(rst), kinds: both, lone: upstreamFault, pair: "answered" },
    {
      fault: "connection ends inside the head",
      script: always(write("HTTP/1.1 200 OK\r\ncontent-ty"), fin),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "bytes that are no HTTP",
      script: always(write("SSH-2.0-OpenSSH_9.2\r\n"), fin),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
    { fault: "never answers", script: always(stall), kinds: both, lone: upstreamFault, pair: "answered" },
    ...refusals(),
    {
      fault: "200 with a web page",
      script: always(write(http(200, { "content-type": "text/html" }, "<html>maintenance</html>"))),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "connection ends inside the JSON",
      script: always(
        write(http(200, { "content-type": "application/json", "content-length": "900" }, '{"id":"c","choices":[{"index":0,"mess')),
        fin,
      ),
      kinds: wholes,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "200 with an error object",
      script: always(
        write(http(200, { "content-type": "application/json" }, '{"error":{"message":"overloaded","type":"overloaded_error"}}')),
      ),
      kinds: wholes,
      lone: [...upstreamFault, 529],
      pair: "answered",
    },
    {
      fault: "stream whose first event is an error",
      script: always(endedStream(busy)),
      kinds: streams,
      lone: [...upstreamFault, 529],
      pair: "answered",
    },
    {
      fault: "stream reset before any content",
      script: always(write(sseHead()), write(chunked(begun)), sleep(100), rst),
      kinds: streams,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "stream of pings only",
      script: always(write(sseHead()), repeat(chunked(": ping\n\n"), 50)),
      kinds: streams,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "JSON where a stream was asked for",
      script: always(wholeOf(pieces.join(""))),
      kinds: streams,
      lone: "answered",
      pair: "answered",
    },
    { fault: "a stream where JSON was asked for", script: always(streamOf(...pieces)), kinds: wholes, lone: "answered", pair: "answered" },
    ...brokenStreams(),
    {
      fault: "lines that end with a carriage return alone",
      script: always(
        write(sseHead()),
        write(
          chunked(
            streamEvents(...pieces)
              .join("")
              .replaceAll("\n", "\r"),
          ),
        ),
        write(lastChunk),
      ),
      kinds: streams,
      lone: "answered",
      pair: "answered",
    },
    {
      fault: "finish reason, but no [DONE]",
      script: always(endedStream(begun, piece(pieces[0]), piece(pieces[1]), finished)),
      kinds: streams,
      lone: "answered",
      pair: "answered",
    },
    {
      fault: "redirect to another host",
      script: always(write(head(307, { location: `http://127.0.0.1:${trapPort}/v1/chat/completions`, "content-length": "0" }))),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
  ];
}

/** Error answers. Whose fault a status says it is matters: 401 would send the caller to look for a fault in its own key. */
function refusals(): PeerRow[] {
  const refuses = (status: number, error: Readonly<Record<string, unknown>> = {}, headers?: Readonly<Record<string, string>>): Script =>
    always(write(errorJson(status, error, headers)));
  return [
    { fault: "500", script: refuses(500), kinds: both, lone: upstreamFault, pair: "answered" },
    { fault: "503", script: refuses(503), kinds: both, lone: upstreamFault, pair: "answered" },
    {
      fault: "429 with retry-after",
      script: refuses(429, { type: "rate_limit_error" }, { "retry-after": "30" }),
      kinds: both,
      lone: [429],
      pair: "answered",
    },
    {
      fault: "429 that means spent credit",
      script: refuses(429, { type: "insufficient_quota", code: "insufficient_quota" }),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "401: the provider's key is bad",
      script: refuses(401, { code: "invalid_api_key" }),
      kinds: both,
      lone: upstreamFault,
      pair: "answered",
    },
    {
      fault: "400: the caller's own fault",
      script: refuses(400, { message: "temperature must be at most 2", param: "temperature" }),
      kinds: both,
      lone: [400],
      pair: [400],
    },
  ];
}

/** Streams that break after the first content. Nobody may answer in their place any more. */
function brokenStreams(): PeerRow[] {
  const row = (fault: string, ...steps: readonly Step[]): PeerRow => ({
    fault,
    script: always(...steps),
    kinds: streams,
    lone: "told",
    pair: "told",
  });
  return [
    row("stream reset after content", ...opened, rst),
    row("stream that ends cleanly without finish reason or [DONE]", ...opened, write(lastChunk)),
    row(
      "stream that ends inside an event, with its connection",
      write(sseHeadUntilClose()),
      write(begun),
      write(piece(pieces[0])),
      sleep(150),
      write('data: {"choices":[{"delta":{"content":"is '),
      fin,
    ),
    row("[DONE] without a finish reason", ...opened, write(chunked(done)), write(lastChunk)),
    row("error event after content", ...opened, write(chunked(busy)), write(lastChunk)),
    row("silence after content", ...opened, stall),
  ];
}

/** What the healthy upstream does. */
export const healthy: Script = byKind([wholeOf(pieces.join(""))], [streamOf(...pieces)]);

/** Phases in which a caller leaves, by what the upstream is doing then. */
export const leaving: readonly { readonly phase: string; readonly script: Script; readonly kinds: readonly Kind[] }[] = [
  { phase: "the caller leaves before the upstream answers", script: always(stall), kinds: both },
  { phase: "the caller leaves in the middle of a stream", script: always(openStream(begun, piece(pieces[0])), stall), kinds: streams },
];
