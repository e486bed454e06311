import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { Affinity } from "../../src/core/affinity.ts";
import type { Call } from "../../src/core/call.ts";
import type { Target } from "../../src/core/catalog.ts";
import { type ChatRequestSchema, Role } from "../../src/core/chat.ts";
import type { Handler } from "../../src/core/handler.ts";
import { locate } from "../../src/stages/locate.ts";
import { createAffinity } from "../../src/stores/affinity.ts";
import { chatRequest, embedRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, snapshotOf, targetOf } from "./support.ts";

type Wishes = MessageInitShape<typeof ChatRequestSchema>;

const price = { input: 1, output: 1, cacheRead: undefined, cacheWrite: undefined };
const plain = targetOf("a/m", { price });
const cached = targetOf("b/m", { price: { ...price, cacheRead: 1 } });
const long = [{ role: Role.USER, text: "word ".repeat(2000) }];

/** A room whose next one tells that it was reached. */
function room(targets: readonly Target[] = [cached]) {
  const asked: string[] = [];
  const reached: Call[] = [];
  const memory = createAffinity(createFakeClock());
  const affinity: Affinity = {
    find: memory.find,
    bind: (conversation, holding) => memory.bind(conversation, holding),
    recollect(conversation) {
      asked.push(conversation);
      return Promise.resolve();
    },
  };
  const next: Handler<Call> = (call) => {
    reached.push(call);
    return Promise.reject(new Error("reached"));
  };
  const enter = async (wishes: Wishes, more: Partial<Call> = {}): Promise<void> => {
    const call = callOf(chatRequest("hi", { model: "m", ...wishes }), { snapshot: snapshotOf(targets), ...more });
    await expect(locate({ affinity })(next)(call)).rejects.toThrow("reached");
  };
  return { asked, reached, memory, enter, next };
}

describe("before a call is planned", () => {
  test("its conversation's holder is asked for once, where it has a name or a price depends on it", async () => {
    for (const wishes of [{ routing: { affinityKey: "x" } }, { promptCacheKey: "x" }, { messages: long }] as Wishes[]) {
      const { asked, reached, enter } = room();
      await enter(wishes);
      expect([asked.length, reached.length]).toEqual([1, 1]);
    }
    const named = room([plain]);
    await named.enter({ routing: { affinityKey: "x" } });
    expect(named.asked).toHaveLength(1);
  });

  test("nobody is asked for a conversation that is known here", async () => {
    const { asked, memory, enter } = room();
    await enter({ messages: long });
    memory.bind(asked[0] ?? "", { target: cached.id, tokens: 1, ttlMs: 1000 });
    await enter({ messages: long });
    expect(asked).toHaveLength(1);
  });

  test("nobody is asked for short prompts, for prompts that no price depends on, for unknown models and for embeddings", async () => {
    const { asked, reached, enter } = room();
    await enter({});
    await enter({ messages: long, model: "unknown" });
    await enter({}, { request: embedRequest(["hi"]) });
    const other = room([plain]);
    await other.enter({ messages: long });
    expect([asked, other.asked, reached.length]).toEqual([[], [], 3]);
  });

  test("a price of a fallback counts, too", async () => {
    const { asked, enter } = room([plain, targetOf("b/n", { price: { ...price, cacheRead: 1 } })]);
    await enter({ messages: long });
    await enter({ messages: long, routing: { fallbackModels: ["n"] } });
    expect(asked).toHaveLength(1);
  });

  test("nothing stands in the way where there are no other replicas", () => {
    const { next } = room();
    expect(locate({})(next)).toBe(next);
    expect(locate({ affinity: createAffinity(createFakeClock()) })(next)).toBe(next);
  });
});
