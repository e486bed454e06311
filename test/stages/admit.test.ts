import { describe, expect, test } from "vitest";

import type { Batch } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { admit } from "../../src/stages/admit.ts";
import { callOf, createTape, readAll, rejection, said, streamOf } from "./support.ts";

/** A key without limits asks nobody. */
const nobody = {
  enter: () => {
    throw new Error("asked");
  },
};

function scene(answer: () => Promise<ChatStream>) {
  let releases = 0;
  let calls = 0;
  const room = admit({ acquire: () => ({ release: () => void releases++ }) }, nobody)(() => (calls++, answer()));
  return { room, releases: () => releases, calls: () => calls };
}

describe("a lease is given back exactly once", () => {
  test("when the call fails", async () => {
    const thrown = new ChatError("OVERLOADED", "busy");
    const { room, releases } = scene(() => Promise.reject(thrown));
    expect(await rejection(room(callOf()))).toBe(thrown);
    expect(releases()).toBe(1);
  });

  for (const [what, end] of [
    ["ends well", (tape: ReturnType<typeof createTape<Batch>>) => tape.end()],
    ["breaks", (tape: ReturnType<typeof createTape<Batch>>) => tape.fail(new ChatError("STREAM_INTERRUPTED", "broke"))],
  ] as const) {
    test(`when the stream ${what}, and not before`, async () => {
      const tape = createTape<Batch>();
      const { room, releases } = scene(() => Promise.resolve(streamOf(tape)));
      const { batches } = await room(callOf());
      const batch = [said("Hello")];
      tape.push(batch);
      expect((await batches.next()).value).toBe(batch);
      expect(releases()).toBe(0);
      end(tape);
      await readAll(batches);
      expect(releases()).toBe(1);
      await batches.return?.();
      expect(releases()).toBe(1);
    });
  }

  test("when the caller leaves, whose leaving reaches the stream", async () => {
    const tape = createTape<Batch>();
    const { room, releases } = scene(() => Promise.resolve(streamOf(tape)));
    const { batches } = await room(callOf());
    const waiting = batches.next();
    await batches.return?.();
    expect([releases(), tape.returns()]).toEqual([1, 1]);
    expect(await waiting).toMatchObject({ done: true });
    expect(releases()).toBe(1);
  });
});

test("the limiter's no is the answer, and nobody is called", async () => {
  const no = new ChatError("SHED", "enough", { retryAfterMs: 5 });
  let calls = 0;
  const room = admit({ acquire: () => no }, nobody)(() => (calls++, Promise.reject(new Error("called"))));
  expect(await rejection(room(callOf()))).toBe(no);
  expect(calls).toBe(0);
});
