import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { createWire, type Wire, type WireRequest } from "../../../src/providers/wire/pool.ts";
import { systemClock as clock } from "../../../src/stores/system-clock.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { createGate, createUpstream } from "../../support/scripted-upstream.ts";
import { rejection, settled } from "../../stages/support.ts";

function wireTo(origin: string, more: Partial<Parameters<typeof createWire>[0]> = {}): Wire & AsyncDisposable {
  const wire = createWire({ clock, name: "up", origin, connectMs: 5000, totalMs: 20_000, connectionsMax: 4, ...more });
  return { ...wire, [Symbol.asyncDispose]: () => wire.close() };
}

const never = new AbortController().signal;
function post(more: Partial<WireRequest> = {}): WireRequest {
  const headers = ["content-type", "application/json", "x-one", "1"];
  return { method: "POST", path: "/v1/x?y=z", headers, body: `{"a":"ü"}`, signal: never, idleMs: 10_000, ...more };
}

/** A server below HTTP. */
async function rawServer(serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const left = new ChatError("CANCELLED", "the caller left");

describe("a request", () => {
  test("arrives as it was sent, and its answer's head and body come back", async () => {
    await using upstream = await createUpstream((reply) => reply.json({ b: 1 }, 200, { "x-request-id": "up-1" }));
    await using wire = wireTo(upstream.url);
    const answer = await wire.send(post());
    expect([answer.status, answer.headers["x-request-id"]]).toEqual([200, "up-1"]);
    expect((await answer.body.all(1000)).toString()).toBe(`{"b":1}`);
    const request = await upstream.request(0);
    expect(request).toMatchObject({
      method: "POST",
      path: "/v1/x?y=z",
      headers: { "x-one": "1", "content-length": "10" },
      body: { a: "ü" },
    });
  });

  test("of several shares a connection with those before it", async () => {
    const sockets = new Set<unknown>();
    await using upstream = await rawServer((socket) => {
      sockets.add(socket);
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    });
    await using wire = wireTo(upstream.url, { connectionsMax: 1 });
    for (let i = 0; i < 3; i++) expect((await (await wire.send(post())).body.all(10)).toString()).toBe("ok");
    expect(sockets.size).toBe(1);
  });

  for (const status of [301, 302, 303, 307, 308]) {
    test(`is not sent on after a ${status}`, async () => {
      await using elsewhere = await createUpstream((reply) => reply.json({}));
      await using upstream = await createUpstream((reply) => reply.json({}, status, { location: elsewhere.url }));
      await using wire = wireTo(upstream.url);
      const answer = await wire.send(post());
      await answer.body.all(1000);
      expect([answer.status, upstream.requests.length, elsewhere.requests.length]).toEqual([status, 1, 0]);
    });
  }

  test("of an answer whose upstream has closed before anybody read it comes back whole", async () => {
    // The last byte is the first one beyond what is held for a reader.
    const bytes = Buffer.alloc(256 * 1024 + 1, "0123456789abcdef");
    const closed = Promise.withResolvers<void>();
    await using upstream = await rawServer((socket) => {
      socket.once("close", () => closed.resolve());
      socket.once("data", () =>
        socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes])),
      );
    });
    await using wire = wireTo(upstream.url);
    const { body } = await wire.send(post());
    await closed.promise;
    expect((await body.all(bytes.length)).equals(bytes)).toBe(true);
  });

  test("of eight mebibytes of answer comes back whole, however slowly it is read", async () => {
    const bytes = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
    await using upstream = await rawServer((socket) =>
      socket.once("data", () =>
        socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes])),
      ),
    );
    await using wire = wireTo(upstream.url);
    const { body } = await wire.send(post());
    const parts: Buffer[] = [];
    let largest = 0;
    for (let chunks = await body.read(); chunks !== undefined; chunks = await body.read()) {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      largest = Math.max(largest, size);
      parts.push(...chunks);
      await settled();
      await settled();
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    // The bound, and one read of the socket beyond it.
    expect(largest).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
  });
});

describe("what goes wrong", () => {
  test("nobody listens", async () => {
    const upstream = await rawServer(() => {});
    await upstream[Symbol.asyncDispose]();
    await using wire = wireTo(upstream.url);
    expect(await rejection(wire.send(post()))).toMatchObject({
      failure: "UPSTREAM_UNAVAILABLE",
      message: "provider up refused the connection (ECONNREFUSED)",
    });
  });

  for (const { what, serve, failure } of [
    { what: "a reset before the head", serve: (socket: Socket) => socket.resetAndDestroy(), failure: "UPSTREAM_UNAVAILABLE" },
    { what: "a close before the head", serve: (socket: Socket) => socket.end(), failure: "UPSTREAM_UNAVAILABLE" },
    { what: "garbage", serve: (socket: Socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"), failure: "UPSTREAM_PROTOCOL" },
    {
      what: "headers without end",
      serve: (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(40_000)}\r\n\r\n`),
      failure: "UPSTREAM_PROTOCOL",
    },
  ]) {
    test(`${what} is ${failure}`, async () => {
      await using upstream = await rawServer((socket) => socket.once("data", () => serve(socket)));
      await using wire = wireTo(upstream.url);
      expect(await rejection(wire.send(post()))).toMatchObject({ failure });
    });
  }

  for (const { what, rest, end } of [
    { what: "shorter than its length", rest: "content-length: 10\r\n\r\nabc", end: (socket: Socket) => socket.end() },
    { what: "without its last chunk", rest: "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", end: (socket: Socket) => socket.end() },
    { what: "reset", rest: "content-length: 10\r\n\r\nabc", end: (socket: Socket) => socket.resetAndDestroy() },
  ]) {
    test(`a body ${what} breaks`, async () => {
      const gate = createGate();
      await using upstream = await rawServer((socket) =>
        socket.once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
          void gate.opened.then(() => end(socket));
        }),
      );
      await using wire = wireTo(upstream.url);
      const { body } = await wire.send(post());
      expect(Buffer.concat((await body.read()) ?? []).toString()).toBe("abc");
      gate.open();
      expect(await rejection(body.read())).toMatchObject({ failure: expect.stringMatching(/^UPSTREAM_(UNAVAILABLE|PROTOCOL)$/) });
    });
  }

  test("an upstream that falls silent in the body is closed after the idle time", async () => {
    const fake = createFakeClock();
    await using upstream = await createUpstream((reply) => void reply.sse().data({ a: 1 }));
    await using wire = wireTo(upstream.url, { clock: fake });
    const { body } = await wire.send(post({ idleMs: 700 }));
    await body.read();
    const waiting = rejection(body.read());
    fake.advance(700);
    expect(await waiting).toMatchObject({ failure: "TIMEOUT" });
    expect(await (await upstream.request(0)).closed).toBe("cut");
  });
});

describe("an abort closes the socket", () => {
  test("before anything was sent: nothing is sent", async () => {
    await using upstream = await createUpstream((reply) => reply.json({}));
    await using wire = wireTo(upstream.url);
    const caller = new AbortController();
    caller.abort(left);
    expect(await rejection(wire.send(post({ signal: caller.signal })))).toBe(left);
    expect(upstream.requests).toHaveLength(0);
  });

  test("while connecting, and the wire serves the next", async () => {
    await using upstream = await createUpstream((reply) => reply.json({}));
    await using wire = wireTo(upstream.url);
    const caller = new AbortController();
    const pending = rejection(wire.send(post({ signal: caller.signal })));
    caller.abort(left);
    expect(await pending).toBe(left);
    expect((await wire.send(post({ path: "/second" }))).status).toBe(200);
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/second"]);
  });

  test("while waiting for the head", async () => {
    await using upstream = await createUpstream(() => {});
    await using wire = wireTo(upstream.url);
    const caller = new AbortController();
    const pending = rejection(wire.send(post({ signal: caller.signal })));
    const request = await upstream.request(0);
    caller.abort(left);
    expect(await pending).toBe(left);
    expect(await request.closed).toBe("cut");
  });

  test("while waiting for one of the pool's connections: the request is never sent", async () => {
    await using upstream = await createUpstream((reply, _request, ordinal) => (ordinal === 0 ? undefined : reply.json({})));
    await using wire = wireTo(upstream.url, { connectionsMax: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const one = rejection(wire.send(post({ signal: first.signal })));
    await upstream.request(0);
    const two = rejection(wire.send(post({ signal: second.signal, path: "/queued" })));
    second.abort(left);
    expect(await two).toBe(left);
    first.abort(left);
    await one;
    await wire.send(post({ path: "/third" }));
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/v1/x?y=z", "/third"]);
  });

  for (const how of ["the signal", "close()"] as const) {
    test(`in the body, by ${how}`, async () => {
      await using upstream = await createUpstream((reply) => void reply.sse().data({ a: 1 }));
      await using wire = wireTo(upstream.url);
      const caller = new AbortController();
      const { body } = await wire.send(post({ signal: caller.signal }));
      await body.read();
      const waiting = rejection(body.read());
      if (how === "close()") body.close();
      else caller.abort(left);
      expect(await waiting).toMatchObject({ failure: "CANCELLED" });
      expect(await (await upstream.request(0)).closed).toBe("cut");
    });
  }
});

test("closing lets running requests finish", async () => {
  const gate = createGate();
  await using upstream = await createUpstream(async (reply) => {
    const sse = reply.sse().data("a");
    await gate.opened;
    sse.data("b").end();
  });
  const wire = wireTo(upstream.url);
  const { body } = await wire.send(post());
  const closing = wire.close();
  gate.open();
  expect((await body.all(1000)).toString()).toBe("data: a\n\ndata: b\n\n");
  await closing;
  expect(await rejection(wire.send(post()))).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
});
