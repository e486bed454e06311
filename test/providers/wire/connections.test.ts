import { createRequire } from "node:module";
import { once } from "node:events";
import type { lookup } from "node:dns";
import { describe, expect, test } from "vitest";
import { ChatError } from "../../../src/core/error.ts";
import { settled } from "../../stages/support.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { createGate } from "../../support/scripted-upstream.ts";
import { answerJson, begun, canary, chunked, chunkedHead, http, openHead, rawScene, rest } from "./raw-scene.ts";
import type { RawConnection } from "./raw-upstream.ts";

/** Answers each request on a connection. */
async function serveAll(connection: RawConnection, max = Infinity): Promise<void> {
  for (let i = 0; i < max; i++) {
    await connection.request();
    connection.socket.write(http(answerJson()));
  }
}

/** Until the pool has taken the connection back. */
async function idle(): Promise<void> {
  for (let i = 0; i < 3; i++) await settled();
}

const served = { text: "Hello", error: undefined };
const posts = (up: { readonly upstream: { received(): string } }): number => up.upstream.received().match(/POST /g)?.length ?? 0;

describe("U09: a connection that the upstream had closed while it was idle", () => {
  for (const streamed of [false, true]) {
    for (const how of ["close", "reset"] as const) {
      const trouble = how === "reset";
      test(`by a ${how} is ${trouble ? "" : "not "}the call's trouble, ${streamed ? "streamed" : "whole"}`, async () => {
        await using up = await rawScene(async (connection) => {
          if (connection.ordinal > 0) {
            await serveAll(connection);
            return;
          }
          await serveAll(connection, 1);
          await connection.request();
          if (how === "close") connection.socket.destroy();
          else connection.socket.resetAndDestroy();
        });
        expect(await up.call(streamed)).toEqual(served);
        await idle();
        const second = await up.call(streamed);
        if (trouble) expect(second.error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
        else expect(second).toEqual(served);
        expect(posts(up)).toBe(trouble ? 2 : 3);
        // The pool goes on with a connection of its own.
        expect(await up.call(streamed)).toEqual(served);
      });
    }
  }

  for (const how of ["close", "reset"] as const) {
    test(`by a ${how} before the next request came`, async () => {
      await using up = await rawScene((connection) => serveAll(connection));
      expect(await up.call(false)).toEqual(served);
      const [first] = up.upstream.connections;
      if (how === "close") first?.socket.destroy();
      else first?.socket.resetAndDestroy();
      expect(await up.call(false)).toEqual(served);
      expect(posts(up)).toBe(2);
    });
  }

  test("and all its siblings with it, as at a restart, is no call's trouble", async () => {
    const all = createGate();
    await using up = await rawScene(async (connection) => {
      const { ordinal, socket } = connection;
      await connection.request();
      if (ordinal === 2) all.open();
      if (ordinal < 3) await all.opened;
      socket.write(http(answerJson()));
      await connection.request();
      socket.destroy();
    });
    const three = () => Promise.all([up.call(false), up.call(false), up.call(false)]);
    expect(await three()).toEqual([served, served, served]);
    await idle();
    expect(await three()).toEqual([served, served, served]);
    expect(posts(up)).toBe(9);
  });

  test("is tried once more, not again and again", async () => {
    await using up = await rawScene(async (connection) => {
      if (connection.ordinal === 0) await serveAll(connection, 1);
      await connection.request();
      connection.socket.destroy();
    });
    await up.call(false);
    await idle();
    expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
    expect([up.upstream.connections.length, posts(up)]).toEqual([2, 3]);
  });

  test("is another thing than a new one that closes: that is a failure", async () => {
    await using up = await rawScene(async (connection) => {
      await connection.request();
      connection.socket.destroy();
    });
    expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
    expect(posts(up)).toBe(1);
  });

  test("is another thing than one that closes within its answer", async () => {
    await using up = await rawScene(async (connection) => {
      await serveAll(connection, 1);
      await connection.request();
      connection.socket.end("HTTP/1.1 2");
    });
    await up.call(false);
    await idle();
    expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
    expect(posts(up)).toBe(2);
  });

  test("shows it at once: one that worked on the request first may have done its work", async () => {
    const clock = createFakeClock();
    const second = createGate();
    await using up = await rawScene(
      async (connection) => {
        await serveAll(connection, 1);
        await connection.request();
        second.open();
        await once(connection.socket, "drop");
        connection.socket.destroy();
      },
      { clock },
    );
    await up.call(false);
    await idle();
    const late = up.call(false);
    await second.opened;
    clock.advance(1001);
    up.upstream.connections[0]?.socket.emit("drop");
    expect((await late).error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
    expect(posts(up)).toBe(2);
  });

  test("is not tried once more for a caller who has left", async () => {
    const left = new AbortController();
    await using up = await rawScene(async (connection) => {
      if (connection.ordinal === 0) await serveAll(connection, 1);
      await connection.request();
      if (connection.ordinal === 0) connection.socket.destroy();
      else left.abort(new ChatError("CANCELLED", "the caller left"));
    });
    await up.call(false);
    await idle();
    expect((await up.call(false, { signal: left.signal })).error).toMatchObject({ failure: "CANCELLED" });
    await up.upstream.connections[1]?.closed;
  });
});

describe("a connection is not used again", () => {
  for (const { what, extra } of [
    { what: "with another answer behind the one that was asked for", extra: http('{"choices":[]}') },
    { what: "with noise behind the answer", extra: "noise" },
  ]) {
    for (const late of [false, true]) {
      test(`U53 ${what}, ${late ? "after a while" : "at once"}`, async () => {
        await using up = await rawScene(async ({ socket, ...connection }) => {
          await connection.request();
          if (connection.ordinal > 0) socket.write(http(answerJson("Clean")));
          else if (late) socket.write(http(answerJson()));
          else socket.write(Buffer.concat([http(answerJson()), Buffer.from(extra)]));
        });
        expect(await up.call(false)).toEqual(served);
        const [first] = up.upstream.connections;
        if (late) first?.socket.write(extra);
        await first?.closed;
        expect(await up.call(false)).toEqual({ text: "Clean", error: undefined });
      });
    }
  }

  test("U53 whose upstream says that it will close it", async () => {
    await using up = await rawScene(async (connection) => {
      await connection.request();
      connection.socket.write(http(answerJson(), ["connection: close"]));
    });
    for (let i = 0; i < 3; i++) expect(await up.call(false)).toEqual(served);
    expect(up.upstream.connections).toHaveLength(3);
  });

  test("U53 trailers are read over, and the next request is clean", async () => {
    await using up = await rawScene(async (connection) => {
      for (;;) {
        await connection.request();
        connection.socket.write(`${chunkedHead}${chunked(answerJson())}0\r\nx-trailer: HTTP/1.1 200 OK\r\n\r\n`);
      }
    });
    for (let i = 0; i < 3; i++) {
      expect(await up.call(false)).toEqual(served);
      await idle();
    }
    expect(up.upstream.connections).toHaveLength(1);
  });

  for (const status of ["413 Payload Too Large", "401 Unauthorized", "200 OK"]) {
    test(`U54 after an answer ${status} that came before the request was sent out`, async () => {
      const body = status === "200 OK" ? answerJson() : '{"error":{"message":"x"}}';
      await using up = await rawScene(({ socket, ordinal, request }) => {
        if (ordinal === 0) {
          // It reads no more than the beginning.
          socket.once("data", () => {
            socket.pause();
            socket.write(http(body, [], status));
          });
        } else void request().then(() => socket.write(http(answerJson("Clean"))));
      });
      const { text, error } = await up.call(false, { prompt: "x".repeat(16 * 1024 * 1024) });
      if (status === "200 OK") expect([error, text]).toEqual([undefined, "Hello"]);
      else expect(error).toMatchObject({ failure: status.startsWith("413") ? "REQUEST_TOO_LARGE" : "UPSTREAM_AUTH" });
      expect(await up.call(false)).toEqual({ text: "Clean", error: undefined });
      const [first] = up.upstream.connections;
      first?.socket.resume();
      await first?.closed;
    });
  }

  for (const how of ["leaving", "an error in it", "a deadline"] as const) {
    test(`after a stream that ended by ${how}`, async () => {
      const caller = new AbortController();
      await using up = await rawScene(async ({ socket, ordinal, request }) => {
        await request();
        socket.write(ordinal === 0 ? `${chunkedHead}${chunked(begun)}` : http(answerJson("Clean")));
      });
      const stream = await up.open(true, { signal: caller.signal });
      const [first] = up.upstream.connections;
      await stream.batches.next();
      if (how === "leaving") await stream.batches.return?.();
      if (how === "a deadline") caller.abort(new ChatError("DEADLINE_EXCEEDED", "too late"));
      if (how === "an error in it") {
        const next = stream.batches.next().catch((error: unknown) => error);
        first?.socket.write(chunked('data: {"error":{"message":"x"}}\n\n'));
        expect(await next).toMatchObject({ failure: "STREAM_INTERRUPTED" });
      }
      await first?.closed;
      expect(await up.call(false)).toEqual({ text: "Clean", error: undefined });
    });
  }

  test("while a stream that is complete lets go of it", async () => {
    await using up = await rawScene(async (connection) => {
      for (;;) {
        await connection.request();
        connection.socket.write(`${chunkedHead}${chunked(begun)}${chunked(rest)}0\r\n\r\n`);
      }
    });
    for (let i = 0; i < 3; i++) {
      expect(await up.call(true)).toEqual(served);
      await idle();
    }
    expect(up.upstream.connections).toHaveLength(1);
  });
});

describe("U05: TLS", () => {
  const serve = (connection: RawConnection): Promise<void> => serveAll(connection);
  const failed = { failure: "UPSTREAM_UNAVAILABLE", final: true };

  test("a certificate that nobody vouches for is not called a second time, and never hears the key", async () => {
    await using up = await rawScene(serve, { tls: true });
    const { error } = await up.call(false);
    expect(error).toMatchObject({ ...failed, message: "the TLS handshake with provider up failed (DEPTH_ZERO_SELF_SIGNED_CERT)" });
    expect(up.upstream.received()).toBe("");
  });

  test("an upstream that speaks no TLS", async () => {
    await using up = await rawScene((connection) => connection.socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), {
      url: ({ port }) => `https://127.0.0.1:${port}`,
    });
    const { error } = await up.call(false);
    expect(error).toMatchObject(failed);
    expect(error?.message).toMatch(/^the TLS handshake with provider up failed \((?:EPROTO|ERR_SSL_\w+)\)$/);
    expect(up.upstream.received()).not.toContain(canary);
  });

  test("an upstream that breaks the handshake off may do better the next time", async () => {
    await using up = await rawScene((connection) => connection.socket.resetAndDestroy(), {
      url: ({ port }) => `https://127.0.0.1:${port}`,
    });
    expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE", final: false });
  });

  test("an upstream that stalls in the handshake is given up after the time to connect", async () => {
    await using up = await rawScene(() => {}, { url: ({ port }) => `https://127.0.0.1:${port}`, connectMs: 200 });
    expect((await up.call(false)).error).toMatchObject({
      failure: "UPSTREAM_UNAVAILABLE",
      message: "provider up could not be connected to in time (UND_ERR_CONNECT_TIMEOUT)",
    });
  });
});

describe("a host name", () => {
  /** A name server that answers as it is told, one list of addresses a question; an error is its no. */
  function nameServer(...answers: readonly (readonly string[] | string)[]) {
    const asked: string[] = [];
    const resolve = ((
      host: string,
      _options: unknown,
      callback: (error: Error | null, found: { address: string; family: number }[]) => void,
    ) => {
      const answer = answers[Math.min(asked.push(host), answers.length) - 1] ?? [];
      if (typeof answer === "string") callback(Object.assign(new Error(`getaddrinfo ${host}`), { code: answer }), []);
      else
        callback(
          null,
          answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        );
    }) as typeof lookup;
    return { asked, resolve };
  }
  const named = (host: string) => ({ url: ({ port }: { readonly port: number }) => `http://${host}:${port}` });

  for (const { code, message } of [
    { code: "ENOTFOUND", message: "provider up has a host name that is not known (ENOTFOUND)" },
    { code: "EAI_AGAIN", message: "provider up has a host name that could not be looked up (EAI_AGAIN)" },
  ]) {
    test(`U03 without an address: ${code}`, async () => {
      const { resolve } = nameServer(code);
      await using up = await rawScene((connection) => serveAll(connection), { ...named("api.example.com"), resolve });
      expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE", message, final: false });
    });
  }

  test("U03 that a name server never answers for is given up after the time to connect", async () => {
    const resolve = (() => {}) as unknown as typeof lookup;
    await using up = await rawScene((connection) => serveAll(connection), { ...named("api.example.com"), resolve, connectMs: 200 });
    expect((await up.call(false)).error).toMatchObject({
      failure: "UPSTREAM_UNAVAILABLE",
      message: "provider up could not be connected to in time (UND_ERR_CONNECT_TIMEOUT)",
    });
  });

  test("U03 a look-up that failed is not remembered", async () => {
    const { resolve, asked } = nameServer("EAI_AGAIN", ["127.0.0.1"]);
    await using up = await rawScene((connection) => serveAll(connection), { ...named("model.internal"), resolve });
    expect((await up.call(false)).error).toBeDefined();
    expect(await up.call(false)).toEqual(served);
    expect(asked).toEqual(["model.internal", "model.internal"]);
  });

  for (const host of [
    "api.example.com",
    "localhost.example.com",
    "127.0.0.1.nip.example",
    "xn--lcalhost-54a.example",
    "api.example.com.",
  ]) {
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"]) {
      test(`U04 ${host} that leads to ${address} is refused before a packet is sent`, async () => {
        const { resolve } = nameServer([address]);
        await using up = await rawScene((connection) => serveAll(connection), { ...named(host), resolve });
        expect((await up.call(false)).error).toMatchObject({
          failure: "UPSTREAM_UNAVAILABLE",
          message: "the host name of provider up leads to an address that is not allowed",
          final: true,
        });
        expect([up.upstream.connections.length, up.upstream.received()]).toEqual([0, ""]);
      });
    }
  }

  test("U04 is asked once for each connection, and the address that was checked is the one that is called", async () => {
    const { resolve, asked } = nameServer(["127.0.0.1"], ["169.254.169.254"]);
    await using up = await rawScene(
      async (connection) => {
        await connection.request();
        connection.socket.write(http(answerJson(), ["connection: close"]));
      },
      { ...named("model.internal"), resolve },
    );
    expect(await up.call(false)).toEqual(served);
    expect(asked).toHaveLength(1);
    expect((await up.call(false)).error).toMatchObject({ message: expect.stringContaining("not allowed") });
    expect([asked.length, up.upstream.connections.length]).toEqual([2, 1]);
  });
});

describe("bounds", () => {
  /** Writes without end, as fast as it is read. */
  async function flood({ socket, request }: RawConnection, head: string, piece: string): Promise<void> {
    await request();
    socket.write(head);
    // The reset that ends it is what is waited for.
    const closed = once(socket, "close").catch(() => undefined);
    while (!socket.destroyed) if (!socket.write(piece)) await Promise.race([once(socket, "drain").catch(() => undefined), closed]);
  }

  for (const { what, piece, streamed, failure } of [
    { what: "JSON", piece: " ".repeat(65_536), streamed: false, failure: "UPSTREAM_PROTOCOL" },
    { what: "comments", piece: `: ${"x".repeat(65_536)}\n`, streamed: true, failure: "UPSTREAM_PROTOCOL" },
    {
      what: "events without content",
      piece: `data: {"choices":[],"x":"${"x".repeat(65_536)}"}\n\n`,
      streamed: true,
      failure: "UPSTREAM_PROTOCOL",
    },
    {
      what: "content",
      piece: `data: {"choices":[{"delta":{"content":"${"x".repeat(65_536)}"}}]}\n\n`,
      streamed: true,
      failure: "STREAM_INTERRUPTED",
    },
  ]) {
    test(`U50 ${what} without end stops at 64 MiB`, async () => {
      await using up = await rawScene((connection) => flood(connection, openHead, piece));
      const { text, error } = await up.call(streamed);
      expect(error).toMatchObject({ failure, message: expect.stringContaining("67108864 bytes") });
      expect(text.length).toBeLessThanOrEqual(64 * 1024 * 1024);
      await up.upstream.connections[0]?.closed;
    });
  }

  /** Writes a piece every few milliseconds. */
  function drip(connection: RawConnection, piece: string): void {
    const timer = setInterval(() => connection.socket.write(piece), 5);
    void connection.closed.then(() => clearInterval(timer));
  }

  for (const { row, what, piece } of [
    { row: "U49", what: "comments", piece: ": ping\n\n" },
    { row: "U49", what: "events that say nothing", piece: 'data: {"choices":[{"delta":{"content":""}}]}\n\n' },
    { row: "U48", what: "a byte now and then", piece: "x" },
  ]) {
    for (const after of [false, true]) {
      test(`${row} ${what} for ever ${after ? "after" : "before"} content`, async () => {
        await using up = await rawScene(async (connection) => {
          await connection.request();
          connection.socket.write(chunkedHead + chunked((after ? begun : "") + (row === "U48" ? "data: " : ": hi\n\n")));
          drip(connection, chunked(piece));
        });
        const { text, error } = await up.call(true, { options: { progressMs: 150, idleMs: 10_000 } });
        expect([text, error?.failure]).toEqual(after ? ["Hel", "STREAM_INTERRUPTED"] : ["", "TIMEOUT"]);
        await up.upstream.connections[0]?.closed;
      });
    }
  }

  test("U48 a byte of an error answer now and then: its status is told after five seconds", async () => {
    const clock = createFakeClock();
    await using up = await rawScene(
      async (connection) => {
        await connection.request();
        connection.socket.write("HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n");
        drip(connection, chunked("x"));
      },
      { clock },
    );
    const pending = up.call(false);
    const told: unknown[] = [];
    void pending.then(({ error }) => told.push(error));
    while (told.length === 0) {
      await settled();
      clock.advance(100);
    }
    expect(told).toMatchObject([{ failure: "OVERLOADED", upstream: { status: 503 } }]);
    expect(clock.now()).toBeLessThan(60_000);
    await up.upstream.connections[0]?.closed;
  });
});

describe("U52: a pause of ten minutes is the configuration's business, not undici's", () => {
  // undici's own timers can be moved on by hand, which is how it tests them.
  const timers: unknown = createRequire(import.meta.url)("undici/lib/util/timers.js");
  const pause = (): void => {
    if (typeof timers !== "object" || timers === null || !("tick" in timers) || typeof timers.tick !== "function") throw new Error("moved");
    for (let i = 0; i < 4; i++) timers.tick(299_000 / 2);
  };

  for (const where of ["before the head", "in the body"] as const) {
    test(where, async () => {
      await using up = await rawScene(async ({ socket, request }) => {
        await request();
        if (where === "in the body") socket.write(chunkedHead + chunked(begun));
        else {
          pause();
          await settled();
          socket.write(http(begun + rest));
        }
      });
      const onBegun = (): void => {
        if (where === "before the head") return;
        pause();
        setImmediate(() => up.upstream.connections[0]?.socket.write(`${chunked(rest)}0\r\n\r\n`));
      };
      expect(await up.call(true, { onBegun, options: { idleMs: 900_000 } })).toEqual(served);
    });
  }
});

test("nothing stays behind: no socket, no timer", async () => {
  const count = () => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap" || kind === "Timeout").length;
  await settled();
  const before = count();
  {
    await using up = await rawScene(async ({ socket, ordinal, request }) => {
      await request();
      const endings = [
        () => socket.end("HTTP/1.1 2"),
        () => socket.resetAndDestroy(),
        () => socket.write(`${chunkedHead}${chunked(begun)}`),
        () => socket.write(http("<html>", ["connection: close"])),
        () => socket.write(openHead),
        () => socket.end(`${openHead}${begun}`),
        () => socket.write(http(answerJson(), ["content-encoding: gzip", "connection: close"])),
      ];
      endings[ordinal % endings.length]?.();
    });
    for (let i = 0; i < 28; i++) {
      const caller = new AbortController();
      const pending = up.call(true, { signal: caller.signal, onBegun: () => caller.abort(new ChatError("CANCELLED", "left")) });
      const { ordinal } = await opened(up, i);
      // The one that says nothing is left by its caller.
      if (ordinal % 7 === 4) setImmediate(() => caller.abort(new ChatError("CANCELLED", "left")));
      expect((await pending).error).toBeDefined();
    }
  }
  // Sockets take a turn or two to close.
  for (let i = 0; i < 1000 && count() > before; i++) await settled();
  expect(count()).toBeLessThanOrEqual(before);
});

async function opened(
  up: { readonly upstream: { readonly connections: readonly RawConnection[] } },
  ordinal: number,
): Promise<RawConnection> {
  for (;;) {
    const connection = up.upstream.connections[ordinal];
    if (connection !== undefined) return connection;
    await settled();
  }
}
