import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { describe, expect, test } from "vitest";

import { listen, type Listener, type RequestHandler } from "../../src/server/listen.ts";
import { settled } from "../stages/support.ts";
import { createGate } from "../support/scripted-upstream.ts";

async function opened(handler: RequestHandler): Promise<Listener & AsyncDisposable> {
  const listener = await listen({ host: "127.0.0.1", port: 0, tls: undefined, handler, bounds: { unheardMs: 0 } });
  return { ...listener, [Symbol.asyncDispose]: () => listener.close() };
}

const echo: RequestHandler = (request, response) => {
  response.setHeader("content-type", "text/plain");
  response.end(`${request.httpVersion} ${request.method} ${request.url}`);
};

/** A raw connection: writes what it is told, and collects what comes. */
async function rawTo(listener: Listener) {
  const socket = net.connect(listener.port, "127.0.0.1");
  await once(socket, "connect");
  socket.setNoDelay(true);
  let text = "";
  const changed = new Set<() => void>();
  socket.setEncoding("latin1");
  socket.on("error", () => {});
  const tell = (): void => changed.forEach((look) => look());
  socket.on("data", (chunk: string) => {
    text += chunk;
    tell();
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return {
    socket,
    closed,
    text: () => text,
    /** Until what came holds so many of it. */
    until: (part: string, times = 1) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (text.split(part).length <= times) return;
          changed.delete(look);
          resolve();
        };
        changed.add(look);
        look();
      }),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;

describe("one port speaks HTTP/1.1", () => {
  test("however the first bytes come", async () => {
    await using listener = await opened(echo);
    for (const size of [1, 3, 1000]) {
      using raw = await rawTo(listener);
      const bytes = get("/split", "connection: close\r\n");
      for (let at = 0; at < bytes.length; at += size) {
        raw.socket.write(bytes.slice(at, at + size));
        await settled();
      }
      await raw.closed;
      expect(raw.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*1\.1 GET \/split/);
    }
  });

  test("to a method that begins like HTTP/2's preface", async () => {
    await using listener = await opened(echo);
    using raw = await rawTo(listener);
    raw.socket.write("P");
    await settled();
    raw.socket.write("ROPFIND / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    await raw.closed;
    expect(raw.text()).toContain("1.1 PROPFIND /");
  });

  test("on a connection that is kept, request after request", async () => {
    await using listener = await opened(echo);
    using raw = await rawTo(listener);
    for (const [i, path] of ["/a", "/b", "/c"].entries()) {
      raw.socket.write(get(path));
      await raw.until("1.1 GET", i + 1);
    }
    expect(raw.text().match(/1\.1 GET (\S)(\w)/g)).toEqual(["1.1 GET /a", "1.1 GET /b", "1.1 GET /c"]);
  });

  test("to pipelined requests, in their order", async () => {
    await using listener = await opened(echo);
    using raw = await rawTo(listener);
    raw.socket.write(get("/a") + get("/b") + get("/c", "connection: close\r\n"));
    await raw.closed;
    expect(raw.text().match(/1\.1 GET \/\w/g)).toEqual(["1.1 GET /a", "1.1 GET /b", "1.1 GET /c"]);
  });

  for (const [what, bytes, status] of [
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00 this is TLS\r\n\r\n", "400 Bad Request"],
    ["a broken head", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "400 Bad Request"],
    ["a preface that is cut short by something else", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "400 Bad Request"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "400 Bad Request"],
    ["headers above 16 KiB", get("/", `x: ${"y".repeat(20_000)}\r\n`), "431 Request Header Fields Too Large"],
  ] as const) {
    test(`and answers ${what} with ${status} and the end`, async () => {
      await using listener = await opened(echo);
      using raw = await rawTo(listener);
      raw.socket.write(bytes);
      await raw.closed;
      const [head = "", body = ""] = raw.text().split("\r\n\r\n");
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
      expect(head).toContain("connection: close");
      expect(JSON.parse(body)).toMatchObject({ error: { type: "invalid_request_error" } });
    });
  }
});

describe("the same port speaks HTTP/2", () => {
  test("however the preface comes", async () => {
    await using listener = await opened(echo);
    for (const size of [1, 5, 24, 100]) {
      using raw = await rawTo(listener);
      const bytes = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
      for (let at = 0; at < bytes.length; at += size) {
        raw.socket.write(bytes.subarray(at, at + size));
        await settled();
      }
      // A SETTINGS frame of the server: type 4 on stream 0, and its acknowledgement of ours.
      await raw.until("\x04\x01\x00\x00\x00\x00");
      expect(raw.text().charCodeAt(3)).toBe(4);
    }
  });

  test("with several requests on one connection", async () => {
    await using listener = await opened(echo);
    const session = http2.connect(listener.url);
    const answers = await Promise.all(
      ["/a", "/b"].map(async (path) => {
        const stream = session.request({ ":path": path });
        let text = "";
        for await (const part of stream.setEncoding("utf8")) text += String(part);
        return text;
      }),
    );
    expect(answers).toEqual(["2.0 GET /a", "2.0 GET /b"]);
    session.destroy();
  });
});

describe("draining", () => {
  /** A listener whose answers to `/slow` wait for the gate, after their first byte. */
  async function slow() {
    const gate = createGate();
    const listener = await opened((request, response) => {
      if (request.url !== "/slow") return echo(request, response);
      response.setHeader("content-type", "text/plain");
      const out: NodeJS.WritableStream = response;
      out.write("begun ");
      void gate.opened.then(() => out.end("done"));
    });
    return { gate, listener };
  }

  test("closes idle connections at once, and takes no new ones", async () => {
    const { listener } = await slow();
    await using _ = listener;
    using raw = await rawTo(listener);
    raw.socket.write(get("/a"));
    await raw.until("1.1 GET /a");
    listener.drain();
    await raw.closed;
    await listener.ended();
    const refused = net.connect(listener.port, "127.0.0.1");
    const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("lets an HTTP/1.1 answer finish, then closes its connection", async () => {
    const { gate, listener } = await slow();
    await using _ = listener;
    using raw = await rawTo(listener);
    raw.socket.write(get("/slow"));
    await raw.until("begun");
    listener.drain();
    let ended = false;
    const ending = listener.ended().then(() => (ended = true));
    await settled();
    expect([raw.socket.destroyed, ended]).toEqual([false, false]);
    gate.open();
    await raw.until("done");
    await raw.closed;
    await ending;
  });

  test("tells HTTP/2 peers to go away, and lets their answers finish", async () => {
    const { gate, listener } = await slow();
    await using _ = listener;
    const session = http2.connect(listener.url);
    const goaway = once(session, "goaway");
    const stream = session.request({ ":path": "/slow" });
    stream.setEncoding("utf8");
    const [first] = (await once(stream, "data")) as [string];
    listener.drain();
    const [code] = (await goaway) as [number];
    gate.open();
    let rest = "";
    for await (const part of stream) rest += String(part);
    expect([code, first + rest]).toEqual([0, "begun done"]);
    await listener.ended();
  });

  test("does not wait for what can be ended now by closing", async () => {
    const { listener } = await slow();
    using raw = await rawTo(listener);
    raw.socket.write(get("/slow"));
    await raw.until("begun");
    using silent = await rawTo(listener);
    const session = http2.connect(listener.url);
    await once(session, "connect");
    session.on("error", () => {});
    listener.drain();
    await listener.close();
    await Promise.all([raw.closed, silent.closed, listener.ended()]);
    session.destroy();
  });
});

test("a port in use is told", async () => {
  await using listener = await opened(echo);
  await expect(listen({ host: "127.0.0.1", port: listener.port, tls: undefined, handler: echo })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
});

test("a caller who resets its connection harms nobody", async () => {
  await using listener = await opened(echo);
  using raw = await rawTo(listener);
  raw.socket.write("GET / HT");
  await settled();
  raw.socket.resetAndDestroy();
  await raw.closed;
  const answer = await new Promise<http.IncomingMessage>((resolve) => http.get(listener.url, { agent: false }, resolve));
  answer.resume();
  expect(answer.statusCode).toBe(200);
});

describe("where connections are short", () => {
  test("those that have sent no request go first, idle ones only where there are none of these, and what runs goes on", async () => {
    const running = createGate();
    const begun = createGate();
    await using listener = await opened((request, response) => {
      if (request.url !== "/slow") return echo(request, response);
      begun.open();
      void running.opened.then(() => response.end("done"));
    });
    using idle = await rawTo(listener);
    idle.socket.write(get("/"));
    await idle.until("1.1 GET /");
    using busy = await rawTo(listener);
    busy.socket.write(get("/slow"));
    await begun.opened;
    using silent = await rawTo(listener);
    using half = await rawTo(listener);
    half.socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
    while (listener.connections() < 4) await settled();
    listener.closeIdle();
    await Promise.all([silent.closed, half.closed]);
    expect([listener.connections(), idle.socket.closed]).toEqual([2, false]);
    listener.closeIdle();
    await idle.closed;
    running.open();
    await busy.until("done");
  });

  test("a new connection has a moment for its request", async () => {
    const listener = await listen({ host: "127.0.0.1", port: 0, tls: undefined, handler: echo, bounds: { unheardMs: 60_000 } });
    using fresh = await rawTo(listener);
    while (listener.connections() === 0) await settled();
    listener.closeIdle();
    fresh.socket.write(get("/"));
    await fresh.until("1.1 GET /");
    await listener.close();
  });
});
