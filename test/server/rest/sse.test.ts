import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { openaiChatDoor, openaiErrors } from "../../../src/dialects/openai-chat/door.ts";
import type { ServerResponse } from "../../../src/server/listen.ts";
import { sendError, sendJson } from "../../../src/server/rest/answer.ts";
import { SseResponse } from "../../../src/server/rest/sse.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { settled } from "../../stages/support.ts";

/** One request, answered by the test. */
async function exchange(answer: (response: http.ServerResponse) => void, options: http.RequestOptions = {}) {
  const server = http.createServer((_request, response) => answer(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const request = http.request({ port: (server.address() as AddressInfo).port, agent: false, ...options });
  request.on("error", () => {});
  request.end("x".repeat(options.method === "POST" ? 10 : 0));
  const [message] = (await once(request, "response")) as [http.IncomingMessage];
  const text = async (): Promise<string> => {
    let all = "";
    for await (const part of message.setEncoding("utf8")) all += String(part);
    return all;
  };
  return {
    message,
    request,
    text,
    async [Symbol.asyncDispose]() {
      request.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function refusedOn(response: ServerResponse) {
  return { response, errors: openaiErrors, headers: [["x-request-id", "r"]] as const, requestId: "r" };
}

function sseOn(response: ServerResponse) {
  const clock = createFakeClock();
  const { heartbeat } = openaiChatDoor;
  return { clock, sse: new SseResponse({ rest: refusedOn(response), clock, heartbeat, heartbeatMs: 1000, headers: [], encoder: {} }) };
}

describe("a stream of events", () => {
  test("has its head, its events and its end, and leaves no timer", async () => {
    let pending = -1;
    await using got = await exchange((response) => {
      const { sse, clock } = sseOn(response);
      sse.open([["x-semaroute-provider", "p"]]);
      void sse.write("data: 1\n\n");
      void sse.write("data: 2\n\n");
      sse.end();
      pending = clock.pending();
    });
    expect(got.message).toMatchObject({
      statusCode: 200,
      headers: {
        "x-request-id": "r",
        "x-semaroute-provider": "p",
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-content-type-options": "nosniff",
      },
    });
    expect([await got.text(), pending]).toEqual(["data: 1\n\ndata: 2\n\n", 0]);
  });

  test("says that it is alive after each silence, from before the first event on", async () => {
    await using got = await exchange((response) => {
      const { sse, clock } = sseOn(response);
      clock.advance(999);
      expect(response.headersSent).toBe(false);
      clock.advance(1);
      sse.open([["x-too-late", "1"]]);
      clock.advance(600);
      void sse.write("data: 1\n\n");
      clock.advance(999);
      void sse.write("data: 2\n\n");
      clock.advance(2000);
      sse.end();
    });
    expect(got.message.headers["x-too-late"]).toBeUndefined();
    expect(await got.text()).toBe(": keep-alive\n\ndata: 1\n\ndata: 2\n\n: keep-alive\n\n: keep-alive\n\n");
  });

  test("that fails before its head is an answer with a status", async () => {
    await using got = await exchange((response) => {
      const { sse, clock } = sseOn(response);
      sse.fail(new ChatError("OVERLOADED", "busy", { retryAfterMs: 1500 }), [["server-timing", "t"]]);
      expect(clock.pending()).toBe(0);
    });
    expect(got.message).toMatchObject({
      statusCode: 503,
      headers: { "content-type": "application/json", "x-request-id": "r", "retry-after": "2", "server-timing": "t" },
    });
    expect(JSON.parse(await got.text())).toMatchObject({ error: { message: "busy", code: "upstream_overloaded" } });
  });

  test("that fails after its head ends with the error, and never with [DONE]", async () => {
    await using got = await exchange((response) => {
      const { sse } = sseOn(response);
      sse.open([]);
      void sse.write("data: 1\n\n");
      sse.fail(new ChatError("STREAM_INTERRUPTED", "broke off"), []);
    });
    const text = await got.text();
    expect(text).toMatch(/^data: 1\n\ndata: \{"error":\{.*"code":"stream_interrupted".*\}\}\n\n$/);
    expect(text).not.toContain("[DONE]");
  });

  test("waits for a slow reader, however often, and leaves no listener behind", async () => {
    let response: http.ServerResponse | undefined;
    const counts: number[] = [];
    const writing = Promise.withResolvers<void>();
    await using got = await exchange((answered) => {
      response = answered;
      const { sse } = sseOn(answered);
      sse.open([]);
      void (async () => {
        const before = answered.listenerCount("close");
        for (let i = 0; i < 30; i++) await sse.write("x".repeat(1024 * 1024));
        counts.push(before, answered.listenerCount("close"), answered.listenerCount("drain"), answered.listenerCount("error"));
        sse.end();
        writing.resolve();
      })();
    });
    expect(await got.text()).toHaveLength(30 * 1024 * 1024);
    await writing.promise;
    expect(counts[1]).toBe(counts[0]);
    expect(counts.slice(2)).toEqual([0, 0]);
    expect(response?.writableFinished).toBe(true);
  });

  test("of a caller who left takes no more, waits for nobody, and beats no more", async () => {
    const done = Promise.withResolvers<readonly unknown[]>();
    await using got = await exchange((response) => {
      const { sse, clock } = sseOn(response);
      sse.open([]);
      void (async () => {
        // Until the caller is gone: it does not read.
        while (!response.destroyed) await sse.write("x".repeat(1024 * 1024));
        await sse.write("more");
        sse.end();
        sse.fail(new ChatError("CANCELLED", "left"), []);
        clock.advance(5000);
        done.resolve([clock.pending(), response.destroyed]);
      })();
    });
    await settled();
    got.request.destroy();
    expect(await done.promise).toEqual([0, true]);
  });
});

describe("a whole answer", () => {
  test("is one head and one body, of its length in bytes", async () => {
    await using got = await exchange((response) => sendJson(response, 201, [["x-a", "b"]], '{"ü":1}'));
    expect(got.message).toMatchObject({
      statusCode: 201,
      headers: { "x-a": "b", "content-type": "application/json", "content-length": "8", "x-content-type-options": "nosniff" },
    });
    expect(await got.text()).toBe('{"ü":1}');
  });

  test("is sent once", async () => {
    await using got = await exchange((response) => {
      sendJson(response, 200, [], "1");
      sendJson(response, 500, [], "2");
    });
    expect([got.message.statusCode, await got.text()]).toEqual([200, "1"]);
  });

  for (const [failure, status, connection] of [
    ["REQUEST_TOO_LARGE", 413, "close"],
    ["INVALID_REQUEST", 400, undefined],
    ["TIMEOUT", 504, undefined],
  ] as const) {
    test(`for ${failure} is ${status}${connection === undefined ? "" : ", and the connection ends with it"}`, async () => {
      const agent = new http.Agent({ keepAlive: true });
      await using got = await exchange((response) => sendError(refusedOn(response), new ChatError(failure, "why")), {
        agent,
      });
      const { headers } = got.message;
      expect([got.message.statusCode, headers.connection === "close"]).toEqual([status, connection === "close"]);
      expect(JSON.parse(await got.text())).toMatchObject({ error: { message: "why" } });
      agent.destroy();
    });
  }
});
