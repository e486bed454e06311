/** What a hostile HTTP/2 peer can send without end ends with its own connection, and nobody else's. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen, type Listener } from "../../src/server/listen.ts";
import * as h2 from "../support/raw-http2.ts";

const { type, errorCode } = h2;
let begun = 0;
let ended = 0;
let listener: Listener;
beforeAll(async () => {
  listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    bounds: { sweepMs: 50 },
    handler(request, response) {
      begun++;
      response.once("close", () => ended++);
      if (request.url !== "/hang") response.end("ok");
    },
  });
});
afterAll(() => listener.close());

/** A request whose body goes on. */
const open = h2.headers(1, h2.get("/hang"), h2.flag.endHeaders);
const head = h2.block(h2.get("/hang"));

interface Flood {
  readonly what: string;
  /** Sent once, in front. */
  readonly first?: Uint8Array;
  /** The n-th of the flood. */
  readonly frames: (n: number) => Uint8Array;
  /** Frames after which the server may at the latest have had enough. */
  readonly most: number;
  /** Of the GOAWAY. */
  readonly code: number;
}

const floods: readonly Flood[] = [
  {
    what: "rapid resets",
    frames: (n) => Buffer.concat([h2.headers(2 * n + 1, h2.get("/hang")), h2.rstStream(2 * n + 1)]),
    most: 3000,
    code: errorCode.internal,
  },
  {
    what: "CONTINUATION",
    first: h2.frame(type.headers, 0, 1, head),
    frames: () => h2.frame(type.continuation, 0, 1, h2.block([["x", "y"]])),
    most: 1000,
    code: errorCode.internal,
  },
  {
    what: "empty CONTINUATION",
    first: h2.frame(type.headers, 0, 1, head),
    frames: () => h2.frame(type.continuation, 0, 1),
    most: 1000,
    code: errorCode.internal,
  },
  { what: "PING", frames: () => h2.frame(type.ping, 0, 0, Buffer.alloc(8)), most: 50_000, code: errorCode.enhanceYourCalm },
  {
    what: "PING beside a request",
    first: open,
    frames: () => h2.frame(type.ping, 0, 0, Buffer.alloc(8)),
    most: 50_000,
    code: errorCode.enhanceYourCalm,
  },
  { what: "SETTINGS", frames: () => h2.settingsFrame([[4, 65_535]]), most: 50_000, code: errorCode.enhanceYourCalm },
  { what: "empty SETTINGS beside a request", first: open, frames: () => h2.settingsFrame(), most: 50_000, code: errorCode.enhanceYourCalm },
  { what: "WINDOW_UPDATE", frames: () => h2.windowUpdate(0, 1), most: 500_000, code: errorCode.enhanceYourCalm },
  { what: "a window beyond 2^31", frames: () => h2.windowUpdate(0, 2 ** 31 - 1), most: 50, code: errorCode.flowControl },
  { what: "a window of nothing", frames: () => h2.windowUpdate(0, 0), most: 50, code: errorCode.protocol },
  {
    what: "PRIORITY",
    frames: (n) => h2.frame(type.priority, 0, 2 * n + 1, Buffer.from([0, 0, 0, 0, 1])),
    most: 50_000,
    code: errorCode.enhanceYourCalm,
  },
  { what: "frames of no known type", frames: () => h2.frame(0x42, 0, 0, Buffer.alloc(8)), most: 50_000, code: errorCode.enhanceYourCalm },
  { what: "empty DATA", first: open, frames: () => h2.data(1, Buffer.alloc(0)), most: 1000, code: errorCode.internal },
  { what: "DATA beyond its window", first: open, frames: () => h2.data(1, Buffer.alloc(16_384)), most: 1000, code: errorCode.flowControl },
  {
    what: "malformed headers",
    frames: (n) =>
      h2.headers(2 * n + 1, [
        [":method", "GET"],
        ["X-Upper", "1"],
      ]),
    most: 1000,
    code: errorCode.internal,
  },
  { what: "more streams than are allowed", frames: (n) => h2.headers(2 * n + 1, h2.get("/hang")), most: 3000, code: errorCode.internal },
  { what: "headers that are no HPACK", frames: (n) => h2.frame(type.headers, 5, 2 * n + 1, Buffer.alloc(6, 0xff)), most: 50, code: 9 },
  { what: "a frame above the largest", frames: () => h2.frame(type.data, 0, 1, Buffer.alloc(0), 0xffffff), most: 50, code: 6 },
];

/** Sends until the server ends the connection; the code of its goodbye. */
async function flood({ first, frames, most }: Flood): Promise<number> {
  const raw = await h2.rawHttp2(listener.port);
  using _ = raw;
  if (first !== undefined) raw.send(first);
  for (let n = 0; n < most && !raw.socket.closed;) {
    const batch: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) batch.push(frames(n++));
    raw.send(...batch);
    await raw.flushed();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const goodbye = await raw.until(h2.isGoaway);
  await raw.closed;
  return h2.goaway(goodbye).code;
}

const answered = async (): Promise<string> => (await fetch(listener.url)).text();

describe("a flood of", () => {
  for (const each of floods) {
    test(`${each.what} ends its connection`, async () => {
      const before = process.memoryUsage.rss();
      expect(await flood(each)).toBe(each.code);
      expect(await answered()).toBe("ok");
      await expect.poll(() => begun - ended).toBe(0);
      // What a connection may cost is a few megabytes at most; a server that keeps what floods bring would keep hundreds.
      expect(process.memoryUsage.rss() - before).toBeLessThan(100e6);
    });
  }
});

test("no request of a flood of resets is left behind, and a caller on another connection is served meanwhile", async () => {
  const [first] = floods;
  if (first === undefined) throw new Error("there are no floods");
  const [, text] = await Promise.all([flood(first), answered()]);
  expect(text).toBe("ok");
  await expect.poll(() => begun - ended).toBe(0);
});

describe("headers that unfold", () => {
  test("from one table entry into megabytes are refused as they unfold", async () => {
    using raw = await h2.rawHttp2(listener.port);
    const before = begun;
    const big = h2.indexed("x", "y".repeat(3900));
    raw.send(h2.frame(type.headers, 5, 1, Buffer.concat([head, big])));
    for (let n = 1; n <= 20; n++) raw.send(h2.frame(type.headers, 5, 2 * n + 1, Buffer.concat([head, Buffer.alloc(15_000, 0x80 + 62)])));
    await raw.until(({ type: kind, stream }) => kind === type.rstStream && stream === 41);
    expect(begun - before).toBeLessThanOrEqual(1);
  });

  test("into more than 100 of them are refused, and the connection goes on", async () => {
    using raw = await h2.rawHttp2(listener.port);
    const many = Array.from({ length: 101 }, (_, i): [string, string] => [`x-${i}`, "y"]);
    raw.send(h2.headers(1, [...h2.get("/"), ...many]), h2.headers(3, h2.get("/")));
    const reset = await raw.until(({ type: kind }) => kind === type.rstStream);
    const answer = await raw.until(({ type: kind }) => kind === type.headers);
    expect([reset.stream, answer.stream]).toEqual([1, 3]);
  });
});

test("a stream above the hundred is refused as one to be tried again, and the others go on", async () => {
  using raw = await h2.rawHttp2(listener.port);
  for (let n = 0; n < 100; n++) raw.send(h2.headers(2 * n + 1, h2.get("/hang")));
  // A peer that has acknowledged the limit and goes beyond it breaks the protocol, which ends its connection; this one has not.
  raw.send(h2.headers(201, h2.get("/")));
  const reset = await raw.until(({ type: kind }) => kind === type.rstStream);
  expect([reset.stream, reset.payload.readUInt32BE()]).toEqual([201, errorCode.refusedStream]);
  raw.send(h2.rstStream(1), h2.headers(203, h2.get("/")));
  expect((await raw.until(({ type: kind, stream }) => kind === type.headers && stream === 203)).stream).toBe(203);
});
