/** Connections that take their time, or all of it, are given so much and no more. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { describe, expect, test } from "vitest";
import type { Bounds } from "../../src/server/bounds.ts";
import { callerGone } from "../../src/server/exchanges.ts";
import { listen, type RequestHandler, type TlsFiles } from "../../src/server/listen.ts";
import { endWith, isGone, write } from "../../src/server/outflow.ts";
import { sendJson } from "../../src/server/rest/answer.ts";
import * as h2 from "../support/raw-http2.ts";

const echo: RequestHandler = (request, response) => {
  if (request.url !== "/hang") response.end("ok");
};

async function opened(bounds: Partial<Bounds>, handler: RequestHandler = echo, files?: TlsFiles) {
  let full = 0;
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: files,
    handler,
    bounds: { sweepMs: 20, ...bounds },
    onFull: () => full++,
  });
  return { ...listener, full: () => full, [Symbol.asyncDispose]: () => listener.close() };
}

const cert = readFileSync(new URL("../fixtures/tls/cert.pem", import.meta.url), "utf8");
const key = readFileSync(new URL("../fixtures/tls/key.pem", import.meta.url), "utf8");
const files: TlsFiles = { cert, key, clientCa: undefined };

/** All that comes until the connection closes. */
async function untilClosed(socket: net.Socket): Promise<string> {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

describe("a connection is closed that", () => {
  for (const [what, bytes, answer] of [
    ["says nothing", "", /^$/],
    ["begins like HTTP/2 and stops", "PRI * HTTP/2.0\r\n", /^$/],
    ["begins headers and stops", "GET / HTTP/1.1\r\nhost: x\r\nx-slow:", /^HTTP\/1\.1 408 /],
    ["begins a body and stops", "POST /hang HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na", /^HTTP\/1\.1 408 /],
  ] as const) {
    test(what, async () => {
      await using listener = await opened({ headersMs: 100, requestMs: 150 });
      const socket = net.connect(listener.port, "127.0.0.1");
      if (bytes !== "") socket.write(bytes);
      expect(await untilClosed(socket)).toMatch(answer);
    });
  }

  test("drips the first bytes of HTTP/2, each in time", async () => {
    await using listener = await opened({ headersMs: 150 });
    const socket = net.connect(listener.port, "127.0.0.1");
    let at = 0;
    const drip = setInterval(() => socket.write(h2.preface.subarray(at, ++at)), 30);
    expect(await untilClosed(socket)).toBe("");
    clearInterval(drip);
    expect(at).toBeLessThan(h2.preface.length);
  });

  test("drips a header, byte by byte", async () => {
    await using listener = await opened({ headersMs: 150, requestMs: 10_000 });
    const socket = net.connect(listener.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: x\r\nx-slow: ");
    const drip = setInterval(() => socket.write("a"), 20);
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
    clearInterval(drip);
  });

  test("does not finish its TLS handshake", async () => {
    await using listener = await opened({ headersMs: 100 }, echo, files);
    expect(await untilClosed(net.connect(listener.port, "127.0.0.1"))).toBe("");
  });

  test("says nothing over TLS by HTTP/1.1", async () => {
    await using listener = await opened({ headersMs: 100, requestMs: 200 }, echo, files);
    const socket = tls.connect({
      port: listener.port,
      host: "127.0.0.1",
      ca: cert,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ["http/1.1"],
    });
    expect(await untilClosed(socket)).toMatch(/^(HTTP\/1\.1 408 [^]*)?$/);
  });

  test("asks for nothing by HTTP/2, with a goodbye", async () => {
    await using listener = await opened({ headersMs: 100 });
    using raw = await h2.rawHttp2(listener.port);
    expect(h2.goaway(await raw.until(h2.isGoaway))).toEqual({ code: 0, lastStream: 0 });
    await raw.closed;
  });

  for (const [what, before] of [
    ["first", []],
    ["second", [h2.headers(1, h2.get("/"))]],
  ] as const) {
    test(`never ends the headers of its ${what} request by HTTP/2`, async () => {
      await using listener = await opened({ headersMs: 100 });
      using raw = await h2.rawHttp2(listener.port);
      raw.send(...before, h2.frame(h2.type.headers, h2.flag.endStream, 3, h2.block(h2.get("/"))));
      expect(h2.goaway(await raw.until(h2.isGoaway)).code).toBe(0);
      await raw.closed;
    });
  }

  test("is silent for too long by HTTP/2", async () => {
    await using listener = await opened({ sessionIdleMs: 100 });
    using raw = await h2.rawHttp2(listener.port);
    raw.send(h2.headers(1, h2.get("/")));
    expect(h2.goaway(await raw.until(h2.isGoaway))).toEqual({ code: 0, lastStream: 1 });
    await raw.closed;
  });

  test("does not answer a PING while it has requests; one that answers stays", async () => {
    await using listener = await opened({ pingEveryMs: 60, pingAnswerMs: 60 });
    using dead = await h2.rawHttp2(listener.port);
    using alive = await h2.rawHttp2(listener.port);
    let pings = 0;
    alive.socket.on("data", () => {
      const asked = alive.frames.filter(({ type, flags }) => type === h2.type.ping && flags === 0);
      for (const { payload } of asked.slice(pings)) alive.send(h2.frame(h2.type.ping, h2.flag.ack, 0, payload));
      pings = asked.length;
    });
    for (const raw of [dead, alive]) raw.send(h2.headers(1, h2.get("/hang")));
    await dead.closed;
    expect(dead.frames.filter(({ type, flags }) => type === h2.type.ping && flags === 0)).toHaveLength(1);
    await expect.poll(() => pings).toBeGreaterThan(2);
    expect(alive.socket.closed).toBe(false);
  });

  test("is idle by HTTP/2 is not asked whether it lives", async () => {
    await using listener = await opened({ pingEveryMs: 20, pingAnswerMs: 20, sessionIdleMs: 400 });
    using raw = await h2.rawHttp2(listener.port);
    raw.send(h2.headers(1, h2.get("/")));
    await raw.closed;
    expect(raw.frames.filter(({ type }) => type === h2.type.ping)).toEqual([]);
  });

  test("is one too many, and who was there before goes on", async () => {
    await using listener = await opened({ connections: 2 });
    const kept = await Promise.all(
      [1, 2].map(async () => {
        const socket = net.connect(listener.port, "127.0.0.1");
        socket.write("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
        await once(socket, "connect");
        return socket;
      }),
    );
    for (let i = 0; i < 3; i++) expect(await untilClosed(net.connect(listener.port, "127.0.0.1"))).toBe("");
    expect([listener.full(), kept.map(({ closed }) => closed)]).toEqual([3, [false, false]]);
    kept[0]?.destroy();
    await expect.poll(() => listener.connections()).toBe(1);
    expect(await (await fetch(listener.url)).text()).toBe("ok");
    for (const socket of kept) socket.destroy();
  });
});

test("a connection by HTTP/1.1 has so many requests, and is told which one is its last", async () => {
  const served: unknown[] = [];
  await using listener = await opened({ requestsPerConnection: 3 }, (request, response) => {
    served.push(request.url);
    response.end("\n");
  });
  const socket = net.connect(listener.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.write(["/1", "/2", "/3", "/4"].map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`).join(""));
  await expect.poll(() => text).toContain(" 503 ");
  expect(text.match(/^connection: .*$/gim)?.slice(0, 3)).toEqual(["Connection: keep-alive", "Connection: keep-alive", "Connection: close"]);
  expect(served).toEqual(["/1", "/2", "/3"]);
  socket.destroy();
});

describe("an answer that nobody reads", () => {
  const large = Buffer.alloc(32 * 1024 * 1024, "x");
  /** Three ways to answer, by path; and what became of the caller. */
  async function scene(readerStallMs: number) {
    const gone: string[] = [];
    let written = 0;
    const listener = await opened({ readerStallMs }, (request, response) => {
      response.once("close", () => {
        if (!response.writableFinished) gone.push(callerGone(response).message);
      });
      if (request.url === "/json") sendJson(response, 200, [], large.toString("latin1"));
      else if (request.url === "/small") sendJson(response, 200, [], "x".repeat(9000));
      else
        void (async () => {
          const piece = Buffer.alloc(1000, "y");
          for (let i = 0; i < 100_000 && !isGone(response); i++) {
            const wait = write(response, piece);
            written += piece.length;
            if (wait !== undefined) await wait;
          }
          await endWith(response, Buffer.alloc(0));
        })();
    });
    return { ...listener, gone, written: () => written };
  }

  for (const path of ["/json", "/stream"]) {
    test(`${path} by HTTP/1.1 is given up, and its connection with it`, async () => {
      await using server = await scene(200);
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.pause();
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await expect.poll(() => server.gone, { timeout: 10_000 }).toEqual(["the caller stopped reading"]);
      socket.destroy();
    });
  }

  for (const path of ["/small", "/json", "/stream"]) {
    test(`${path} by HTTP/2 is given up alone, whatever else its connection does`, async () => {
      await using server = await scene(200);
      // SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent on any stream.
      using raw = await h2.rawHttp2(server.port, [[4, 0]]);
      raw.send(h2.headers(1, h2.get(path)));
      await raw.until(({ type }) => type === h2.type.headers);
      const busy = setInterval(() => raw.send(h2.frame(h2.type.ping, 0, 0, Buffer.alloc(8))), 20);
      const reset = await raw.until(({ type }) => type === h2.type.rstStream);
      clearInterval(busy);
      expect([reset.stream, reset.payload.readUInt32BE()]).toEqual([1, h2.errorCode.cancel]);
      expect(server.gone).toEqual(["the caller stopped reading"]);
      expect(server.written()).toBeLessThan(256 * 1024);
      await raw.settled();
    });
  }

  test("slowly but steadily is given all of it", async () => {
    await using server = await scene(1500);
    const session = http2.connect(server.url);
    const stream = session.request({ ":path": "/json" });
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes < 8 * 65_536) {
        stream.pause();
        setTimeout(() => stream.resume(), 60);
      }
    });
    await once(stream, "end");
    expect([bytes, server.gone]).toEqual([large.length, []]);
    session.destroy();
  });

  test("is told from one whose caller has left", async () => {
    await using server = await scene(10_000);
    const socket = net.connect(server.port, "127.0.0.1");
    socket.pause();
    socket.write("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    await expect.poll(() => server.written()).toBeGreaterThan(0);
    socket.resetAndDestroy();
    await expect.poll(() => server.gone).toEqual(["the caller left"]);
  });
});

test("a request that goes on after its answer is told that no more is wanted, and holds no stream", async () => {
  await using listener = await opened({}, (request, response) => {
    request.resume();
    response.end("no");
  });
  using raw = await h2.rawHttp2(listener.port);
  raw.send(h2.headers(1, h2.post("/", "text/plain"), h2.flag.endHeaders), h2.data(1, Buffer.from("a")));
  const reset = await raw.until(({ type }) => type === h2.type.rstStream);
  expect([reset.stream, reset.payload.readUInt32BE()]).toEqual([1, h2.errorCode.none]);
  await listener.quiet();
});

test("a listener with TLS that drains closes its idle connections at once, by either version", async () => {
  await using listener = await opened({}, echo, files);
  const trusting = { port: listener.port, host: "127.0.0.1", ca: cert, checkServerIdentity: () => undefined };
  const one = tls.connect({ ...trusting, ALPNProtocols: ["http/1.1"] });
  one.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(one, "data");
  const two = http2.connect(listener.url, { ca: cert, checkServerIdentity: () => undefined });
  await once(two, "remoteSettings");
  listener.drain();
  await Promise.all([once(one, "close"), once(two, "close"), listener.ended()]);
});

test("an upgrade to HTTP/2 is not taken up, and CONNECT is refused", async () => {
  await using listener = await opened({});
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.write(
    "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
  );
  expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 200 OK/);
  const tunnel = net.connect(listener.port, "127.0.0.1");
  tunnel.write("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
  expect(await untilClosed(tunnel)).toMatch(/^HTTP\/1\.1 405 [^]*allow: GET, [^]*"code":"method_not_allowed"/);
  await using secure = await opened({}, echo, files);
  const session = http2.connect(secure.url, { ca: cert, checkServerIdentity: () => undefined });
  const stream = session.request({ ":method": "CONNECT", ":authority": "example.com:443" });
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  expect(Reflect.get(head, ":status")).toBe(405);
  session.destroy();
});

test("a hundred pipelined requests are answered in their order, and 100-continue is granted", async () => {
  await using listener = await opened({}, (request, response) => {
    request.on("end", () => response.end(`${request.url}`));
    request.resume();
  });
  const socket = net.connect(listener.port, "127.0.0.1");
  const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n${path === "/99" ? "connection: close\r\n" : ""}\r\n`).join(""));
  expect((await untilClosed(socket)).match(/^\/\d+/gm)).toEqual(paths);
  const asked = http.request(listener.url, { method: "POST", headers: { expect: "100-continue" } });
  asked.flushHeaders();
  await once(asked, "continue");
  asked.end("body");
  const [answer] = (await once(asked, "response")) as [http.IncomingMessage];
  expect(answer.statusCode).toBe(200);
  answer.resume();
});

test("where connections are short, unfinished handshakes and silence after one are closed, and requests over TLS go on", async () => {
  const answers: (() => void)[] = [];
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: files,
    bounds: { unheardMs: 0 },
    handler: (_request, response) => void answers.push(() => response.end("done")),
  });
  const trusting = { port: listener.port, host: "127.0.0.1", ca: cert, checkServerIdentity: () => undefined };
  const mute = net.connect(listener.port, "127.0.0.1");
  const silent = tls.connect({ ...trusting, ALPNProtocols: ["http/1.1"] });
  const asking = tls.connect({ ...trusting, ALPNProtocols: ["http/1.1"] });
  for (const socket of [mute, silent, asking]) socket.on("error", () => {});
  const closed = Promise.all([mute, silent].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  await Promise.all([once(silent, "secureConnect"), once(asking, "secureConnect")]);
  asking.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  while (answers.length === 0 || listener.connections() < 3) await new Promise(setImmediate);
  listener.closeIdle();
  await closed;
  for (const answer of answers) answer();
  const [text] = (await once(asking, "data")) as [Buffer];
  expect(text.toString()).toMatch(/^HTTP\/1\.1 200 /);
  asking.destroy();
  await listener.close();
});
