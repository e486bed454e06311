import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { describe, expect, test } from "vitest";

import type { ChatError } from "../../src/core/error.ts";
import { readText } from "../../src/server/body.ts";
import { listen } from "../../src/server/listen.ts";
import { sendError, sendJson } from "../../src/server/rest/answer.ts";
import { settled } from "../stages/support.ts";

/** A server that reads bodies of 10 bytes at most, and what came of each. */
async function scene() {
  const outcomes: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    handler: (request, response) => {
      readText(request, 10)
        .then(
          (text) => {
            outcomes.push(text);
            sendJson(response, 200, [], JSON.stringify(text));
          },
          (error: ChatError) => {
            outcomes.push(error.failure);
            sendError(response, error, []);
          },
        )
        .finally(done.resolve);
    },
  });
  return { ...listener, outcomes, done: done.promise, [Symbol.asyncDispose]: () => listener.close() };
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

  /** A frame: length, type, flags, stream and payload (RFC 9113, 4.1). */
  function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header[3] = type;
    header[4] = flags;
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, payload]);
  }

  // By hand, because Node's own client ends a stream properly before it cancels it.
  test("whose caller cancels in the middle is CANCELLED, never a shorter body", async () => {
    await using server = await scene();
    const socket = net.connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    const literal = (text: string): string => String.fromCharCode(text.length) + text;
    const fields = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x"];
    const block = fields.map((text, i) => (i % 2 === 0 ? "\0" : "") + literal(text)).join("");
    const begun = [frame(4, 0, 0, Buffer.alloc(0)), frame(1, 4, 1, Buffer.from(block, "latin1")), frame(0, 0, 1, Buffer.from("abc"))];
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ...begun]));
    await once(socket, "data");
    await settled();
    socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, 8])));
    await server.done;
    expect(server.outcomes).toEqual(["CANCELLED"]);
    socket.destroy();
  });
});
