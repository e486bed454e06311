/** Streams that are whole, but framed, split or told in ways that few upstreams use. */
import { chunk } from "../support/scripted-upstream.ts";
import { anthropic, begun, done, finished, piece, streamEvents, usage, wholeOf } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, cut, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import {
  always,
  chunked,
  endedStream,
  event,
  fin,
  lastChunk,
  slices,
  sseHead,
  sseHeadUntilClose,
  type Step,
  untilHeard,
  write,
} from "./steps.ts";
import { faultTable, type FaultRow } from "./table.ts";

const streams = "SGWT";
const words = ["caf\u00e9 ", "\u{1f9a6} ", canaries.answer];
const whole = words.join("");
const events = streamEvents(...words);
const body = events.join("");

/** Nothing is wrong with it. */
function fine(id: string, fault: string, text: string, ...steps: readonly Step[]): FaultRow {
  return { id, fault, protocols: streams, script: always(...steps), lone: () => answered(text, 1) };
}

/** The body as one write, its end the connection's. */
function untilClose(text: string): readonly Step[] {
  return [write(sseHeadUntilClose() + text), fin];
}

/** Cuts at places that a seed chooses. */
function scattered(bytes: Buffer, seed: number): readonly Step[] {
  const steps: Step[] = [];
  let state = seed;
  for (let at = 0; at < bytes.length;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const length = 1 + (state % 90);
    steps.push(write(bytes.subarray(at, at + length)));
    at += length;
  }
  return steps;
}

const chunkedBody = Buffer.concat([Buffer.from(sseHead()), ...events.map((each) => chunked(each)), Buffer.from(lastChunk)]);
const longLine = "x".repeat(512 * 1024);
const json = (content: string): string => JSON.stringify(chunk({ content }));
/** More than any event of an upstream may have. */
const endlessLine = Buffer.alloc(1024 * 1024, "x");

faultTable("odd streams", [
  fine("U23/bytes", "one byte at a time", whole, slices(sseHeadUntilClose() + body, 1), fin),
  fine("U23/sevens", "seven bytes at a time, the chunked framing included", whole, slices(chunkedBody, 7)),
  ...[1, 2, 3].map((seed) => fine(`U23/seed${seed}`, `cut anywhere, seed ${seed}`, whole, ...scattered(chunkedBody, seed))),
  fine("U24/cr", "lines that end with CR", whole, ...untilClose(body.replaceAll("\n", "\r"))),
  fine("U24/crlf", "lines that end with CR LF", whole, ...untilClose(body.replaceAll("\n", "\r\n"))),
  fine(
    "U24/mixed",
    "lines that end in all three ways",
    whole,
    ...untilClose(
      [
        begun,
        piece(words[0]).replaceAll("\n", "\r\n"),
        piece(words[1]).replaceAll("\n", "\r"),
        piece(words[2]),
        finished,
        usage,
        done,
      ].join(""),
    ),
  ),
  fine("U24/bom", "a byte order mark", whole, ...untilClose(`\ufeff${body}`)),
  fine(
    "U24/comments",
    "comments, retry and ids between the events",
    whole,
    ...untilClose(events.map((each) => `: hello\n\nretry: 10\nid: 7\n${each}`).join("")),
  ),
  fine("U24/space", "data without a space", whole, ...untilClose(body.replaceAll("data: ", "data:"))),
  fine(
    "U24/lines",
    "an event over several data lines",
    canaries.answer,
    ...untilClose(`${begun}data: ${json(canaries.answer).replace(",", ",\ndata: ")}\n\n${finished}${usage}${done}`),
  ),
  fine("U24/last", "a last event without its blank line", whole, ...untilClose(body.trimEnd())),
  fine("U24/long", "a line of half a MiB", longLine, endedStream(begun, piece(longLine), finished, usage, done)),
  {
    id: "U24/too-long",
    fault: "a line of 2 MiB",
    protocols: streams,
    script: always(endedStream(begun, piece(longLine.repeat(4)), finished, usage, done)),
    closes: true,
    lone: () => failed("UPSTREAM_PROTOCOL", 3),
    pair: () => answered(wellSaid, 2),
  },
  {
    id: "U24/endless",
    fault: "an event without an end",
    protocols: streams,
    script: always(write(`${sseHeadUntilClose()}${begun}data: `), ...Array.from({ length: 18 }, () => write(endlessLine)), fin),
    closes: true,
    lone: () => failed("UPSTREAM_PROTOCOL", 3),
    pair: () => answered(wellSaid, 2),
  },
  {
    id: "U24/endless-later",
    fault: "content, then an event without an end",
    protocols: streams,
    script: always(
      write(`${sseHeadUntilClose()}${begun}${piece()}`),
      untilHeard,
      write("data: "),
      ...Array.from({ length: 18 }, () => write(endlessLine)),
      fin,
    ),
    closes: true,
    lone: () => cut(canaries.answer, 1),
  },
  fine("U28/json", "a stream is asked for, and JSON comes", canaries.answer, wholeOf()),
  {
    id: "U28/stream",
    fault: "JSON is asked for, and a stream comes",
    protocols: "RU",
    script: always(endedStream(...events)),
    lone: () => answered(whole, 1),
  },
  {
    id: "U28/stream-cut",
    fault: "JSON is asked for, and a stream comes that has no end",
    protocols: "RU",
    script: always(endedStream(begun, piece())),
    lone: () => failed("UPSTREAM_UNAVAILABLE", 3),
    pair: () => answered(wellSaid, 2),
  },
  {
    ...fine(
      "U24/anthropic",
      "Anthropic's stream one byte at a time, with CR LF",
      canaries.answer,
      slices(
        sseHeadUntilClose() +
          Object.entries(anthropic)
            .filter(([name]) => name !== "overloaded")
            .map(([, each]) => each.replaceAll("\n", "\r\n"))
            .join(""),
        1,
      ),
      fin,
    ),
    type: "anthropic",
  },
  fine(
    "U33/finish",
    "a finish reason that nobody knows",
    whole,
    endedStream(...events.slice(0, -3), event(chunk({}, "bored")), usage, done),
  ),
  fine(
    "U33/choices",
    "events without choices, with empty ones and with null",
    whole,
    endedStream(event({ id: "x", object: "chat.completion.chunk" }), event({ choices: [] }), event({ choices: null }), ...events),
  ),
  fine("U33/usage", "no usage", whole, endedStream(...events.filter((each) => each !== usage))),
  fine(
    "U33/negative",
    "usage below zero, and as text",
    whole,
    endedStream(
      ...events.slice(0, -2),
      event({ choices: [], usage: { prompt_tokens: -5, completion_tokens: "many", total_tokens: 1e300 } }),
      done,
    ),
  ),
  fine("U33/twice", "usage twice", whole, endedStream(...events.slice(0, -1), usage, done)),
]);
