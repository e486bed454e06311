/** K17 and K25 to K29: callers who flood or lie by HTTP/2 and gRPC, at the wire of a running server. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClients } from "../e2e/doors.ts";
import { soon, until } from "../e2e/scene.ts";
import { frame as message, grpc } from "../e2e/wire.ts";
import {
  data,
  errorCode,
  flag,
  headers,
  isGoaway,
  post,
  rawHttp2,
  rstStream,
  settingsFrame,
  type as frameType,
} from "../support/raw-http2.ts";
import { chunk } from "../support/scripted-upstream.ts";
import { floods } from "./caller-floods.ts";
import { auth, sendCall } from "./caller-http2.ts";
import { grantedMs } from "./caller-leaving.ts";
import { bodyOf, pathOf, typeOf } from "./caller-wire.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, says, wellSaid } from "./scene.ts";
import { byKind, event, openStream, stall } from "./steps.ts";

const begun = event(chunk({ role: "assistant", content: "" }));
const half = event(chunk({ content: canaries.answer }));

let scene: FaultScene;
beforeAll(async () => {
  scene = await createFaultScene({
    faulty: [{ name: "stalls", script: byKind([stall], [openStream(begun, half), stall]), models: ["stalling"] }],
    shared: ["well"],
    healthyScript: says(wellSaid),
    timeouts: "connect: 5s, first_token: 30s, idle: 30s, progress: 30s, total: 60s",
  });
});
afterAll(() => scene[Symbol.asyncDispose]());

const openAt = (name: string): number => scene.upstream(name).connections.filter(({ closedMs }) => closedMs === undefined).length;

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
        await send(peer, [...post(pathOf("grpc stream"), typeOf("grpc stream")), auth]);
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
    grpc(scene.url, path, body, { "content-type": "application/grpc+json", authorization: auth[1], ...more });
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
    peer.send(headers(1, [...post(pathOf("grpc unary"), typeOf("grpc unary")), auth], flag.endHeaders));
    peer.send(...Array.from(bytes, (_, i) => data(1, bytes.subarray(i, i + 1), i === bytes.length - 1 ? flag.endStream : 0)));
    await peer.until(({ type, stream, flags }) => type === frameType.headers && stream === 1 && (flags & flag.endStream) !== 0);
    const text = Buffer.concat(peer.frames.flatMap(({ type, payload }) => (type === frameType.data ? [payload] : []))).toString();
    expect(text).toContain(wellSaid);
  });

  cell({ id: "K17", fault: "a length that the data does not have", protocol: "HTTP/2" }, async () => {
    const asked = scene.healthy.requests.length;
    using peer = await rawHttp2(scene.server.port);
    peer.send(
      headers(1, [...post("/v1/chat/completions", "application/json"), auth, ["content-length", "5"]], flag.endHeaders),
      data(1, Buffer.from(bodyOf("REST", "well")), flag.endStream),
    );
    const end = await peer.until(({ type }) => type === frameType.rstStream || type === frameType.goaway);
    expect(end.payload.readUInt32BE(end.type === frameType.goaway ? 4 : 0)).toBeOneOf([errorCode.protocol, errorCode.internal]);
    expect(scene.healthy.requests.length - asked, "upstream calls").toBe(0);
  });
});

describe("afterwards", () => {
  for (const door of doorClients) {
    cell({ id: "K17 to K29", fault: "after all this the door answers", protocol: door.name }, async () => {
      expect((await door.ask(scene.url, { model: "well", headers: scene.headers })).text).toBe(wellSaid);
    });
  }
  cell(
    { id: "K17 to K29", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
    () => expectAllClean(scene, ["stalls"]),
    40_000,
  );
});
