import { beforeEach, describe, expect, test } from "vitest";
import type { Call } from "../../src/core/call.ts";
import type { Batch } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { createEmbedder, type Embedder } from "../../src/stages/embedder.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { callOf, createTape, embedded, recordOf, settled, streamOf } from "./support.ts";

let clock: FakeClock;
let asked: Call[];
let answers: (call: Call) => Promise<ChatStream>;
let embedder: Embedder;
beforeEach(() => {
  clock = createFakeClock();
  asked = [];
  answers = () => Promise.resolve(answering([0, 2]));
  embedder = createEmbedder((call) => (asked.push(call), answers(call)), clock);
});

function answering(values: readonly number[]): ChatStream {
  const tape = createTape<Batch>();
  tape.push([embedded([[...values]])]);
  tape.end();
  return streamOf(tape, { attempts: [recordOf()] });
}
const embed = (call: Call = callOf(), model = "up/vectors") => embedder(call, model, "a text");
const hangs = ({ signal }: Call): Promise<ChatStream> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
const fails = (): Promise<ChatStream> => Promise.reject(new ChatError("OVERLOADED", "no"));
const kindOf = async () => (await embed()).kind;

test("a text becomes a direction of length 1, with what it took", async () => {
  const found = await embed();
  expect(found).toMatchObject({ kind: "direction", direction: { vector: new Float32Array([0, 1]) }, attempts: [{}] });
});

test("the key's list and its limits, the call's wishes and hedges are not the embedding's", async () => {
  const call = callOf();
  const limits = { requestsPerMinute: 1, tokensPerMinute: 1, concurrentCalls: 1, budgetMicroUsd: 1, budgetPeriod: "day" as const };
  await embed({ ...call, streamed: true, key: { ...call.key, models: new Set(["other"]), limits } });
  expect(asked).toMatchObject([
    {
      id: `${call.id}.similar`,
      streamed: false,
      deadlineByCaller: true,
      deadline: 300,
      key: { id: call.key.id },
      request: { model: "up/vectors" },
    },
  ]);
  expect(asked[0]?.key).toMatchObject({ models: undefined, limits: undefined });
  expect(asked[0]?.request.routing).toBeUndefined();
  expect(asked[0]?.snapshot.options.hedge).toBeUndefined();
});

test("nobody waits longer than 300 ms, and no timer is left", async () => {
  answers = hangs;
  const waiting = kindOf();
  clock.advance(299);
  await settled();
  expect(asked[0]?.signal.aborted).toBe(false);
  clock.advance(1);
  expect(await waiting).toBe("timeout");
  expect(asked[0]?.signal.reason).toMatchObject({ failure: "DEADLINE_EXCEEDED" });
  answers = () => Promise.resolve(answering([1]));
  expect(await kindOf()).toBe("direction");
  expect(clock.pending()).toBe(0);
});

test("a caller who leaves ends it, and it is nobody's failure", async () => {
  answers = hangs;
  for (let i = 0; i < 10; i++) {
    const leaving = new AbortController();
    const waiting = embed(callOf(undefined, { signal: leaving.signal }));
    leaving.abort(new ChatError("CANCELLED", "the caller left"));
    expect((await waiting).kind).toBe("left");
  }
  expect(asked).toHaveLength(10);
});

test.for([[[]], [[0, 0]], [[Number.NaN]]])("an answer of %j is a failure", async ([values = []]) => {
  answers = () => Promise.resolve(answering(values));
  expect(await kindOf()).toBe("failed");
});

describe("after five failures in a row", () => {
  beforeEach(async () => {
    answers = fails;
    for (let i = 0; i < 5; i++) expect(await kindOf()).toBe("failed");
  });

  test("nobody is asked for 30 s, then one tries for all, and a success ends it", async () => {
    clock.advance(29_999);
    expect(await kindOf()).toBe("left_out");
    expect(asked).toHaveLength(5);
    clock.advance(1);
    answers = hangs;
    const trial = kindOf();
    expect(await kindOf()).toBe("left_out");
    clock.advance(300);
    expect(await trial).toBe("timeout");
    expect(await kindOf()).toBe("left_out");
    clock.advance(30_000);
    answers = () => Promise.resolve(answering([1]));
    expect([await kindOf(), await kindOf()]).toEqual(["direction", "direction"]);
  });

  test("another model begins anew", async () => {
    expect((await embed(undefined, "up/other")).kind).toBe("failed");
  });
});

test("a success in between makes failures none in a row", async () => {
  for (let i = 0; i < 12; i++) {
    answers = i % 4 === 3 ? () => Promise.resolve(answering([1])) : fails;
    expect(await kindOf()).toBe(i % 4 === 3 ? "direction" : "failed");
  }
});
