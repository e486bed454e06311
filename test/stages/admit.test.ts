import { describe, expect, test } from "vitest";

import type { Batch } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import type { Limits, Place } from "../../src/core/limits.ts";
import { admit } from "../../src/stages/admit.ts";
import { callOf, completed, createTape, readAll, recordOf, rejection, said, streamOf } from "./support.ts";

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

describe("a call of a key with limits", () => {
  const limits = { requestsPerMinute: 1, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "day" } as const;
  const key = { ...callOf().key, limits };

  function gates(enter: Limits["enter"], answer: () => Promise<ChatStream>) {
    const released: string[] = [];
    const room = admit({ acquire: () => ({ release: () => void released.push("lease") }) }, { enter })(answer);
    return { run: () => room(callOf(undefined, { key })), released };
  }
  const placeIn = (released: string[]): Place => ({ release: (refused) => void released.push(refused ? "refused" : "place") });

  test("gives its place back with its lease", async () => {
    const tape = createTape<Batch>();
    const { run, released } = gates(
      () => Promise.resolve(placeIn(released)),
      () => Promise.resolve(streamOf(tape)),
    );
    const { batches } = await run();
    expect(released).toEqual([]);
    tape.end();
    await readAll(batches);
    expect(released).toEqual(["lease", "place"]);
  });

  test("gives its place back before its last event is handed on, and its lease when there is nothing more to do", async () => {
    const tape = createTape<Batch>();
    const { run, released } = gates(
      () => Promise.resolve(placeIn(released)),
      () => Promise.resolve(streamOf(tape)),
    );
    const { batches } = await run();
    tape.push([said("he")]);
    await batches.next();
    expect(released).toEqual([]);
    tape.push([completed()]);
    await batches.next();
    expect(released).toEqual(["place"]);
    tape.end();
    await readAll(batches);
    expect(released).toEqual(["place", "lease"]);
  });

  test("that the limits refuse has no lease, and nobody is called", async () => {
    const no = new ChatError("CALLER_RATE_LIMITED", "enough");
    const { run, released } = gates(
      () => no,
      () => Promise.reject(new Error("called")),
    );
    expect(await rejection(run())).toBe(no);
    expect(released).toEqual(["lease"]);
  });

  test.each([
    { failure: "BUDGET_EXHAUSTED", tried: false, counts: "refused" },
    { failure: "REQUEST_TOO_LARGE", tried: false, counts: "refused" },
    { failure: "REQUEST_TOO_LARGE", tried: true, counts: "place" },
    { failure: "OVERLOADED", tried: true, counts: "place" },
  ] as const)("that ends with $failure (an upstream was asked: $tried) says of its place: $counts", async ({ failure, tried, counts }) => {
    const error = new ChatError(failure, "no");
    if (tried) error.attempts = [recordOf({ won: false })];
    const { run, released } = gates(
      () => placeIn(released),
      () => Promise.reject(error),
    );
    expect(await rejection(run())).toBe(error);
    expect(released).toEqual(["lease", counts]);
  });
});
