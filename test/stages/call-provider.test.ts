import { describe, expect, test } from "vitest";

import type { Attempt } from "../../src/core/call.ts";
import { durationFromMs } from "../../src/core/clock.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Provider, ProviderEvent } from "../../src/core/provider.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createTape, readAll, rejection, said, settled, started, whole } from "./support.ts";

const head: ProviderEvent = { case: "head", value: { status: 200, requestId: "", notes: [] } };

function scene(more: Partial<Attempt> = {}, wishMs?: number) {
  const clock = createFakeClock();
  const tape = createTape<readonly ProviderEvent[]>();
  const seen: Attempt[] = [];
  const provider: Provider = {
    name: "sim",
    chat(attempt) {
      seen.push(attempt);
      attempt.signal.addEventListener("abort", () => tape.fail(attempt.signal.reason), { once: true });
      return tape;
    },
  };
  const routing = wishMs === undefined ? {} : { routing: { firstTokenTimeout: durationFromMs(wishMs) } };
  const base = attemptOf(chatRequest("hi", routing), more);
  const attempt = { ...base, snapshot: { ...base.snapshot, providers: new Map([["sim", provider]]) } };
  return { clock, tape, seen, attempt, pending: callProvider(clock)(attempt) };
}

describe("the longest wait", () => {
  test("stands where the deadline of a call comes first and is put off, as by a caller who joins", async () => {
    const { clock, pending, seen } = scene({ streamed: true, deadline: 100, target: chatTarget({ timeoutMs: 1500 }) });
    const error = rejection(pending);
    await settled();
    clock.advance(1500);
    expect(seen[0]?.signal.aborted).toBe(false);
    clock.advance(1);
    expect(await error).toMatchObject({ failure: "TIMEOUT", message: "target sim/sim-chat sent no first content within 1500 ms" });
    expect(clock.pending()).toBe(0);
  });

  for (const { what, streamed, timeoutMs, wishMs, limit, impatient = false } of [
    { what: "of a stream is first_token", streamed: true, limit: 60_000 },
    { what: "of a whole answer is total", streamed: false, limit: 600_000 },
    { what: "of a stream is the provider's own timeout", streamed: true, timeoutMs: 7000, limit: 7000 },
    { what: "of a stream is the provider's own timeout, longer too", streamed: true, timeoutMs: 90_000, limit: 90_000 },
    { what: "of a whole answer is the provider's own timeout", streamed: false, timeoutMs: 7000, limit: 7000 },
    { what: "of a stream may be shortened by the request", streamed: true, wishMs: 250, limit: 250, impatient: true },
    { what: "of a stream is not the request's where that wishes for the same", streamed: true, wishMs: 60_000, limit: 60_000 },
    { what: "of a stream cannot be lengthened by the request", streamed: true, wishMs: 999_999, limit: 60_000 },
    { what: "of a whole answer is not the request's business", streamed: false, wishMs: 250, limit: 600_000 },
  ]) {
    test(`${what}: ${limit} ms`, async () => {
      const { clock, tape, pending, seen } = scene({ streamed, target: chatTarget({ timeoutMs }) }, wishMs);
      const error = rejection(pending);
      tape.push([head, started]);
      await settled();
      clock.advance(limit - 1);
      await settled();
      expect(seen[0]?.signal.aborted).toBe(false);
      clock.advance(1);
      expect(await error).toMatchObject({
        failure: "TIMEOUT",
        impatient,
        message: `target sim/sim-chat sent no ${streamed ? "first content" : "answer"} within ${limit} ms`,
      });
      expect([seen[0]?.signal.aborted, clock.pending(), tape.returns()]).toEqual([true, 0, 1]);
    });
  }

  test("is over with the first content", async () => {
    const { clock, tape, pending, seen } = scene();
    clock.advance(59_999);
    tape.push([head, said("Hel")]);
    const { batches } = await pending;
    // What watches from now on is the time between two contents.
    expect(clock.pending()).toBe(1);
    clock.advance(600_000);
    expect(seen[0]?.signal.aborted).toBe(false);
    await batches.return?.();
    expect(clock.pending()).toBe(0);
  });

  test("is that between two contents, where it is shorter and the provider has none of its own", async () => {
    const { snapshot } = attemptOf(chatRequest("hi"));
    const short = { ...snapshot, options: { ...snapshot.options, progressMs: 5000 } };
    const bounded = scene({ snapshot: short });
    const error = rejection(bounded.pending);
    await settled();
    bounded.clock.advance(5000);
    expect(await error).toMatchObject({ failure: "TIMEOUT" });
    const own = scene({ snapshot: short, target: chatTarget({ timeoutMs: 90_000 }) });
    const late = rejection(own.pending);
    await settled();
    own.clock.advance(89_999);
    expect(own.seen[0]?.signal.aborted).toBe(false);
    own.clock.advance(1);
    expect(await late).toMatchObject({ failure: "TIMEOUT" });
  });
});

test("the provider gets a signal of its own, that hears of the call's end with its reason", async () => {
  const caller = new AbortController();
  const { seen, pending, attempt } = scene({ signal: caller.signal });
  const error = rejection(pending);
  expect(seen[0]?.signal).not.toBe(caller.signal);
  expect({ ...seen[0], signal: caller.signal }).toEqual(attempt);
  const reason = new ChatError("DRAINING", "going away");
  caller.abort(reason);
  expect(seen[0]?.signal.reason).toBe(reason);
  expect(await error).toBe(reason);
});

test("a provider that is not there is no target", async () => {
  const { attempt, clock } = scene();
  const gone = { ...attempt, snapshot: { ...attempt.snapshot, providers: new Map() } };
  expect(await rejection(callProvider(clock)(gone))).toMatchObject({ failure: "NO_TARGET" });
});

test("whole answers and streams are read alike", async () => {
  const { tape, pending } = scene({ streamed: false });
  tape.push([head, whole("Hello")]);
  expect((await readAll((await pending).batches)).batches).toMatchObject([[{ case: "whole" }]]);
});
