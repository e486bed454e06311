/** K02 to K05, K07, K24 to K29: callers who break off, stall, flood or lie by HTTP/2 and gRPC, at the wire of a running server. */
import { randomUUID } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClients } from "../e2e/doors.ts";
import { frame as message, grpc } from "../e2e/wire.ts";
import { soon, until } from "../e2e/scene.ts";
import { chunk } from "../support/scripted-upstream.ts";
import {
  data,
  errorCode,
  flag,
  headers,
  isGoaway,
  post,
  type RawHttp2,
  rawHttp2,
  rstStream,
  settingsFrame,
  type as frameType,
} from "../support/raw-http2.ts";
import { floods } from "./caller-floods.ts";
import { bodyOf, pathOf, type Protocol, protocols, typeOf } from "./caller-wire.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, says, wellSaid } from "./scene.ts";
import { always, byKind, endedStream, event, openStream, repeat, sleep, stall, json, write, chunked, sseHead } from "./steps.ts";
import { completion } from "../support/scripted-upstream.ts";

const begun = event(chunk({ role: "assistant", content: "" }));
const half = event(chunk({ content: canaries.answer }));
const slowMs = 700;
/** Many streams on one connection. */
const many = 50;
const grantedMs = 1500;

let scene: FaultScene;
const providers = ["stalls", "slow", "endless"] as const;
beforeAll(async () => {
  scene = await createFaultScene({
    faulty: [
      { name: "stalls", script: byKind([stall], [openStream(begun, half), stall]), models: ["stalling"] },
      {
        name: "slow",
        script: byKind(
          [sleep(slowMs), write(json(completion(wellSaid)))],
          [sleep(slowMs), endedStream(begun, half, event(chunk({}, "stop")), event("[DONE]"))],
        ),
        models: ["slowly"],
      },
      {
        name: "endless",
        script: always(write(sseHead()), repeat(chunked(event(chunk({ content: "x".repeat(16_384) }))))),
        models: ["endless"],
      },
    ],
    shared: ["well"],
    healthyScript: says(wellSaid),
    timeouts: "connect: 5s, first_token: 30s, idle: 30s, progress: 30s, total: 60s",
  });
});
afterAll(() => scene[Symbol.asyncDispose]());

const auth = (): [string, string] => ["authorization", `Bearer ${canaries.callerKey}`];

/** A session of Node's own client; it goes with the cell. */
function session(): ClientHttp2Session & Disposable {
  const made = connect(scene.url);
  made.on("error", () => {});
  return Object.assign(made, { [Symbol.dispose]: () => made.destroy() });
}

interface Asked {
  readonly stream: ClientHttp2Stream;
  /** Resolves with its bytes and how it ended. */
  readonly over: Promise<{ readonly bytes: number; readonly code: number; readonly status: string }>;
  readonly begun: Promise<void>;
}

/** One call on the session; framed as its protocol has it. */
function ask(on: ClientHttp2Session, protocol: Protocol, model: string): Asked {
  const stream = on.request({
    ":method": "POST",
    ":path": pathOf(protocol),
    "content-type": typeOf(protocol),
    te: "trailers",
    authorization: auth()[1],
    "x-request-id": randomUUID(),
  });
  stream.on("error", () => {});
  const body = bodyOf(protocol, model);
  stream.end(protocol === "connect unary" || protocol === "REST" || protocol === "SSE" ? body : message(body));
  let bytes = 0;
  let status = "";
  const first = new Promise<void>((resolve) => {
    stream.on("data", (part: Buffer) => {
      bytes += part.length;
      resolve();
    });
    stream.once("close", () => resolve());
  });
  stream.on("response", (head) => (status = String(head["grpc-status"] ?? status)));
  stream.on("trailers", (trailers) => (status = String(trailers["grpc-status"] ?? status)));
  const over = new Promise<{ bytes: number; code: number; status: string }>((resolve) => {
    stream.once("close", () => resolve({ bytes, code: stream.rstCode ?? 0, status }));
  });
  return { stream, over, begun: first };
}

const openAt = (name: string): number => scene.upstream(name).connections.filter(({ closedMs }) => closedMs === undefined).length;

describe("callers who go", () => {
  // A socket that was closed and one whose half was closed look alike until somebody writes, and that may take a heartbeat: the
  // guarantee that leaving stops the upstream at once is worth more than answering those who only close their half.
  for (const protocol of ["REST", "SSE"] as const) {
    cell({ id: "K02", fault: "a half that ends with the request counts as leaving", protocol }, async () => {
      const body = bodyOf(protocol, "stalling");
      const head = ["POST /v1/chat/completions HTTP/1.1", "host: localhost", auth().join(": "), "content-type: application/json"];
      const socket = connectTcp(scene.server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write([...head, `content-length: ${body.length}`, "", body].join("\r\n"));
      await until(() => openAt("stalls") === 1, "the call has reached the upstream");
      socket.end();
      await until(() => openAt("stalls") === 0, "the upstream connection is closed", grantedMs);
      socket.destroy();
    });
  }

  for (const protocol of protocols) {
    cell({ id: "K02", fault: "END_STREAM with the request", protocol: `${protocol} by HTTP/2` }, async () => {
      using on = session();
      const { bytes, code } = await ask(on, protocol, "slowly").over;
      expect([bytes > 0, code]).toEqual([true, 0]);
    });
  }

  for (const protocol of protocols) {
    cell({ id: "K03", fault: `one of ${many} streams of a connection is reset`, protocol }, async () => {
      using on = session();
      const before = scene.upstream("slow").requests.length;
      const asked = Array.from({ length: many }, () => ask(on, protocol, "slowly"));
      await until(() => scene.upstream("slow").requests.length === before + many, "all have reached the upstream");
      asked[17]?.stream.close(constants.NGHTTP2_CANCEL);
      const ends = await Promise.all(asked.map(({ over }) => over));
      const codes = Map.groupBy(ends, ({ code }) => code);
      expect([codes.get(0)?.length, codes.get(constants.NGHTTP2_CANCEL)?.length]).toEqual([many - 1, 1]);
      if (protocol.startsWith("grpc ")) expect(ends.filter(({ status }) => status === "0")).toHaveLength(many - 1);
      expect(ends.filter(({ bytes }) => bytes > 0)).toHaveLength(many - 1);
    });
  }

  for (const protocol of protocols) {
    cell({ id: "K04", fault: `a connection dies with ${many} calls`, protocol }, async () => {
      const on = session();
      const before = scene.upstream("stalls").requests.length;
      const asked = Array.from({ length: many }, () => ask(on, protocol, "stalling"));
      await until(() => scene.upstream("stalls").requests.length === before + many, "all have reached the upstream");
      expect(openAt("stalls")).toBe(many);
      on.destroy();
      const ms = await until(() => openAt("stalls") === 0, "every upstream connection is closed", grantedMs * 2);
      expect(ms).toBeLessThan(grantedMs * 2);
      await Promise.all(asked.map(({ over }) => over));
    });
  }
});

describe("callers who do not read", () => {
  /** What the upstream got rid of: with nobody reading it must stop growing, and the process must not hold it. */
  async function expectPaused(): Promise<void> {
    const upstream = scene.upstream("endless");
    const written = (): number => upstream.connections.at(-1)?.bytesWritten ?? 0;
    let last = -1;
    await until(
      async () => {
        const now = written();
        const still = now > 0 && now === last;
        last = now;
        await soon(200);
        return still && now === written();
      },
      "the upstream is not read any more",
      15_000,
    );
    const resident = Number(/^process_resident_memory_bytes (\d+)/m.exec((await scene.metrics()).text)?.[1]);
    expect(resident - residentBefore, "what the process keeps of it").toBeLessThan(64 * 2 ** 20);
  }
  let residentBefore = 0;
  const remember = async (): Promise<void> => {
    residentBefore = Number(/^process_resident_memory_bytes (\d+)/m.exec((await scene.metrics()).text)?.[1]);
  };

  cell(
    { id: "K05", fault: "a socket that is not read", protocol: "SSE" },
    async () => {
      await remember();
      const socket = connectTcp(scene.server.port, "127.0.0.1");
      socket.on("error", () => {});
      const body = bodyOf("SSE", "endless");
      socket.write(
        [
          `POST /v1/chat/completions HTTP/1.1`,
          "host: localhost",
          auth().join(": "),
          "content-type: application/json",
          `content-length: ${body.length}`,
          "",
          body,
        ].join("\r\n"),
      );
      socket.pause();
      await expectPaused();
      socket.destroy();
      await until(() => openAt("endless") === 0, "the upstream connection is closed", grantedMs);
    },
    30_000,
  );

  for (const protocol of ["grpc stream", "connect stream", "grpc-web stream", "SSE"] as const) {
    cell(
      { id: "K05", fault: "a window of zero", protocol: `${protocol} by HTTP/2` },
      async () => {
        await remember();
        using peer = await rawHttp2(scene.server.port, [[4, 0]]);
        sendCall(peer, 1, protocol, "endless");
        await expectPaused();
        peer.socket.destroy();
        await until(() => openAt("endless") === 0, "the upstream connection is closed", grantedMs);
      },
      30_000,
    );
  }

  cell(
    { id: "K05", fault: "one stream that is not read beside others", protocol: "grpc stream" },
    async () => {
      using on = session();
      const stalled = ask(on, "grpc stream", "endless");
      stalled.stream.pause();
      await until(() => openAt("endless") === 1, "the stalled one has begun");
      const others = await Promise.all(Array.from({ length: 5 }, () => ask(on, "grpc stream", "well").over));
      expect(others.map(({ status }) => status)).toEqual(Array(5).fill("0"));
      stalled.stream.close(constants.NGHTTP2_CANCEL);
      await until(() => openAt("endless") === 0, "the upstream connection is closed", grantedMs);
    },
    30_000,
  );
});

/** A call by hand. */
function sendCall(peer: RawHttp2, stream: number, protocol: Protocol, model: string): void {
  const body = bodyOf(protocol, model);
  const framed = protocol === "SSE" || protocol === "REST" || protocol === "connect unary" ? Buffer.from(body) : message(body);
  peer.send(headers(stream, [...post(pathOf(protocol), typeOf(protocol)), auth()], flag.endHeaders), data(stream, framed, flag.endStream));
}

describe("callers who flood", () => {
  cell(
    { id: "K27", fault: "3,000 streams that are reset at once", protocol: "HTTP/2" },
    async () => {
      const before = { stalls: scene.upstream("stalls").requests.length, running: (await scene.metrics()).sum("calls_in_flight") };
      using peer = await rawHttp2(scene.server.port);
      const timed: number[] = [];
      const [grpcUnary] = doorClients.filter(({ name }) => name === "grpc unary");
      const neighbour = (async () => {
        for (let i = 0; i < 10; i++) {
          const startMs = performance.now();
          await grpcUnary?.ask(scene.url, { model: "well", headers: scene.headers });
          timed.push(performance.now() - startMs);
        }
      })();
      for (let i = 0; i < 3000 && !peer.socket.destroyed; i++) {
        sendCall(peer, 2 * i + 1, "grpc stream", "stalling");
        peer.send(rstStream(2 * i + 1));
        if (i % 100 === 99) await peer.flushed();
      }
      await peer.closed;
      await neighbour;
      // Bounded by the burst, not by what was sent.
      expect(scene.upstream("stalls").requests.length - before.stalls, "upstream calls").toBeLessThan(400);
      await until(
        async () => openAt("stalls") === 0 && (await scene.metrics()).sum("calls_in_flight") === 0,
        "nothing of it is left",
        5000,
      );
      expect(Math.max(...timed), "the slowest call of a neighbour").toBeLessThan(10_000);
    },
    30_000,
  );

  for (const { id, fault, send, tolerated } of floods) {
    cell(
      { id, fault, protocol: "HTTP/2" },
      async () => {
        using peer = await rawHttp2(scene.server.port);
        await send(peer, [...post(pathOf("grpc stream"), typeOf("grpc stream")), auth()]);
        if (tolerated === true) await Promise.race([peer.settled().catch(() => undefined), peer.closed]);
        else
          await Promise.race([
            peer.closed,
            peer.until(isGoaway).catch(() => undefined),
            soon(8000).then(() => Promise.reject(new Error("the connection is still open"))),
          ]);
        const answer = await fetch(`${scene.url}/health/live`);
        expect(answer.status).toBe(200);
      },
      20_000,
    );
  }

  cell({ id: "K29", fault: "one stream more than are allowed", protocol: "HTTP/2" }, async () => {
    using peer = await rawHttp2(scene.server.port);
    const settings = await peer.until(({ type, flags }) => type === frameType.settings && (flags & flag.ack) === 0);
    const max = settingOf(settings.payload, 3);
    expect(max).toBeLessThanOrEqual(1000);
    peer.send(settingsFrame());
    for (let i = 0; i <= (max ?? 0); i++) sendCall(peer, 2 * i + 1, "grpc stream", "stalling");
    const last = 2 * (max ?? 0) + 1;
    const refused = await peer.until(({ type, stream }) => type === frameType.rstStream && stream === last);
    expect(refused.payload.readUInt32BE(0)).toBe(errorCode.refusedStream);
    expect(peer.frames.filter(({ type }) => type === frameType.rstStream)).toHaveLength(1);
    peer.socket.destroy();
    await until(() => openAt("stalls") === 0, "every upstream connection is closed", grantedMs * 2);
  });
});

function settingOf(payload: Buffer, id: number): number | undefined {
  for (let at = 0; at + 6 <= payload.length; at += 6) if (payload.readUInt16BE(at) === id) return payload.readUInt32BE(at + 2);
  return undefined;
}

describe("gRPC that is none", () => {
  const good = message(bodyOf("grpc unary", "well"));
  const call = (body: Uint8Array, more: Readonly<Record<string, string>> = {}, path = pathOf("grpc unary")) =>
    grpc(scene.url, path, body, { "content-type": "application/grpc+json", authorization: auth()[1], ...more });
  const rows = [
    { fault: "no message", play: () => call(Buffer.alloc(0)), code: /^(?:3|12)$/ },
    { fault: "two messages to a unary method", play: () => call(Buffer.concat([good, good])), code: /^(?:3|12)$/ },
    {
      fault: "two messages to a stream of answers",
      play: () => call(Buffer.concat([good, good]), {}, pathOf("grpc stream")),
      code: /^(?:3|12)$/,
    },
    { fault: "a method that nobody has", play: () => call(good, {}, "/semaroute.v1.RouterService/Nothing"), code: /^12$/ },
    { fault: "a service that nobody has", play: () => call(good, {}, "/nobody.v1.Nothing/Get"), code: /^12$/ },
    { fault: "a codec that nobody speaks", play: () => call(good, { "content-type": "application/grpc+xml" }), status: 415 },
    {
      fault: "bits of a frame that are reserved",
      play: () => call(message(bodyOf("grpc unary", "well"), { flags: 0x40 })),
      code: /^(?:0|3|13)$/,
    },
    { fault: "a frame's head without the frame", play: () => call(good.subarray(0, 5)), code: /^(?:3|12|13)$/ },
    { fault: "half of a frame's head", play: () => call(good.subarray(0, 3)), code: /^(?:3|13)$/ },
    { fault: "10,000 empty messages", play: () => call(Buffer.concat(Array(10_000).fill(message("")))), code: /^(?:3|12|13)$/ },
    { fault: "by PUT", play: () => call(good, { ":method": "PUT" }), status: 405 },
  ] as const;
  for (const row of rows) {
    cell({ id: "K25", fault: row.fault, protocol: "grpc unary" }, async () => {
      const asked = scene.healthy.requests.length;
      const end = await row.play();
      if ("status" in row) expect(end.status, end.text).toBe(row.status);
      else expect(end.code, end.text).toMatch(row.code);
      if (end.code !== "0") expect(scene.healthy.requests.length - asked, "upstream calls").toBe(0);
    });
  }

  cell({ id: "K25", fault: "a frame of one byte after the other", protocol: "grpc unary" }, async () => {
    using peer = await rawHttp2(scene.server.port);
    const bytes = good;
    peer.send(headers(1, [...post(pathOf("grpc unary"), typeOf("grpc unary")), auth()], flag.endHeaders));
    peer.send(...Array.from(bytes, (_, i) => data(1, bytes.subarray(i, i + 1), i === bytes.length - 1 ? flag.endStream : 0)));
    await peer.until(({ type, stream, flags }) => type === frameType.headers && stream === 1 && (flags & flag.endStream) !== 0);
    const text = Buffer.concat(peer.frames.flatMap(({ type, payload }) => (type === frameType.data ? [payload] : []))).toString();
    expect(text).toContain(wellSaid);
  });

  cell({ id: "K17", fault: "a length that the data does not have", protocol: "HTTP/2" }, async () => {
    const asked = scene.healthy.requests.length;
    using peer = await rawHttp2(scene.server.port);
    peer.send(
      headers(1, [...post("/v1/chat/completions", "application/json"), auth(), ["content-length", "5"]], flag.endHeaders),
      data(1, Buffer.from(bodyOf("REST", "well")), flag.endStream),
    );
    const end = await peer.until(({ type }) => type === frameType.rstStream || type === frameType.goaway);
    expect(end.payload.readUInt32BE(end.type === frameType.goaway ? 4 : 0)).toBeOneOf([errorCode.protocol, errorCode.internal]);
    expect(scene.healthy.requests.length - asked, "upstream calls").toBe(0);
  });
});

describe("afterwards", () => {
  for (const door of doorClients) {
    cell({ id: "K02 to K29", fault: "after all this the door answers", protocol: door.name }, async () => {
      expect((await door.ask(scene.url, { model: "well", headers: scene.headers })).text).toBe(wellSaid);
    });
  }
  cell(
    { id: "K02 to K29", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
    () => expectAllClean(scene, providers),
    40_000,
  );
});
