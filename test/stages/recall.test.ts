import { describe, expect, test } from "vitest";

import type { CachedReply, CacheKey } from "../../src/core/cache.ts";
import type { Call } from "../../src/core/call.ts";
import { type Batch, CacheMode, CacheStatus, FinishReason } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { recall, type RecallMode } from "../../src/stages/recall.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import {
  callOf,
  completed,
  createTape,
  finished,
  readAll,
  recordOf,
  rejection,
  said,
  settled,
  sourceOf,
  started,
  streamOf,
  targetOf,
  textIn,
  whole,
} from "./support.ts";

/** A room whose upstream the test plays: one tape for each call that gets through. */
function scene(mode: RecallMode = "all", sparing = false) {
  const entries = new Map<CacheKey, CachedReply>();
  const finds: CacheKey[] = [];
  const cache = {
    find: (key: CacheKey) => (finds.push(key), Promise.resolve(entries.get(key))),
    keep: (key: CacheKey, reply: CachedReply) => void entries.set(key, reply),
  };
  const calls: { readonly call: Call; readonly tape: ReturnType<typeof createTape<Batch>>; fail?: ChatError }[] = [];
  const target = targetOf("up/m");
  const clock = createFakeClock();
  const room = recall({ cache, mode: () => mode, clock, sparing: () => sparing })(async (call) => {
    const upstream = { call, tape: createTape<Batch>() };
    calls.push(upstream);
    call.signal.addEventListener("abort", () => upstream.tape.fail(call.signal.reason), { once: true });
    await settled();
    return streamOf(upstream.tape, { target, attempts: [recordOf({ target })], rule: "r" });
  });
  return { room, calls, entries, finds, target, clock };
}

const answerBatches = (): Batch[] => [[started, said("Hel")], [said("lo")], [finished(), completed()]];

/** Asks, has the upstream answer, and reads it. */
async function asked({ room, calls }: ReturnType<typeof scene>, call: Call, batches: readonly Batch[] = answerBatches()) {
  const before = calls.length;
  const pending = room(call);
  await settled();
  const upstream = calls[before];
  upstream?.tape.push(...batches);
  upstream?.tape.end();
  const { source, batches: reading } = await pending;
  return { source, called: upstream !== undefined, ...(await readAll(reading)) };
}

describe("what is looked up, and what is kept", () => {
  const { HIT, MISS } = CacheStatus;
  for (const { mode, cache, temperature, reads, writes } of [
    { mode: "off", cache: "USE", temperature: 0, reads: false, writes: false },
    { mode: "off", cache: "UNSPECIFIED", temperature: 0, reads: false, writes: false },
    { mode: "all", cache: "UNSPECIFIED", temperature: 1, reads: true, writes: true },
    { mode: "all", cache: "UNSPECIFIED", temperature: undefined, reads: true, writes: true },
    { mode: "all", cache: "BYPASS", temperature: 0, reads: false, writes: false },
    { mode: "all", cache: "REFRESH", temperature: 0, reads: false, writes: true },
    { mode: "deterministic", cache: "UNSPECIFIED", temperature: 0, reads: true, writes: true },
    { mode: "deterministic", cache: "UNSPECIFIED", temperature: 0.1, reads: false, writes: false },
    { mode: "deterministic", cache: "UNSPECIFIED", temperature: undefined, reads: false, writes: false },
    { mode: "deterministic", cache: "USE", temperature: 1, reads: true, writes: true },
    { mode: "deterministic", cache: "REFRESH", temperature: 1, reads: false, writes: true },
    { mode: "on_request", cache: "UNSPECIFIED", temperature: 0, reads: false, writes: false },
    { mode: "on_request", cache: "USE", temperature: 1, reads: true, writes: true },
    { mode: "on_request", cache: "BYPASS", temperature: 0, reads: false, writes: false },
  ] as const) {
    test(`mode ${mode}, wish ${cache}, temperature ${temperature}: ${reads ? "" : "not "}read, ${writes ? "" : "not "}kept`, async () => {
      const room = scene(mode);
      const sampling = temperature === undefined ? {} : { sampling: { temperature } };
      const call = callOf(chatRequest("hi", { routing: { cache: CacheMode[cache] }, ...sampling }));
      const first = await asked(room, call);
      expect([room.finds.length, room.entries.size, first.called]).toEqual([reads ? 1 : 0, writes ? 1 : 0, true]);
      expect(first.source.cache).toBe(reads ? MISS : CacheStatus.BYPASS);
      const second = await asked(room, call);
      expect([second.called, second.source.cache]).toEqual([!reads, reads ? HIT : CacheStatus.BYPASS]);
    });
  }
});

describe("a hit", () => {
  test("is replayed in the batches it came in, by nobody's attempt, from the target of then", async () => {
    const room = scene();
    const first = await asked(room, callOf());
    const second = await asked(room, callOf());
    expect(second.called).toBe(false);
    expect(second.batches).toEqual(first.batches);
    expect(second.source).toEqual(sourceOf({ target: room.target, cache: CacheStatus.HIT }));
    expect(textIn(second.batches)).toBe("Hello");
  });

  test("serves streams and whole answers alike", async () => {
    const room = scene();
    await asked(room, callOf(undefined, { streamed: false }), [[whole("Hello")]]);
    expect(await asked(room, callOf(undefined, { streamed: true }))).toMatchObject({ called: false, batches: [[{ case: "whole" }]] });
  });

  test("is there before the first caller has read to the end", async () => {
    const room = scene();
    const pending = room.room(callOf());
    await settled();
    room.calls[0]?.tape.push(...answerBatches());
    const { batches } = await pending;
    for (let i = 0; i < 3; i++) await batches.next();
    expect(room.entries.size).toBe(1);
  });
});

describe("only complete answers with finish reason stop are kept", () => {
  const { STOP, LENGTH } = FinishReason;
  for (const name of ["LENGTH", "TOOL_CALLS", "CONTENT_FILTER", "REFUSAL", "ERROR", "UNSPECIFIED"] as const) {
    test(`not one that ended with ${name}, streamed or whole`, async () => {
      const reason = FinishReason[name];
      const room = scene();
      await asked(room, callOf(chatRequest("a")), [[said("x"), finished(reason), completed()]]);
      await asked(room, callOf(chatRequest("b"), { streamed: false }), [[whole("x", undefined, reason)]]);
      expect(room.entries.size).toBe(0);
    });
  }

  for (const [what, batches, kept] of [
    ["without its end", [[said("Hel")], [said("lo"), finished()]], false],
    ["without any choice's end", [[said("Hello"), completed()]], false],
    ["of two choices, one cut", [[said("a"), finished(STOP, 0), finished(LENGTH, 1), completed()]], false],
    [
      "of two good choices",
      [
        [said("a"), finished(STOP, 0)],
        [finished(STOP, 1), completed()],
      ],
      true,
    ],
    ["larger than a mebibyte", [[said("x".repeat(600_000)), finished(), completed()]], false],
    ["of a great many small pieces", [...Array.from({ length: 5000 }, () => [said("x")]), [finished(), completed()]], false],
    ["that is large, but not too large", [[said("x".repeat(400_000)), finished(), completed()]], true],
  ] as const) {
    test(`an answer ${what} is ${kept ? "" : "not "}kept`, async () => {
      const room = scene();
      await asked(room, callOf(), batches);
      expect(room.entries.size).toBe(kept ? 1 : 0);
      for (const { bytes } of room.entries.values()) expect(bytes).toBeGreaterThan(250);
    });
  }

  test("not one that broke, nor one whose caller left", async () => {
    const broken = scene();
    const one = broken.room(callOf());
    await settled();
    broken.calls[0]?.tape.push([said("Hello"), finished()]);
    broken.calls[0]?.tape.fail(new ChatError("STREAM_INTERRUPTED", "broke"));
    expect(await readAll((await one).batches)).toMatchObject({ error: { failure: "STREAM_INTERRUPTED" } });
    const left = scene();
    const two = left.room(callOf());
    await settled();
    left.calls[0]?.tape.push(...answerBatches());
    const { batches } = await two;
    await batches.next();
    await batches.return?.();
    await settled();
    expect([broken.entries.size, left.entries.size, left.calls[0]?.tape.returns()]).toEqual([0, 0, 1]);
  });
});

test("a failure of the upstream is the caller's, and nothing stays behind", async () => {
  const clock = createFakeClock();
  const cache = { find: () => Promise.resolve(undefined), keep: () => {} };
  let calls = 0;
  const room = recall({ cache, mode: () => "all", clock, sparing: () => false })(
    () => (calls++, Promise.reject(new ChatError("OVERLOADED", "busy"))),
  );
  expect(await rejection(room(callOf()))).toMatchObject({ failure: "OVERLOADED" });
  expect(await rejection(room(callOf()))).toMatchObject({ failure: "OVERLOADED" });
  expect(calls).toBe(2);
});

test("a caller alone is called for as without a cache, but for the signal", async () => {
  const { room, calls } = scene();
  const { signal, ...rest } = callOf(undefined, { deadline: 700, deadlineByCaller: true, seed: 5 });
  void room({ ...rest, signal });
  await settled();
  expect(calls[0]?.call).toMatchObject(rest);
  expect(calls[0]?.call.signal).not.toBe(signal);
});

for (const failure of ["TIMEOUT", "DEADLINE_EXCEEDED"] as const) {
  test(`${failure} before content is told with what was tried, and nothing stays behind`, async () => {
    const clock = createFakeClock();
    const cache = { find: () => Promise.resolve(undefined), keep: () => {} };
    const reasons: unknown[] = [];
    const room = recall({ cache, mode: () => "all", clock, sparing: () => false })(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            const { reason } = signal;
            reasons.push(reason);
            if (reason instanceof ChatError) reason.attempts = [recordOf({ error: reason })];
            reject(reason);
          });
        }),
    );
    for (let i = 0; i < 2; i++) {
      const caller = new AbortController();
      const told = rejection(room(callOf(undefined, { signal: caller.signal })));
      await settled();
      const why = new ChatError(failure, "too late");
      caller.abort(why);
      expect(await told).toBe(why);
      expect(why.attempts).toHaveLength(1);
      expect(reasons[i]).toBe(why);
    }
    expect(clock.pending()).toBe(0);
  });
}

test("REFRESH flies alone: it must not be given the answer it wants to replace", async () => {
  const room = scene();
  const call = callOf(chatRequest("hi", { routing: { cache: CacheMode.REFRESH } }));
  const plain = room.room(callOf());
  const refresh = room.room(call);
  await settled();
  expect(room.calls).toHaveLength(2);
  for (const { tape } of room.calls) {
    tape.push(...answerBatches());
    tape.end();
  }
  for (const pending of [plain, refresh]) expect(textIn((await readAll((await pending).batches)).batches)).toBe("Hello");
});
