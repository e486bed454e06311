/** A room whose cache is shared with other replicas: who asks the upstream, and when the others hear that it is over. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { CachedReply, Turn, TurnWish } from "../../src/core/cache.ts";
import type { Call } from "../../src/core/call.ts";
import { upstreamMs } from "../../src/core/attempts.ts";
import { type Batch, CacheMode, CacheStatus, RoutingOptionsSchema } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { recall } from "../../src/stages/recall.ts";
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
  streamOf,
  targetOf,
  textIn,
} from "./support.ts";

function scene({ sparing = false } = {}) {
  /** What happened, in order. */
  const events: string[] = [];
  const clock = createFakeClock();
  const waiting: { readonly wish: TurnWish; readonly give: (turn: Turn) => void }[] = [];
  const tapes: ReturnType<typeof createTape<Batch>>[] = [];
  const cache = {
    find: () => Promise.resolve(undefined),
    keep: () => void events.push("kept"),
    turn: (_key: unknown, wish: TurnWish) => new Promise<Turn>((give) => waiting.push({ wish, give })),
  };
  const room = recall({ cache, mode: () => "all", clock, sparing: () => sparing })((call) => {
    events.push("asked");
    if (call.signal.aborted) return Promise.reject(call.signal.reason);
    const tape = createTape<Batch>();
    tapes.push(tape);
    call.signal.addEventListener("abort", () => tape.fail(call.signal.reason), { once: true });
    return Promise.resolve(streamOf(tape, { attempts: [recordOf()] }));
  });
  const ours = (waitedMs = 0): Turn => ({ kind: "ours", waitedMs, end: () => void events.push("ended") });
  return { room, events, clock, waiting, tapes, ours };
}

function wishing(cache: CacheMode): Partial<Call> {
  return { request: { ...chatRequest("hi"), routing: create(RoutingOptionsSchema, { cache }) } };
}

const answer = (): Batch[] => [[said("Hel")], [said("lo")], [finished(), completed()]];
const reply: CachedReply = { target: targetOf("else/where"), batches: answer(), bytes: 100 };

test("whose turn it is asks, and tells that it is over once the answer is kept", async () => {
  const { room, events, waiting, tapes, ours } = scene();
  const pending = room(callOf());
  await settled();
  expect(events).toEqual([]);
  waiting[0]?.give(ours());
  await settled();
  tapes[0]?.push(...answer());
  tapes[0]?.end();
  const { source, batches } = await pending;
  expect(source.cache).toBe(CacheStatus.MISS);
  expect(source).not.toHaveProperty("sharedMs");
  expect(events).toEqual(["asked"]);
  await readAll(batches);
  expect(events).toEqual(["asked", "kept", "ended"]);
});

test("another replica's answer is a hit for all who wait here, with no attempt, and the wait is an upstream's time", async () => {
  const { room, events, waiting } = scene();
  const pending = [room(callOf()), room(callOf()), room(callOf())];
  await settled();
  expect(waiting).toHaveLength(1);
  waiting[0]?.give({ kind: "known", reply, waitedMs: 70 });
  for (const { source, batches } of await Promise.all(pending)) {
    expect(source).toMatchObject({ cache: CacheStatus.HIT, attempts: [], target: reply.target });
    expect(textIn((await readAll(batches)).batches)).toBe("Hello");
  }
  const { source } = await (pending[0] ?? room(callOf()));
  expect(upstreamMs({ attempts: source.attempts, source, endMs: 70 })).toBe(70);
  expect(events).toEqual([]);
});

test("a wait that came to nothing is told as such, and the call goes on", async () => {
  const { room, waiting, tapes, ours } = scene();
  const pending = room(callOf());
  await settled();
  waiting[0]?.give(ours(2000));
  await settled();
  tapes[0]?.push(...answer());
  tapes[0]?.end();
  const { source, batches } = await pending;
  expect(source).toMatchObject({ cache: CacheStatus.MISS, sharedMs: 2000 });
  expect(textIn((await readAll(batches)).batches)).toBe("Hello");
});

test("an answer that breaks, and one that its callers leave, end the turn all the same", async () => {
  for (const leaves of [false, true]) {
    const { room, events, waiting, tapes, ours } = scene();
    const pending = room(callOf());
    await settled();
    waiting[0]?.give(ours());
    await settled();
    tapes[0]?.push([said("Hel")]);
    const { batches } = await pending;
    await batches.next();
    if (leaves) await batches.return?.();
    else {
      tapes[0]?.fail(new ChatError("STREAM_INTERRUPTED", "it broke"));
      await readAll(batches);
    }
    await settled();
    expect(events).toEqual(["asked", "ended"]);
  }
});

test("a turn that comes when all callers have left is ended at once", async () => {
  const { room, events, waiting, ours, clock } = scene();
  const leaving = new AbortController();
  const pending = rejection(room(callOf(chatRequest("hi"), { signal: leaving.signal })));
  await settled();
  leaving.abort(new ChatError("CANCELLED", "the caller left"));
  await settled();
  expect(waiting[0]?.wish.signal.aborted).toBe(true);
  waiting[0]?.give(ours());
  await settled();
  expect(events[0]).toBe("ended");
  expect(await pending).toMatchObject({ failure: "CANCELLED" });
  expect(clock.pending()).toBe(0);
});

test.each<[string, Partial<Call>, { sparing?: boolean }]>([
  ["that wants a new answer", wishing(CacheMode.REFRESH), {}],
  ["that must not be kept", wishing(CacheMode.BYPASS), {}],
  ["whose answer would not be kept, for memory is short", {}, { sparing: true }],
])("a call %s takes no turn", async (_what, more, options) => {
  const { room, events, waiting, tapes } = scene(options);
  const pending = room(callOf(chatRequest("hi"), more));
  await settled();
  expect([events, waiting.length]).toEqual([["asked"], 0]);
  tapes[0]?.push(...answer());
  tapes[0]?.end();
  await readAll((await pending).batches);
});
