/** K02 to K05: callers who go, and callers who do not read, many to a connection, at the wire of a running server. */
import { constants } from "node:http2";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { soon, until } from "../e2e/scene.ts";
import { chunk, completion } from "../support/scripted-upstream.ts";
import { rawHttp2 } from "../support/raw-http2.ts";
import { ask, sendByHttp1, sendCall, sessionTo } from "./caller-http2.ts";
import { grantedMs } from "./caller-leaving.ts";
import { protocols } from "./caller-wire.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, says, wellSaid } from "./scene.ts";
import { always, byKind, chunked, endedStream, event, json, openStream, repeat, sleep, sseHead, stall, write } from "./steps.ts";

const begun = event(chunk({ role: "assistant", content: "" }));
const half = event(chunk({ content: canaries.answer }));
const slowMs = 700;
/** Many streams on one connection. */
const many = 50;

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

const openAt = (name: string): number => scene.upstream(name).connections.filter(({ closedMs }) => closedMs === undefined).length;

describe("callers who go", () => {
  // A socket that was closed and one whose half was closed look alike until somebody writes, and that may take a heartbeat: the
  // guarantee that leaving stops the upstream at once is worth more than answering those who only close their half.
  for (const protocol of ["REST", "SSE"] as const) {
    cell({ id: "K02", fault: "a half that ends with the request counts as leaving", protocol }, async () => {
      const socket = sendByHttp1(scene.server.port, protocol, "stalling");
      await until(() => openAt("stalls") === 1, "the call has reached the upstream");
      socket.end();
      await until(() => openAt("stalls") === 0, "the upstream connection is closed", grantedMs);
      socket.destroy();
    });
  }

  for (const protocol of protocols) {
    cell({ id: "K02", fault: "END_STREAM with the request", protocol: `${protocol} by HTTP/2` }, async () => {
      using on = sessionTo(scene.url);
      const { bytes, code } = await ask(on, protocol, "slowly").over;
      expect([bytes > 0, code]).toEqual([true, 0]);
    });
  }

  for (const protocol of protocols) {
    cell({ id: "K03", fault: `one of ${many} streams of a connection is reset`, protocol }, async () => {
      using on = sessionTo(scene.url);
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
      const on = sessionTo(scene.url);
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
      const socket = sendByHttp1(scene.server.port, "SSE", "endless");
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
      using on = sessionTo(scene.url);
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

cell(
  { id: "K02 to K05", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
  () => expectAllClean(scene, providers),
  40_000,
);
