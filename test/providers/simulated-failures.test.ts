import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { attemptOf, chatRequest } from "../support/attempt.ts";
import { read, settled, simulated, texts } from "../support/simulated.ts";

/** Whether each of many calls failed. */
const outcomes = async (seed: number) => {
  const { provider } = simulated({ failureRatio: 0.3, seed });
  const failed: boolean[] = [];
  for (let i = 0; i < 300; i++) failed.push((await read(provider.chat(attemptOf(chatRequest("x"))))).error !== undefined);
  return failed;
};

describe("failures", () => {
  const upstream = { status: 500, requestId: "sim-0" };
  for (const { failure, error } of [
    { failure: "500", error: { failure: "UPSTREAM_UNAVAILABLE", message: "sim answered 500", upstream } },
    { failure: "429", error: { failure: "RATE_LIMITED", retryAfterMs: 1000, upstream: { status: 429 } } },
    { failure: "reset", error: { failure: "UPSTREAM_UNAVAILABLE", message: "connection to sim was reset", upstream: { status: 0 } } },
  ] as const) {
    test(`${failure} is ${error.failure}, before any event`, async () => {
      const { batches, error: thrown } = await read(simulated({ failureRatio: 1, failure }).provider.chat(attemptOf(chatRequest("x"))));
      expect(batches).toEqual([]);
      expect(thrown).toBeInstanceOf(ChatError);
      expect(thrown).toMatchObject(error);
    });
  }

  test("a truncated stream breaks in its middle and never looks finished", async () => {
    const { provider } = simulated({ failureRatio: 1, failure: "truncate", reply: { kind: "text", text: "a b c d" } });
    const { batches, error } = await read(provider.chat(attemptOf(chatRequest("x"))));
    expect(batches.flatMap(texts)).toEqual(["a", " b"]);
    const cases = batches.flat().map((event) => event.case);
    for (const end of ["partEnded", "choiceEnded", "usage", "completed"]) expect(cases).not.toContain(end);
    expect(error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
  });

  test("a truncated stream of a single token is not finished either", async () => {
    const { provider } = simulated({ failureRatio: 1, failure: "truncate", reply: { kind: "text", text: "a" } });
    const { batches, error } = await read(provider.chat(attemptOf(chatRequest("x"))));
    expect(batches.flat().map((event) => event.case)).toEqual(["head", "started", "partStarted", "partDelta"]);
    expect(error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
  });

  test("a truncated whole answer never comes", async () => {
    const { provider } = simulated({ failureRatio: 1, failure: "truncate" });
    const { batches, error } = await read(provider.chat(attemptOf(chatRequest("x"), { streamed: false })));
    expect(batches.flat().map((event) => event.case)).toEqual(["head"]);
    expect(error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
  });

  test("which calls fail is decided by the seed, about as many as asked for", async () => {
    const first = await outcomes(1);
    expect(await outcomes(1)).toEqual(first);
    expect(await outcomes(2)).not.toEqual(first);
    const share = first.filter(Boolean).length / first.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.4);
  });
});

describe("an aborted signal ends the call at once, with its reason and without timers left", () => {
  const left = new ChatError("CANCELLED", "the caller left");
  for (const { when, more, streamed, advance } of [
    { when: "before the first token", more: { firstTokenMs: 50 }, streamed: true, advance: 10 },
    { when: "between tokens", more: { tokensPerSecond: 100, reply: { kind: "tokens", count: 9 } }, streamed: true, advance: 15 },
    { when: "of a whole answer", more: { firstTokenMs: 50 }, streamed: false, advance: 10 },
    { when: "of a call that never answers", more: { failureRatio: 1, failure: "timeout" }, streamed: true, advance: 1e9 },
  ] as const) {
    test(when, async () => {
      const { clock, provider } = simulated(more);
      const stop = new AbortController();
      const reading = read(provider.chat(attemptOf(chatRequest("x"), { streamed, signal: stop.signal })));
      await settled();
      clock.advance(advance);
      await settled();
      stop.abort(left);
      expect((await reading).error).toBe(left);
      expect(clock.pending()).toBe(0);
    });
  }

  test("before the call began", async () => {
    const { provider } = simulated();
    const { batches, error } = await read(provider.chat(attemptOf(chatRequest("x"), { signal: AbortSignal.abort(left) })));
    expect(batches).toEqual([]);
    expect(error).toBe(left);
  });
});
