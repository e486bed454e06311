/** Every recorded stream, however its bytes come: cut in two at each of them, one at a time, with other line ends, between comments. */
import { describe, expect, test } from "vitest";
import type { ChatEvent } from "../../src/core/chat.ts";
import type { StreamDecoder } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { framings } from "../../src/providers/wire/framing.ts";
import { type Answer, answersOf, failing } from "./answers.ts";
import { type DialectRow, dialects, targetOf } from "./dialects.ts";
import { askedFor } from "./play.ts";

/** An event of the framing: what a decoder gets to see, and all that it sees. */
type Framed = readonly [data: string, name: string | undefined];

/** What the real reader makes of bytes; `broken`: their end is within an event. */
function framed({ upstream }: DialectRow, pieces: readonly Uint8Array[]): { readonly events: readonly Framed[]; readonly broken: boolean } {
  const events: Framed[] = [];
  const reader = framings[upstream.framing ?? "sse"].reader((data, name) => events.push([data, name]));
  for (const piece of pieces) reader.push(piece);
  return { events, broken: failureOf(() => reader.end()) !== undefined };
}

/** A decoder that knows what the case's request says of its answer. */
function decoderOf(row: DialectRow, { name }: Answer): StreamDecoder {
  const { upstream, quirks } = row;
  return upstream.streamDecoder(quirks, upstream.encodeRequest(askedFor(name), targetOf(row, ""), quirks, true).answering);
}

/** What an answer's events come to; with the failure, if they are not a whole answer. */
function decoded(row: DialectRow, answer: Answer, events: readonly Framed[]): readonly [readonly ChatEvent[], failure: string | undefined] {
  const out: ChatEvent[] = [];
  const decoder = decoderOf(row, answer);
  const failure = failureOf(() => {
    for (const [data, name] of events) decoder.push(data, name, out);
    decoder.end(out);
  });
  return [out, failure];
}

function failureOf(run: () => void): string | undefined {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ChatError) return thrown.failure;
    throw thrown;
  }
  return undefined;
}

function bytewise(bytes: Buffer): readonly Buffer[] {
  return Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
}

/** Whether a broken-off event could pass for another one: what is no JSON cannot. */
function isJson(data: string): boolean {
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}

describe.each(dialects)("a stream of $name", (row) => {
  const streams = answersOf(row).filter(({ streamed }) => streamed);

  test.each(streams)("of $name is the same wherever it is cut in two", (answer) => {
    const { bytes } = answer;
    const whole = JSON.stringify(framed(row, [bytes]));
    for (let at = 1; at < bytes.length; at++) {
      const cut = JSON.stringify(framed(row, [bytes.subarray(0, at), bytes.subarray(at)]));
      if (cut !== whole) expect.fail(`other events when cut at ${at}`);
    }
  });

  test.each(streams)("of $name is the same byte by byte", (answer) => {
    expect(framed(row, bytewise(answer.bytes))).toEqual(framed(row, [answer.bytes]));
  });

  const texts = row.upstream.framing === "eventstream" ? [] : streams;
  test.each(texts)("of $name is the same with other line ends and between comments", (answer) => {
    const text = answer.bytes.toString("utf8");
    const whole = framed(row, [answer.bytes]);
    for (const other of [
      text.replaceAll("\n", "\r\n"),
      text.replaceAll("\n", "\r"),
      `: first\n\n${text.replaceAll("\n\n", "\n\n: keep-alive\n:\n\n")}`,
      `\uFEFF${text}`,
    ]) {
      const bytes = Buffer.from(other);
      expect(framed(row, [bytes])).toEqual(whole);
      expect(framed(row, bytewise(bytes))).toEqual(whole);
      // Between a carriage return and its line feed, and within the mark at the beginning, too.
      const crlf = bytes.indexOf("\r\n") + 1;
      expect(framed(row, [bytes.subarray(0, crlf), bytes.subarray(crlf)])).toEqual(whole);
    }
  });

  test.each(streams)("of $name never looks finished when it stops before its end", (answer) => {
    const known: Framed[] = [];
    const end = answer.pieces.findLastIndex((piece) => framed(row, [piece]).events.some(([data, name]) => row.isEnd(data, name)));
    for (const piece of end < 0 ? answer.pieces : answer.pieces.slice(0, end + 1)) {
      const [out, failure] = decoded(row, answer, known);
      expect(failure, `after ${known.length} events`).toBeDefined();
      expect(out.some((event) => event.case === "completed")).toBe(false);
      // One decoder for all: an event that it cannot read leaves no mark.
      const decoder = decoderOf(row, answer);
      for (const [data, name] of known) decoder.push(data, name, []);
      const whole = framed(row, [piece]).events;
      for (let at = 1; at < piece.length; at++) {
        const { events, broken } = framed(row, [piece.subarray(0, at)]);
        const [half] = events;
        // A whole event is the next turn's business, or the end that was looked for.
        if (broken || half === undefined || half[0] === whole[0]?.[0]) continue;
        expect(isJson(half[0]), half[0]).toBe(false);
        expect(
          failureOf(() => decoder.push(half[0], half[1], [])),
          half[0],
        ).toBeDefined();
      }
      known.push(...whole);
    }
    expect(decoded(row, answer, framed(row, answer.pieces).events)[1] === undefined).toBe(!failing.has(answer.name));
  });
});
