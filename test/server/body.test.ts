import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";

import type { ChatError } from "../../src/core/error.ts";
import { createArrivals } from "../../src/server/arrivals.ts";
import { readText } from "../../src/server/body.ts";
import { listen } from "../../src/server/listen.ts";
import { openaiErrors } from "../../src/dialects/openai-chat/door.ts";
import { sendError, sendJson } from "../../src/server/rest/answer.ts";
import { Refusal, sendRefusal } from "../../src/server/rest/refusal.ts";
import { settled } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import * as h2 from "../support/raw-http2.ts";

/** A server that reads bodies of so many bytes at most, and what came of each. */
async function scene(bytesMax = 10, arrivals = createArrivals(Infinity)) {
  const clock = createFakeClock();
  const outcomes: unknown[] = [];
  const looking = new Set<() => void>();
  let bytes = 0;
  const done = Promise.withResolvers<void>();
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    bounds: { sweepMs: 20 },
    handler: (request, response) => {
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        for (const look of looking) look();
      });
      readText(request, { bytesMax, clock, arrivals })
        .then(
          (text) => {
            outcomes.push(text);
            sendJson(response, 200, [], JSON.stringify(text));
          },
          (error: ChatError | Refusal) => {
            outcomes.push(error instanceof Refusal ? error.code : error.failure);
            const refused = { response, errors: openaiErrors, headers: [], requestId: "r" };
            if (error instanceof Refusal) sendRefusal(refused, error);
            else sendError(refused, error);
          },
        )
        .finally(done.resolve);
    },
  });
  /** Until so many bytes have been read. */
  const reading = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (bytes >= wanted) resolve();
      };
      looking.add(look);
      look();
    });
  return { ...listener, clock, outcomes, reading, done: done.promise, [Symbol.asyncDispose]: () => listener.close() };
}

/** Sends bytes on a raw connection, and reads until the other side closes it. */
async function spoken(port: number, ...chunks: (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(socket, "connect");
  for (const chunk of chunks) {
    socket.write(chunk);
    await settled();
  }
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

const head = (more: string): string => `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${more}\r\n\r\n`;
const chunked = "transfer-encoding: chunked";

describe("a body over HTTP/1.1", () => {
  for (const { what, chunks, outcome, status } of [
    { what: "in one piece", chunks: [head("content-length: 5"), "hello"], outcome: "hello", status: 200 },
    { what: "in many pieces", chunks: [head("content-length: 5"), "h", "el", "lo"], outcome: "hello", status: 200 },
    { what: "of none", chunks: [head("content-length: 0")], outcome: "", status: 200 },
    { what: "of the most bytes", chunks: [head("content-length: 10"), "0123456789"], outcome: "0123456789", status: 200 },
    { what: "in chunks", chunks: [head(chunked), "3\r\nabc\r\n", "2\r\nde\r\n0\r\n\r\n"], outcome: "abcde", status: 200 },
    {
      what: "cut within a character",
      chunks: [head("content-length: 2"), Buffer.from([0xc3]), Buffer.from([0xbc])],
      outcome: "ü",
      status: 200,
    },
    {
      what: "with a byte order mark",
      chunks: [head("content-length: 5"), Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
      outcome: "{}",
      status: 200,
    },
    { what: "that is not UTF-8", chunks: [head("content-length: 2"), Buffer.from([0xc3, 0x28])], outcome: "INVALID_REQUEST", status: 400 },
    { what: "told to be too large, before a byte of it", chunks: [head("content-length: 11")], outcome: "REQUEST_TOO_LARGE", status: 413 },
    {
      what: "that becomes too large",
      chunks: [head(chunked), "6\r\nabcdef\r\n", "6\r\nghijkl\r\n0\r\n\r\n"],
      outcome: "REQUEST_TOO_LARGE",
      status: 413,
    },
  ]) {
    test(`${what}: ${outcome === "" ? "nothing" : outcome}`, async () => {
      await using server = await scene();
      const answer = await spoken(server.port, ...chunks);
      expect(server.outcomes).toEqual([outcome]);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      if (status === 413) expect(answer).toMatch(/connection: close/i);
    });
  }

  for (const what of ["leaves", "resets its connection"] as const) {
    test(`whose caller ${what} in the middle is CANCELLED`, async () => {
      await using server = await scene();
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(`${head("content-length: 10")}abc`);
      await settled();
      if (what === "leaves") socket.destroy();
      else socket.resetAndDestroy();
      await server.done;
      expect(server.outcomes).toEqual(["CANCELLED"]);
    });
  }
});

describe("bodies that are held back", () => {
  const kib = 1024;

  test("take no more room than there is: who sends more is shed with a wait, and room comes back when one leaves", async () => {
    const arrivals = createArrivals(160 * kib);
    await using server = await scene(200 * kib, arrivals);
    const holder = net.connect(server.port, "127.0.0.1");
    holder.on("error", () => {});
    // The bytes that are only told take nothing.
    holder.write(Buffer.concat([Buffer.from(head(`content-length: ${200 * kib}`)), Buffer.alloc(130 * kib, 0x20)]));
    await server.reading(130 * kib);
    const large = [head(`content-length: ${100 * kib}`), Buffer.alloc(100 * kib, 0x20)];
    const shed = await spoken(server.port, ...large);
    expect(shed).toMatch(/^HTTP\/1\.1 503 /);
    expect(shed).toMatch(/retry-after: 1\r/i);
    expect(await spoken(server.port, head("content-length: 5"), "hello")).toMatch(/^HTTP\/1\.1 200 /);
    expect([server.outcomes, arrivals.open]).toEqual([["SHED", "hello"], 1]);
    holder.destroy();
    while (arrivals.open > 0) await settled();
    expect(await spoken(server.port, ...large)).toMatch(/^HTTP\/1\.1 200 /);
    expect(arrivals.open).toBe(0);
  });
});

describe("a body over HTTP/2", () => {
  async function posted(url: string, chunks: readonly string[]): Promise<number | undefined> {
    const session = http2.connect(url);
    session.on("error", () => {});
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => {});
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & { ":status"?: number }];
    session.destroy();
    return headers[":status"];
  }

  test("is read alike", async () => {
    await using server = await scene();
    expect(await posted(server.url, ["hel", "lo"])).toBe(200);
    expect(await posted(server.url, ["0123456", "789ab"])).toBe(413);
    expect(server.outcomes).toEqual(["hello", "REQUEST_TOO_LARGE"]);
  });

  // By hand, because Node's own client ends a stream properly before it cancels it.
  test("whose caller cancels in the middle is CANCELLED, never a shorter body", async () => {
    await using server = await scene();
    using raw = await h2.rawHttp2(server.port);
    raw.send(h2.headers(1, h2.post("/", "text/plain"), h2.flag.endHeaders), h2.data(1, Buffer.from("abc")));
    await raw.settled();
    raw.send(h2.rstStream(1));
    await server.done;
    expect(server.outcomes).toEqual(["CANCELLED"]);
  });
});

describe("a body that does not come", () => {
  test("is waited for 60 s over HTTP/1.1, however it drips; then the answer is 408 and the end", async () => {
    await using server = await scene();
    const socket = net.connect(server.port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na`);
    await server.reading(1);
    server.clock.advance(59_999);
    socket.write("b");
    await server.reading(2);
    expect(server.outcomes).toEqual([]);
    server.clock.advance(1);
    await once(socket, "close");
    expect(server.outcomes).toEqual(["request_timeout"]);
    expect(text).toMatch(/^HTTP\/1\.1 408 [^]*connection: close/i);
    expect(server.clock.pending()).toBe(0);
  });

  test("is waited for 60 s over HTTP/2, too, and its stream is closed", async () => {
    await using server = await scene();
    using raw = await h2.rawHttp2(server.port);
    raw.send(h2.headers(1, h2.post("/", "text/plain"), h2.flag.endHeaders), h2.data(1, Buffer.from("abc")));
    await server.reading(3);
    server.clock.advance(60_000);
    const reset = await raw.until(({ type }) => type === h2.type.rstStream);
    expect([reset.stream, server.outcomes]).toEqual([1, ["request_timeout"]]);
  });

  test("leaves no timer where it came after all", async () => {
    await using server = await scene();
    await spoken(server.port, head("content-length: 5"), "hello");
    expect(server.clock.pending()).toBe(0);
  });
});

describe("a compressed body", () => {
  const gzip = (text: string): Buffer => gzipSync(text);
  const cut = gzip("hello").subarray(0, 12);
  const bomb = gzip("0".repeat(1_000_000));
  const zstd = (text: string): Buffer => zstdCompressSync(text);
  /** RFC 8878: a frame without a size, whose reader has to keep 2 to the power of `windowLog` bytes, of one raw block. */
  const frame = (windowLog: number): Buffer =>
    Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 0x29, 0, 0]), Buffer.from("hello")]);
  for (const { what, coding, body, outcome, status } of [
    { what: "gzip", coding: "gzip", body: gzip("hello"), outcome: "hello", status: 200 },
    { what: "GZIP, in capitals", coding: "GZIP", body: gzip("hello"), outcome: "hello", status: 200 },
    { what: "identity", coding: "identity", body: Buffer.from("hello"), outcome: "hello", status: 200 },
    { what: "gzip of the most bytes", coding: "gzip", body: gzip("0".repeat(2000)), outcome: "0".repeat(2000), status: 200 },
    { what: "gzip of one more", coding: "gzip", body: gzip("0".repeat(2001)), outcome: "REQUEST_TOO_LARGE", status: 413 },
    { what: "a bomb", coding: "gzip", body: bomb, outcome: "REQUEST_TOO_LARGE", status: 413 },
    { what: "a truncated one", coding: "gzip", body: cut, outcome: "INVALID_REQUEST", status: 400 },
    { what: "one that is no gzip", coding: "gzip", body: Buffer.from("hello"), outcome: "INVALID_REQUEST", status: 400 },
    { what: "one of nothing", coding: "gzip", body: Buffer.alloc(0), outcome: "INVALID_REQUEST", status: 400 },
    { what: "zstd", coding: "zstd", body: zstd("hello"), outcome: "hello", status: 200 },
    { what: "zstd of the most bytes", coding: "zstd", body: zstd("0".repeat(2000)), outcome: "0".repeat(2000), status: 200 },
    { what: "zstd of one more", coding: "zstd", body: zstd("0".repeat(2001)), outcome: "REQUEST_TOO_LARGE", status: 413 },
    { what: "a bomb of zstd", coding: "zstd", body: zstd("0".repeat(9_000_000)), outcome: "REQUEST_TOO_LARGE", status: 413 },
    { what: "zstd that wants as much memory as it may", coding: "zstd", body: frame(23), outcome: "hello", status: 200 },
    { what: "zstd that wants more", coding: "zstd", body: frame(24), outcome: "INVALID_REQUEST", status: 400 },
    { what: "truncated zstd", coding: "zstd", body: zstd("hello".repeat(99)).subarray(0, 12), outcome: "INVALID_REQUEST", status: 400 },
    { what: "gzip that says it is zstd", coding: "zstd", body: gzip("hello"), outcome: "INVALID_REQUEST", status: 400 },
    { what: "brotli", coding: "br", body: Buffer.from("hello"), outcome: "unsupported_encoding", status: 415 },
    { what: "gzip twice", coding: "gzip, gzip", body: gzip("hello"), outcome: "unsupported_encoding", status: 415 },
    { what: "gzip in a chain", coding: "deflate, gzip", body: gzip("hello"), outcome: "unsupported_encoding", status: 415 },
    { what: "no word", coding: "", body: Buffer.from("hello"), outcome: "unsupported_encoding", status: 415 },
  ]) {
    test(`${what}: ${outcome.slice(0, 40)}`, async () => {
      await using server = await scene(2000);
      const answer = await spoken(server.port, head(`content-encoding: ${coding}\r\ncontent-length: ${body.length}`), body);
      expect(server.outcomes).toEqual([outcome]);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      if (status === 415) expect(answer).toMatch(/accept-encoding: gzip, zstd/i);
    });
  }
});
