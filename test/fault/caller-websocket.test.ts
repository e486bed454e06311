/** K31: callers who speak WebSocket badly, and those who speak it well beside them. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClient } from "../e2e/doors.ts";
import { until } from "../e2e/scene.ts";
import { chatFrame, openSocket } from "../e2e/websocket.ts";
import { opcode, rawSocket, wsFrame } from "../support/raw-websocket.ts";
import { maxBody } from "./caller-bodies.ts";
import { raw } from "./caller-socket.ts";
import { frameFaults, handshakeFaults } from "./caller-websocket.ts";
import { canaries, expectNoSecret } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, wellSaid } from "./scene.ts";
import { always, stall } from "./steps.ts";

let scene: FaultScene;
beforeAll(async () => {
  scene = await createFaultScene({
    faulty: [{ name: "stalls", script: always(stall), models: ["never"] }],
    shared: ["well"],
    serverSettings: `max_body: ${maxBody}`,
  });
});
afterAll(() => scene[Symbol.asyncDispose]());

const auth = `authorization: Bearer ${canaries.callerKey}`;
const protocol = "WebSocket";

describe("requests for a socket", () => {
  for (const { fault, bytes, told } of handshakeFaults) {
    cell({ id: "K31", fault, protocol }, async () => {
      const { text, closedByServer } = await raw(scene.server.port, bytes);
      expect(text).toMatch(told);
      expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
      expect(closedByServer).toBe(true);
      expectNoSecret(text, "a refusal");
    });
  }

  cell({ id: "K31", fault: "a request for one behind another that is not answered yet", protocol }, async () => {
    const body = JSON.stringify({ model: "stalls/never", messages: [{ role: "user", content: canaries.prompt }] });
    const first = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${auth}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const upgrade = `GET /v1/realtime/chat HTTP/1.1\r\nhost: localhost\r\n${auth}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    const { text, closedByServer } = await raw(scene.server.port, first + upgrade, { silentMs: 3000 });
    expect([text, closedByServer]).toEqual(["", true]);
  });
});

describe("frames", () => {
  for (const { fault, plays, code, errors = 0 } of frameFaults) {
    cell({ id: "K31", fault, protocol }, async () => {
      const asked = scene.healthy.requests.length;
      const socket = await rawSocket(scene.server.port, [auth]);
      await plays(socket);
      if (code === undefined) {
        // What comes after it shows that the socket goes on.
        await socket.send(wsFrame(opcode.text, JSON.stringify(chatFrame("well", "well"))));
        await until(() => socket.seen().texts.some((text) => text.includes('"done"')), "a good call is served");
        const told = socket.seen().texts.filter((text) => text.includes('"error"'));
        expect(told, "error frames").toHaveLength(errors);
        for (const text of told) expect(JSON.parse(text)).toMatchObject({ error: { type: "invalid_request_error" }, partial: false });
        socket.leave();
      } else {
        await until(() => socket.seen().code !== undefined, "it is closed");
        expect(socket.seen()).toEqual({ texts: [], code });
        await until(() => socket.destroyed, "the connection is closed");
      }
      expect(scene.healthy.requests.length - asked, "upstream calls").toBe(code === undefined ? 1 : 0);
    });
  }

  cell({ id: "K31", fault: "a frame that breaks the rules ends the calls that run beside it", protocol }, async () => {
    const socket = await rawSocket(scene.server.port, [auth]);
    const upstream = scene.upstream("stalls");
    const before = upstream.requests.length;
    await socket.send(wsFrame(opcode.text, JSON.stringify(chatFrame("beside", "stalls/never"))));
    await until(() => upstream.requests.length > before, "it has reached its upstream");
    await socket.send(wsFrame(opcode.reserved));
    await until(() => upstream.connections.every(({ closedMs }) => closedMs !== undefined), "the upstream's connection is closed");
    expect(socket.seen()).toEqual({ texts: [], code: 1002 });
  });
});

describe("floods", () => {
  const memory = async (): Promise<number> => Number(/^process_resident_memory_bytes (\d+)/m.exec((await scene.metrics()).text)?.[1]);

  for (const { fault, bytes } of [
    { fault: "pings whose answers are not read", bytes: wsFrame(opcode.ping, "p".repeat(100)) },
    { fault: "refused frames whose answers are not read", bytes: wsFrame(opcode.text, "no") },
  ]) {
    cell(
      { id: "K31", fault: `300,000 ${fault}`, protocol },
      async () => {
        const before = await memory();
        const socket = await rawSocket(scene.server.port, [auth]);
        socket.stopReading();
        const many = Buffer.concat(Array.from({ length: 1000 }, () => bytes));
        for (let i = 0; i < 300 && !socket.destroyed; i++) {
          let sent = false;
          void socket.send(many).then(() => (sent = true));
          const took = await until(() => sent, "sent", 2000).catch(() => undefined);
          // Where the server reads no further, nothing more can be sent.
          if (took === undefined) break;
        }
        expect((await memory()) - before, "bytes of memory more than before").toBeLessThan(150e6);
        expect((await doorClient("WebSocket").ask(scene.url, { model: "well", headers: scene.headers })).text).toBe(wellSaid);
        socket.leave();
      },
      60_000,
    );
  }

  cell({ id: "K31", fault: "more calls on one socket than it may have", protocol }, async () => {
    await using socket = await openSocket(scene.url, { headers: scene.headers });
    for (let i = 0; i < 70; i++) socket.send(chatFrame(i, "stalls/never"));
    const told = await socket.end(69);
    expect(told).toMatchObject({
      error: { type: "overloaded_error", code: "overloaded" },
      partial: false,
      status: 503,
      retry_after_ms: 1000,
    });
    expect(socket.frames).toHaveLength(6);
    socket.send({ type: "cancel", id: 0 });
    await socket.end(0);
    socket.send(chatFrame("now", "well"));
    expect(await socket.end("now")).toMatchObject({ type: "done" });
  });
});

describe("afterwards", () => {
  cell(
    { id: "K31", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
    () => expectAllClean(scene, ["stalls"]),
    40_000,
  );
});
