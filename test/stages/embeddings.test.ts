/** What the rooms make of a call for embeddings, where that differs from a chat. */
import { describe, expect, test } from "vitest";

import type { CachedReply, CacheKey } from "../../src/core/cache.ts";
import type { Call } from "../../src/core/call.ts";
import type { Target } from "../../src/core/catalog.ts";
import { type Batch, CacheStatus, dropped, ProviderState, UnsupportedFieldPolicy, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Provider, ProviderEvent } from "../../src/core/provider.ts";
import type { CallRecord } from "../../src/core/telemetry.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { meter } from "../../src/stages/meter.ts";
import { noTarget, planCall, type PlanSources } from "../../src/stages/plan.ts";
import { recall, type RecallMode } from "../../src/stages/recall.ts";
import { attemptOf, chatRequest, embedRequest, embedTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, createTape, embedded, healthy, readAll, rejection, settled, snapshotOf, streamOf, targetOf } from "./support.ts";

const price = { input: 20_000, output: 0, cacheRead: undefined, cacheWrite: undefined };
const embedder = (id: string, more: Partial<Target> = {}) => targetOf(id, { kind: "embedding", price, ...more });
const unary = (request = embedRequest(["hello there"], { model: "m" }), more: Partial<Call> = {}) =>
  callOf(request, { streamed: false, ...more });

describe("the plan", () => {
  const sources: PlanSources = {
    clock: createFakeClock(),
    stateOf: () => ProviderState.ENABLED,
    health: { view: () => healthy, begin: () => ({ answered() {}, end() {} }), load: () => 0, latencyQuantileMs: () => undefined },
  };
  const planned = (targets: readonly Target[], call: Call, providers: Readonly<Record<string, Provider>> = {}) => {
    const snapshot = { ...snapshotOf(targets, { mixed: targets.map(({ id }) => id) }), providers: new Map(Object.entries(providers)) };
    const full = { ...call, snapshot };
    const plan = planCall(full, sources);
    return { plan, ranked: plan.ranked.map(({ candidate }) => candidate.target.id), error: noTarget(plan, full) };
  };

  test("has embedding models only, and that of a chat has none", () => {
    const targets = [targetOf("a/m"), embedder("b/m")];
    for (const name of ["m", "mixed", "auto"]) {
      expect(planned(targets, unary(embedRequest(["x"], { model: name }))).ranked).toEqual(["b/m"]);
      expect(planned(targets, callOf(chatRequest("x", { model: name }))).ranked).toEqual(["a/m"]);
    }
  });

  test("knows no model of the other kind", () => {
    const asked = (targets: readonly Target[], call: Call) => rejection(Promise.resolve().then(() => planned(targets, call)));
    const ofChat = asked([targetOf("a/m")], unary());
    const ofEmbedding = asked([embedder("a/m")], callOf(chatRequest("x", { model: "a/m" })));
    return Promise.all([
      expect(ofChat).resolves.toMatchObject({ failure: "MODEL_NOT_FOUND", field: "model", message: 'model "m" is not an embedding model' }),
      expect(ofEmbedding).resolves.toMatchObject({ failure: "MODEL_NOT_FOUND", message: 'model "a/m" is not a chat model' }),
    ]);
  });

  test("expects the cost of the input alone, and counts it", () => {
    const { plan } = planned([embedder("a/m")], unary(embedRequest(["x".repeat(4000), [1, 2, 3]], { model: "m" })));
    expect(plan.inputTokens).toBe(1003);
    expect(plan.ranked[0]?.candidate.costMicroUsd).toBe(20.06);
  });

  test("wants room for the longest input, not for all of them", () => {
    const capabilities = { $typeName: "semaroute.v1.ModelCapabilities", contextTokens: 100 } as const;
    const fits = embedRequest(
      Array.from({ length: 10 }, () => "x".repeat(800)),
      { model: "m" },
    );
    expect(planned([embedder("a/m", { capabilities })], unary(fits)).ranked).toEqual(["a/m"]);
    const { error, ranked } = planned([embedder("a/m", { capabilities })], unary(embedRequest(["x".repeat(804)], { model: "m" })));
    expect(ranked).toEqual([]);
    expect(error).toMatchObject({ failure: "CONTEXT_LENGTH_EXCEEDED", field: "input" });
  });

  test("leaves out, under require, who would drop a field", () => {
    const b: Provider = {
      name: "b",
      chat: () => {
        throw new Error("nobody is called");
      },
      translator: { notes: () => [dropped("task_type", "x")] },
    };
    const request = embedRequest(["x"], { model: "m", routing: { unsupportedFields: UnsupportedFieldPolicy.REQUIRE } });
    expect(planned([embedder("a/m"), embedder("b/m")], unary(request), { b }).ranked).toEqual(["a/m"]);
  });
});

describe("the cache", () => {
  function scene(mode: RecallMode) {
    const entries = new Map<CacheKey, CachedReply>();
    const cache = {
      find: (key: CacheKey) => Promise.resolve(entries.get(key)),
      keep: (key: CacheKey, reply: CachedReply) => void entries.set(key, reply),
    };
    let calls = 0;
    const tapes: ReturnType<typeof createTape<Batch>>[] = [];
    const room = recall({ cache, mode: () => mode, clock: createFakeClock(), sparing: () => false })(() => {
      calls++;
      const tape = createTape<Batch>();
      tapes.push(tape);
      return Promise.resolve(streamOf(tape));
    });
    const answer = (vectors: readonly number[][]) => {
      tapes.at(-1)?.push([embedded(vectors, usageOf(3, 0))]);
      tapes.at(-1)?.end();
    };
    return { entries, room, answer, calls: () => calls };
  }

  for (const { mode, called } of [
    { mode: "deterministic", called: 1 },
    { mode: "all", called: 1 },
    { mode: "on_request", called: 2 },
    { mode: "off", called: 2 },
  ] as const) {
    test(`in mode ${mode} asks ${called === 1 ? "once" : "each time"}`, async () => {
      const { room, answer, calls } = scene(mode);
      for (let i = 0; i < 2; i++) {
        const stream = await room(unary());
        if (calls() === i + 1) answer([[1, 0]]);
        const { batches } = await readAll(stream.batches);
        expect(batches).toMatchObject([[{ case: "embedded", value: { embeddings: [{ values: [1, 0] }] } }]]);
        expect(stream.source.cache === CacheStatus.HIT).toBe(i === 1 && called === 1);
      }
      expect(calls()).toBe(called);
    });
  }

  test("equal calls at the same time share one flight", async () => {
    const { room, answer, calls } = scene("deterministic");
    const [first, second] = [room(unary()), room(unary())];
    await settled();
    answer([[1]]);
    const read = await Promise.all([first, second].map(async (each) => readAll((await each).batches)));
    expect(calls()).toBe(1);
    expect(read[0]?.batches).toEqual(read[1]?.batches);
  });

  test("keeps no more than an answer may weigh, at eight bytes a number", async () => {
    const { room, answer, entries } = scene("deterministic");
    for (const numbers of [130_000, 132_000]) {
      const stream = await room(unary(embedRequest([String(numbers)])));
      answer([Array.from({ length: numbers }, () => 0.5)]);
      await readAll(stream.batches);
    }
    expect([...entries.values()].map(({ bytes }) => bytes > 1_040_000)).toEqual([true]);
  });
});

describe("the meter", () => {
  const scene = (cache: CacheStatus) => {
    const records: CallRecord[] = [];
    const tape = createTape<Batch>();
    const target = embedder("up/m");
    const observer = { began() {}, ended: (record: CallRecord) => void records.push(record) };
    const room = meter([observer], createFakeClock())(() => Promise.resolve(streamOf(tape, { target, cache })));
    return { records, tape, room };
  };
  const used = { ...usageOf(3, 0), costPicoUsd: 60_000n };

  test("signs the answer with the model's name here, and tells of its usage", async () => {
    const { records, tape, room } = scene(CacheStatus.MISS);
    const event = embedded([[1]], used);
    tape.push([event]);
    tape.end();
    const { batches } = await readAll((await room(unary())).batches);
    expect(batches).toMatchObject([[{ case: "embedded", value: { model: "m", usage: used } }]]);
    expect(event).toMatchObject({ value: { model: "upstream" } });
    expect(records).toMatchObject([{ usage: used, error: undefined }]);
  });

  test("charges nothing for a hit", async () => {
    const { records, tape, room } = scene(CacheStatus.HIT);
    tape.push([embedded([[1]], used)]);
    tape.end();
    await readAll((await room(unary())).batches);
    expect(records).toMatchObject([{ usage: { inputTokens: 3, costPicoUsd: 0n } }]);
  });
});

describe("an attempt", () => {
  const head: ProviderEvent = { case: "head", value: { status: 200, requestId: "", notes: [] } };
  function scene(request = embedRequest(["x".repeat(40)])) {
    const tape = createTape<readonly ProviderEvent[]>();
    const base = attemptOf(request, { streamed: false, target: embedTarget({ price }) });
    const attempt = { ...base, snapshot: { ...base.snapshot, providers: new Map([["sim", { name: "sim", chat: () => tape }]]) } };
    return { tape, call: callProvider(createFakeClock())(attempt) };
  }

  test("is over with its vectors, priced by its input", async () => {
    const { tape, call } = scene();
    tape.push([head, embedded([[1]], usageOf(3, 0))]);
    const stream = await call;
    const endings: unknown[] = [];
    stream.onEnd((ending) => endings.push(ending));
    expect(endings).toMatchObject([{ error: undefined, usage: { inputTokens: 3, outputTokens: 0, costPicoUsd: 60_000n } }]);
    expect((await readAll(stream.batches)).batches).toMatchObject([[{ case: "embedded", value: { usage: { costPicoUsd: 60_000n } } }]]);
  });

  test("whose upstream counts nothing is estimated", async () => {
    const { tape, call } = scene();
    tape.push([head, embedded([[1]])]);
    const { batches } = await readAll((await call).batches);
    expect(batches).toMatchObject([[{ value: { usage: { inputTokens: 10, outputTokens: 0, estimated: true } } }]]);
  });

  test("that failed after a part of its inputs has used that part", async () => {
    const { tape, call } = scene();
    tape.push([head], [{ case: "usage", value: usageOf(7, 0) }]);
    tape.fail(new ChatError("UPSTREAM_UNAVAILABLE", "broken"));
    expect(await rejection(call)).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE", usage: { inputTokens: 7, costPicoUsd: 140_000n } });
  });
});
