import { describe, expect, test } from "vitest";
import type { Batch } from "../../../src/core/chat.ts";
import type { ChatStream } from "../../../src/core/handler.ts";
import { heartbeats } from "../../../src/server/rpc/heartbeats.ts";
import { settled, sourceOf } from "../../stages/support.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

/** A stream that is fed by hand, what came of it, and whether it was left. */
function scene(silenceMs = 1000) {
  const clock = createFakeClock();
  const begun = Promise.withResolvers<ChatStream>();
  const waiting: PromiseWithResolvers<IteratorResult<Batch, undefined>>[] = [];
  let left = 0;
  const batches: AsyncIterableIterator<Batch> = {
    [Symbol.asyncIterator]: () => batches,
    next() {
      const next = Promise.withResolvers<IteratorResult<Batch, undefined>>();
      waiting.push(next);
      return next.promise;
    },
    return() {
      left++;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  const source = sourceOf({});
  const came: unknown[] = [];
  const items = heartbeats(begun.promise, clock, silenceMs);
  const done = (async () => {
    for await (const item of items) came.push(item === "heartbeat" ? item : "source" in item ? "stream" : item);
  })().catch((thrown: unknown) => came.push(thrown));
  const pull = async (): Promise<PromiseWithResolvers<IteratorResult<Batch, undefined>>> => {
    await settled();
    const next = waiting.shift();
    if (next === undefined) throw new Error("nobody asks for more");
    return next;
  };
  return {
    clock,
    came,
    done,
    items,
    left: () => left,
    begin: () => begun.resolve({ source, batches }),
    fail: (error: Error) => begun.reject(error),
    /** Gives a batch, or the end. */
    give: async (batch?: Batch) => {
      const next = await pull();
      next.resolve(batch === undefined ? { done: true, value: undefined } : { done: false, value: batch });
      await settled();
    },
    breakOff: async (error: Error) => {
      const next = await pull();
      next.reject(error);
      await settled();
    },
    pass: async (ms: number) => {
      clock.advance(ms);
      await settled();
    },
  };
}

const batch = (name: string): Batch => [{ case: "started", value: { name } }] as unknown as Batch;
const [a, b] = [batch("a"), batch("b")];

describe("a stream's signs of life", () => {
  test("come after each silence, and the wait for its beginning is one", async () => {
    const { pass, begin, came, give, clock, done } = scene();
    await pass(999);
    expect(came).toEqual([]);
    await pass(1);
    await pass(1000);
    expect(came).toEqual(["heartbeat", "heartbeat"]);
    begin();
    await pass(999);
    await give(a);
    await pass(999);
    expect(came.slice(2)).toEqual(["stream", a]);
    await pass(1);
    await give(b);
    await give();
    await done;
    expect(came.slice(4)).toEqual(["heartbeat", b]);
    expect(clock.pending()).toBe(0);
  });

  test("do not come where there is no silence", async () => {
    const { pass, begin, came, give, done } = scene();
    begin();
    for (let i = 0; i < 5; i++) {
      await pass(900);
      await give(a);
    }
    await give();
    await done;
    expect(came).toEqual(["stream", a, a, a, a, a]);
  });

  for (const when of ["before its beginning", "in the middle"] as const) {
    test(`end with an error ${when}, and nothing comes behind it`, async () => {
      const { pass, begin, fail, came, give, breakOff, clock, done } = scene();
      const error = new Error("broke off");
      await pass(1000);
      if (when === "in the middle") {
        begin();
        await give(a);
        await breakOff(error);
      } else fail(error);
      await done;
      await pass(10_000);
      expect(came.at(-1)).toBe(error);
      expect([came.filter((item) => item === "heartbeat").length, clock.pending()]).toEqual([1, 0]);
    });
  }

  test("end with whoever listens, and the stream is left once, also one that begins only later", async () => {
    const early = scene();
    early.begin();
    await early.give(a);
    await early.pass(1000);
    const leaving = early.items.return(undefined);
    await early.give(b);
    await leaving;
    expect([early.left(), early.clock.pending()]).toEqual([1, 0]);

    const late = scene();
    await late.pass(999);
    const gone = late.items.return(undefined);
    await late.pass(1);
    await gone;
    late.begin();
    await settled();
    expect([late.left(), late.clock.pending()]).toEqual([1, 0]);
  });
});
