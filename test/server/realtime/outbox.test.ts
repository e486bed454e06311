import { once } from "node:events";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Outbox } from "../../../src/server/realtime/outbox.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { until } from "../../e2e/scene.ts";

/** An outbox, and the client that reads what leaves it. */
async function scene() {
  const http = createServer();
  const wss = new WebSocketServer({ noServer: true });
  const upgraded = new Promise<{ readonly ws: WebSocket; readonly socket: Socket }>((resolve) => {
    http.on("upgrade", (request, _duplex, head) => {
      const { socket } = request;
      wss.handleUpgrade(request, socket, head, (ws) => resolve({ ws, socket }));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("there is no port");
  const client = new WebSocket(`ws://127.0.0.1:${address.port}`);
  const messages: string[] = [];
  client.on("message", (data) => messages.push(Buffer.isBuffer(data) ? data.toString() : ""));
  await once(client, "open");
  const { ws, socket } = await upgraded;
  const clock = createFakeClock();
  const told: string[] = [];
  const outbox = new Outbox({
    ws,
    socket,
    clock,
    stallMs: 1000,
    onStall: () => told.push("stalled"),
    onFree: () => told.push("free"),
  });
  return {
    outbox,
    client,
    messages,
    socket,
    clock,
    told,
    ws,
    async [Symbol.asyncDispose]() {
      client.terminate();
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
}

/** More than all buffers between the two sides hold. */
const flood = 64 * 2 ** 20;

describe("an outbox", () => {
  test("sends at once what fits, one message a line", async () => {
    await using at = await scene();
    expect(at.outbox.send("one\ntwo\n\nthree")).toBeUndefined();
    expect(at.outbox.send("four\n")).toBeUndefined();
    await until(() => at.messages.length === 4, "they have come");
    expect([at.messages, at.clock.pending()]).toEqual([["one", "two", "three", "four"], 0]);
  });

  test("keeps the order of its senders, and the messages of each whole, in any script", async () => {
    await using at = await scene();
    const long = "ä🦦".repeat(20_000);
    const waits = ["a", long, "b", `${long}\n${long}`, "c"].map((lines) => at.outbox.send(lines));
    expect(waits.map((wait) => wait === undefined)).toEqual([true, false, false, false, false]);
    for (const wait of waits) await wait;
    await until(() => at.messages.length === 6, "they have come");
    expect(at.messages).toEqual(["a", long, "b", long, long, "c"]);
    expect([at.outbox.send("d"), at.told]).toEqual([undefined, ["free"]]);
  });

  test("hands a reader who does not read no more than it may hold, whoever waits to send", async () => {
    await using at = await scene();
    at.client.pause();
    const many = Array.from({ length: 64 }, () => at.outbox.send("x".repeat(flood / 64)));
    await until(() => at.outbox.isUnread && at.socket.writableNeedDrain, "it is full");
    expect(at.socket.writableLength).toBeLessThanOrEqual(at.socket.writableHighWaterMark + 16 * 1024 + 16);
    at.client.resume();
    for (const wait of many) await wait;
    await until(() => at.messages.length === 64, "all have come");
    expect([at.told, at.clock.pending()]).toEqual([["free"], 0]);
  });

  test("tells of a reader who takes nothing, and lets go of everybody once the socket is closed", async () => {
    await using at = await scene();
    at.client.pause();
    const wait = at.outbox.send("x".repeat(flood));
    await until(() => at.socket.writableNeedDrain, "it is full");
    // Until the kernels have taken all they will.
    let left = -1;
    await until(() => {
      const same = left === at.socket.writableLength;
      left = at.socket.writableLength;
      return same;
    }, "it is still");
    await until(() => at.clock.pending() === 1, "it is waited for");
    // Once more, where it has taken something since it began to be waited for.
    at.clock.advance(2000);
    expect(at.told).toEqual(["stalled"]);
    at.ws.terminate();
    await wait;
    expect(at.clock.pending()).toBe(0);
    expect(at.outbox.send("nobody reads it")).toBeUndefined();
  });
});
