import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { type Batch, CacheStatus, type ChatResponse } from "../../../src/core/chat.ts";
import type { ChatStream } from "../../../src/core/handler.ts";
import type { Router } from "../../../src/core/router.ts";
import { anonymousKey } from "../../../src/server/auth.ts";
import { createArrivals } from "../../../src/server/arrivals.ts";
import { createCallDesk } from "../../../src/server/call-desk.ts";
import { openaiChatDoor } from "../../../src/dialects/openai-chat/door.ts";
import { serveChat } from "../../../src/server/rest/chat-door.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { attemptOf, chatRequest } from "../../support/attempt.ts";

/** An answer that no encoder can take: what a bug of a room, or of the encoder itself, looks like from the door. */
const broken: Batch = [{ case: "whole", value: {} as unknown as ChatResponse }];

test.each([false, true])(
  "an answer that cannot be encoded is a told bug, and the rooms hear that the call is over (stream: %s)",
  async (streamed) => {
    const { snapshot, target } = attemptOf(chatRequest("hi"));
    const bugs: unknown[] = [];
    let left = 0;
    let reason: unknown;
    const router: Router = {
      snapshot: () => snapshot,
      refusal: () => undefined,
      exhausted: () => undefined,
      allowances: () => undefined,
      models: () => [],
      model: () => undefined,
      explain: () => expect.fail("nobody asked"),
      countTokens: () => expect.fail("nobody asked"),
      chat: (call) => {
        const batches: ChatStream["batches"] = {
          next: () => Promise.resolve({ done: false, value: streamed ? [{ case: "choiceEnded", value: undefined as never }] : broken }),
          return: () => {
            if (left++ === 0) reason = call.signal.reason;
            return Promise.resolve({ done: true, value: undefined });
          },
          [Symbol.asyncIterator]: () => batches,
        };
        return Promise.resolve({ source: { target, cache: CacheStatus.BYPASS, attempts: [], notes: [], rule: "" }, batches });
      },
    };
    const desk = createCallDesk({ router, clock: systemClock, newId: () => "id", random: () => 0 });
    const settings = () => ({ keys: { authenticate: () => anonymousKey }, bodyMax: 1000, heartbeatMs: 60_000 });
    const parts = {
      router,
      desk,
      clock: systemClock,
      arrivals: createArrivals(Infinity),
      settings,
      onBug: (error: unknown) => bugs.push(error),
    };
    const server = createServer((request, response) => {
      const rest = { request, response, params: {}, id: "id", requestId: "id", headers: [], errors: openaiChatDoor.errors };
      void serveChat(parts, rest, { name: "openai", dialect: openaiChatDoor });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as AddressInfo;
      const body = JSON.stringify({ model: "m", stream: streamed, messages: [{ role: "user", content: "hi" }] });
      const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, { method: "POST", body });
      expect(await answer.text()).toContain('"code":"internal_error"');
      expect(bugs).toHaveLength(1);
      expect(left).toBeGreaterThan(0);
      expect(reason).toMatchObject({ failure: "INTERNAL" });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
);
