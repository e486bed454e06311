import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Failure } from "../../../src/core/error.ts";
import { chunk } from "../../support/scripted-upstream.ts";
import { answerJson, begun, canary, chunked, chunkedHead, http, openHead, rawScene, rest, sse } from "./raw-scene.ts";

/** What the upstream does with a request, and what becomes of a call. */
interface Fault {
  readonly what: string;
  /** Catalogue row. */
  readonly row: string;
  readonly serve: (socket: Socket) => void;
  /** Undefined: it succeeds with "Hello". */
  readonly whole?: Failure | undefined;
  readonly stream?: Failure | undefined;
  /** Called in one way only. */
  readonly only?: "whole" | "stream";
  /** What it does once the first content is with the caller. */
  readonly later?: (socket: Socket) => void;
  /** The same target is not worth another try. */
  readonly final?: boolean;
}

const protocol = { whole: "UPSTREAM_PROTOCOL", stream: "UPSTREAM_PROTOCOL" } as const;
const gone = { whole: "UPSTREAM_UNAVAILABLE", stream: "UPSTREAM_UNAVAILABLE" } as const;
const write = (...parts: readonly (string | Uint8Array)[]) => {
  return (socket: Socket): void => {
    for (const part of parts) socket.write(part);
  };
};
const end = (...parts: readonly (string | Uint8Array)[]) => {
  return (socket: Socket): void => {
    write(...parts)(socket);
    socket.end();
  };
};
/** A reset that reaches the other side after what was written. */
const reset = (...parts: readonly string[]) => {
  return (socket: Socket): void => {
    write(...parts)(socket);
    setImmediate(() => setImmediate(() => socket.resetAndDestroy()));
  };
};
const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const manyHeaders = Array.from({ length: 10_000 }, () => "a: b");
const longLine = sse(chunk({ content: "x".repeat(2 ** 21) }));
const answer = http(answerJson());
const head = (...headers: readonly string[]): string => `${["HTTP/1.1 200 OK", ...headers].join("\r\n")}\r\n\r\n`;

const heads: readonly Fault[] = [
  { row: "U08", what: "a reset after the request", serve: (socket) => socket.resetAndDestroy(), ...gone },
  { row: "U08", what: "a close after the request", serve: end(), ...gone },
  { row: "U10", what: "an end within the status line", serve: end("HTTP/1.1 20"), ...protocol },
  { row: "U10", what: "an end after the status line", serve: end("HTTP/1.1 200 OK\r\n"), ...protocol },
  { row: "U10", what: "an end within the headers", serve: end("HTTP/1.1 200 OK\r\ncontent-type: appl"), ...protocol },
  { row: "U11", what: "another protocol", serve: end("SSH-2.0-OpenSSH_9.6\r\n"), ...protocol },
  { row: "U11", what: "noise", serve: end(new Uint8Array([0, 1, 2, 3, 255, 254, 13, 10])), ...protocol },
  { row: "U11", what: "HTTP/0.9", serve: end(answerJson()), ...protocol },
  { row: "U11", what: "a bad chunk size", serve: end(chunkedHead, "xyz\r\nabc\r\n"), ...protocol },
  { row: "U11", what: "an endless chunk size", serve: end(chunkedHead, `${"f".repeat(40)}\r\n`), ...protocol },
  {
    row: "U11",
    what: "both lengths",
    serve: end(head("content-length: 5", "transfer-encoding: chunked"), chunked(answerJson()), "0\r\n\r\n"),
    ...protocol,
  },
  { row: "U11", what: "a negative length", serve: end(head("content-length: -1"), answerJson()), ...protocol },
  { row: "U11", what: "two lengths", serve: end(head("content-length: 5", "content-length: 6"), "abcdef"), ...protocol },
  { row: "U11", what: "a line break in a header", serve: end("HTTP/1.1 200 OK\r\nx: a\rb: c\r\n\r\n"), ...protocol },
  {
    row: "U11",
    what: "a switch of protocols",
    serve: end("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ...protocol,
  },
  { row: "U12", what: "103 before the answer", serve: write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", answer) },
  {
    row: "U12",
    what: "102 and 103 before the answer",
    serve: write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", answer),
  },
  { row: "U12", what: "100 before the answer", serve: write("HTTP/1.1 100 Continue\r\n\r\n", answer) },
  { row: "U13", what: "headers beyond 32 KiB", serve: write(head(`x: ${"y".repeat(40_000)}`)), ...protocol },
  { row: "U13", what: "headers without end", serve: write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`), ...protocol },
  { row: "U13", what: "10,000 headers", serve: write(http(answerJson(), manyHeaders)), ...protocol },
  {
    row: "U13",
    what: "headers named like members of objects",
    serve: write(http(answerJson(), ["__proto__: x", "__proto__: y", "constructor: z", "toString: 1", "hasOwnProperty: 2"])),
  },
];

const bodies: readonly Fault[] = [
  { row: "U14", what: "an end within the JSON", serve: end(head("content-length: 999"), answerJson().slice(0, 50)), ...protocol },
  { row: "U14", what: "an end within chunked JSON", serve: end(chunkedHead, chunked(answerJson().slice(0, 50))), ...protocol },
  { row: "U14", what: "a reset within the JSON", serve: reset(head("content-length: 999"), answerJson().slice(0, 50)), ...protocol },
  { row: "U14", what: "JSON cut without a length", serve: end(openHead, answerJson().slice(0, 50)), ...protocol },
  { row: "U15", what: "JSON longer than its length", serve: write(head("content-length: 50"), answerJson()), ...protocol },
  { row: "U27", what: "an error in a 200", serve: write(http('{"error":{"message":"x","code":"server_error"}}')), ...gone },
  { row: "U28", what: "JSON, whatever was asked", serve: write(answer) },
  { row: "U28", what: "a stream, whatever was asked", serve: write(http(begun + rest)) },
  { row: "U28", what: "JSON after blanks", serve: write(chunkedHead, chunked("\n"), chunked(" \r\n"), chunked(answerJson()), "0\r\n\r\n") },
  { row: "U29", what: "a web page in a 200", serve: write(http("<!doctype html><title>Sign in</title>")), ...protocol },
  { row: "U29", what: "a web page after a mark of byte order", serve: write(http("\ufeff\n<html>")), ...protocol },
  { row: "U30", what: "null", serve: write(http("null")), ...protocol },
  { row: "U30", what: "an empty list", serve: write(http("[]")), ...protocol },
  { row: "U30", what: "an empty object", serve: write(http("{}")), ...protocol },
  { row: "U30", what: "a bare string", serve: write(http('"hello"')), ...protocol },
  { row: "U30", what: "a number", serve: write(http("42")), ...protocol },
  { row: "U30", what: "words", serve: write(http("upstream timed out")), ...protocol },
  { row: "U30", what: "nothing", serve: write(http("")), whole: "UPSTREAM_PROTOCOL", stream: "UPSTREAM_UNAVAILABLE" },
  { row: "U30", what: "204", serve: write("HTTP/1.1 204 No Content\r\n\r\n"), ...protocol },
  { row: "U30", what: "a 502 page", serve: write(http("<html>bad gateway</html>", [], "502 Bad Gateway")), ...gone },
  { row: "U31", what: "NaN", serve: write(http('{"choices":NaN}')), ...protocol },
  { row: "U31", what: "JSON 100,000 deep", serve: write(http(`{"choices":[{"x":${deep(100_000)}}]}`)), ...protocol },
  { row: "U31", what: "an answer with a field 1,000 deep", serve: write(http(`{"x":${deep(1000)},${answerJson().slice(1)}`)), ...protocol },
  { row: "U31", what: "unclosed JSON 100,000 deep", serve: write(http("[".repeat(100_000))), ...protocol },
  {
    row: "U31",
    what: "an event 100,000 deep",
    serve: write(http(`data: {"choices":[],"x":${deep(100_000)}}\n\n${begun}${rest}`)),
    ...protocol,
  },
  { row: "U31", what: "a key twice", serve: write(http(`{"choices":[],${answerJson().slice(1)}`)) },
  { row: "U51", what: "gzip nobody asked for", serve: write(http(gzipSync(answerJson()), ["content-encoding: gzip"])) },
  { row: "U51", what: "a stream in gzip", serve: write(http(gzipSync(begun + rest), ["content-encoding: x-gzip"])) },
  { row: "U51", what: "identity by name", serve: write(http(answerJson(), ["content-encoding: identity"])) },
  { row: "U51", what: "gzip that is none", serve: write(http(answerJson(), ["content-encoding: gzip"])), ...protocol },
  {
    row: "U51",
    what: "gzip cut short",
    serve: write(http(gzipSync(answerJson()).subarray(0, 60), ["content-encoding: gzip"])),
    ...protocol,
  },
  { row: "U51", what: "gzip twice", serve: write(http(gzipSync(gzipSync(answerJson())), ["content-encoding: gzip, gzip"])), ...protocol },
  {
    row: "U51",
    what: "gzip in two headers",
    serve: write(http(gzipSync(gzipSync(answerJson())), ["content-encoding: gzip", "content-encoding: gzip"])),
    ...protocol,
  },
  {
    row: "U51",
    what: "a thousand codings",
    serve: write(http("x", [`content-encoding: ${Array(1000).fill("gzip").join(",")}`])),
    ...protocol,
  },
  { row: "U51", what: "brotli", serve: write(http("x", ["content-encoding: br"])), ...protocol },
  {
    row: "U51",
    what: "a gzip bomb",
    serve: write(http(gzipSync(answerJson() + " ".repeat(40 * 1024 * 1024)), ["content-encoding: gzip"])),
    ...protocol,
  },
];

const streams: readonly Fault[] = [
  { row: "U16", what: "a reset before the first event", serve: reset(chunkedHead), only: "stream", ...gone },
  {
    row: "U17",
    what: "a reset after an empty start",
    serve: reset(chunkedHead, chunked(sse(chunk({ role: "assistant" })))),
    only: "stream",
    ...gone,
  },
  {
    row: "U18",
    what: "a reset after content",
    serve: write(chunkedHead, chunked(begun)),
    later: reset(),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U18",
    what: "an end within the chunks",
    serve: write(chunkedHead, chunked(begun)),
    later: end(),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U19",
    what: "a clean end without a finish",
    serve: write(openHead, begun),
    later: end(),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U20",
    what: "[DONE] without a finish",
    serve: write(openHead, begun),
    later: end(sse("[DONE]")),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  { row: "U21", what: "a finish without [DONE]", serve: end(openHead, begun, sse(chunk({ content: "lo" }), chunk({}, "stop"))) },
  { row: "U21", what: "[DONE] without its line's end", serve: end(openHead, begun, rest.trimEnd()) },
  {
    row: "U22",
    what: "an end within an event",
    serve: write(openHead, begun),
    later: end(sse(chunk({ content: "lo" }), chunk({}, "stop")).slice(0, -20)),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U22",
    what: "an end within the line after the finish",
    serve: write(openHead, begun),
    later: end(sse(chunk({ content: "lo" }), chunk({}, "stop")), "dat"),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U22",
    what: "an end within a character",
    serve: write(openHead, begun),
    later: end(`data: {"choices":[{"delta":{"content":"`, new Uint8Array([0xc3])),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  { row: "U24", what: "lines that end with CR", serve: write(http((begun + rest).replaceAll("\n", "\r"))) },
  { row: "U24", what: "lines that end with CRLF", serve: write(http((begun + rest).replaceAll("\n", "\r\n"))) },
  {
    row: "U24",
    what: "a mark of byte order, comments and other fields",
    serve: write(http(`\ufeff: hi\nretry: 1\nid: 2\nx: y\n\n${begun}${rest}`)),
  },
  {
    row: "U24",
    what: "a line of 2 MiB first",
    serve: write(chunkedHead, chunked(longLine), chunked(begun), "0\r\n\r\n"),
    ...protocol,
  },
  {
    row: "U24",
    what: "a line of 2 MiB after content",
    serve: write(chunkedHead, chunked(begun)),
    later: write(chunked(longLine)),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
  {
    row: "U25",
    what: "an error as the first event",
    serve: write(http(sse({ error: { message: "x", type: "overloaded_error" } }))),
    whole: "OVERLOADED",
    stream: "OVERLOADED",
  },
  {
    row: "U26",
    what: "an error after content",
    serve: write(chunkedHead, chunked(begun)),
    later: write(chunked(sse({ error: { message: "x", type: "overloaded_error" } })), "0\r\n\r\n"),
    only: "stream",
    stream: "STREAM_INTERRUPTED",
  },
];

describe.each([
  ["heads", heads],
  ["bodies", bodies],
  ["streams", streams],
] as const)("%s", (_, faults) => {
  for (const { row, what, serve, later, only, final = false, ...expected } of faults) {
    for (const kind of ["whole", "stream"] as const) {
      if (only !== undefined && only !== kind) continue;
      test(`${row} ${what}, asked for a ${kind}: ${expected[kind] ?? "served"}`, async () => {
        await using up = await rawScene(async (connection) => {
          await connection.request();
          serve(connection.socket);
        });
        const onBegun = (): void => {
          for (const { socket } of up.upstream.connections) later?.(socket);
        };
        const { text, error } = await up.call(kind === "stream", { onBegun });
        if (expected[kind] === undefined) expect([error?.message, text]).toEqual([undefined, "Hello"]);
        else expect(error).toMatchObject({ failure: expected[kind], final });
        expect(error?.message ?? "").not.toContain(canary);
        // One attempt is one request, and a connection that failed is gone.
        expect(up.upstream.received().match(/POST /g)).toHaveLength(1);
        if (error !== undefined && !wholeOnTheWire.has(what)) await up.upstream.connections[0]?.closed;
      });
    }
  }
});

/** Answers that came whole on the wire, and say nothing, leave their connection as good as it was. */
const wholeOnTheWire = new Set([
  "an error in a 200",
  "a web page in a 200",
  "a web page after a mark of byte order",
  "null",
  "an empty list",
  "an empty object",
  "a bare string",
  "a number",
  "words",
  "nothing",
  "NaN",
  "JSON 100,000 deep",
  "an answer with a field 1,000 deep",
  "unclosed JSON 100,000 deep",
  "an event 100,000 deep",
  "an error as the first event",
  "an error after content",
  "204",
  "a 502 page",
  "gzip that is none",
  "gzip cut short",
  "gzip twice",
  "gzip in two headers",
  "a thousand codings",
  "brotli",
  "a gzip bomb",
  "a line of 2 MiB first",
]);
