import { describe, expect, test } from "vitest";

import { type Batch } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import type { Barred, HealthTracker, Outcome } from "../../src/core/health.ts";
import { guard } from "../../src/stages/guard.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { attemptOf, chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createTape, healthy, rejection, settled } from "./support.ts";

/** A guard over one slot. Everything taken is counted, and so is everything given back. */
function scene({ barred, slots: max = 1 }: { readonly barred?: Barred; readonly slots?: number } = {}) {
  const clock = createFakeClock();
  const slots = createSlots(clock);
  slots.declare("sim", max);
  const told: string[] = [];
  const health: HealthTracker = {
    view: () => healthy,
    begin() {
      if (barred !== undefined) return barred;
      told.push("began");
      return { answered: () => told.push("answered"), end: (outcome) => told.push(shown(outcome)) };
    },
  };
  let releases = 0;
  const counted = {
    take(provider: string) {
      const release = slots.take(provider);
      return release === undefined ? undefined : () => (releases++, release());
    },
    async wait(provider: string, ms: number, signal: AbortSignal) {
      const release = await slots.wait(provider, ms, signal);
      return release === undefined ? undefined : () => (releases++, release());
    },
  };
  const listeners: ((ending: Ending) => void)[] = [];
  const stream: AttemptStream = {
    batches: createTape<Batch>(),
    head: { status: 200, requestId: "", notes: [] },
    firstContentMs: 30,
    onEnd: (listener) => listeners.push(listener),
  };
  let calls = 0;
  let answer: () => Promise<AttemptStream> = () => Promise.resolve(stream);
  const room = guard(health, counted, clock)(() => (calls++, answer()));
  return {
    clock,
    slots,
    told,
    stream,
    room,
    releases: () => releases,
    calls: () => calls,
    answerBy: (by: () => Promise<AttemptStream>) => (answer = by),
    end: (ending: Ending) => listeners.forEach((listener) => listener(ending)),
  };
}

function shown(outcome: Outcome): string {
  return outcome.kind === "failed" ? `failed ${outcome.error.failure}` : outcome.kind;
}

const attempt = (more = {}) => attemptOf(chatRequest("hi"), more);
const good: Ending = { error: undefined, usage: undefined };
const bad = (failure: Failure): Ending => ({ error: new ChatError(failure, failure), usage: undefined });

describe("an attempt gives back its slot and its trial exactly once", () => {
  for (const { failure, tells } of [
    { failure: "OVERLOADED", tells: "failed OVERLOADED" },
    { failure: "RATE_LIMITED", tells: "failed RATE_LIMITED" },
    { failure: "UPSTREAM_AUTH", tells: "failed UPSTREAM_AUTH" },
    { failure: "TIMEOUT", tells: "failed TIMEOUT" },
    { failure: "STREAM_INTERRUPTED", tells: "failed STREAM_INTERRUPTED" },
    { failure: "CANCELLED", tells: "neutral" },
    { failure: "DEADLINE_EXCEEDED", tells: "neutral" },
    { failure: "DRAINING", tells: "neutral" },
    { failure: "INTERNAL", tells: "neutral" },
    { failure: "INVALID_REQUEST", tells: "neutral" },
    { failure: "CONTENT_POLICY", tells: "neutral" },
  ] as const) {
    test(`when it fails with ${failure} before content`, async () => {
      const { room, answerBy, told, releases, slots } = scene();
      const thrown = new ChatError(failure, failure);
      answerBy(() => Promise.reject(thrown));
      expect(await rejection(room(attempt()))).toBe(thrown);
      expect([told, releases(), slots.inUse("sim")]).toEqual([["began", tells], 1, 0]);
    });

    test(`when its stream ends with ${failure}`, async () => {
      const { room, told, releases, slots, stream, end } = scene();
      expect(await room(attempt())).toBe(stream);
      expect([told, releases(), slots.inUse("sim")]).toEqual([["began", "answered"], 0, 1]);
      end(bad(failure));
      expect([told, releases(), slots.inUse("sim")]).toEqual([["began", "answered", tells], 1, 0]);
    });
  }

  test("when it comes to a good end", async () => {
    const { room, told, releases, slots, end } = scene();
    await room(attempt());
    end(good);
    expect([told, releases(), slots.inUse("sim")]).toEqual([["began", "answered", "succeeded"], 1, 0]);
  });

  test("when its stream was over before anybody looked", async () => {
    const { room, answerBy, told, releases, stream } = scene();
    answerBy(() => Promise.resolve({ ...stream, onEnd: (listener) => listener(good) }));
    await room(attempt({ streamed: false }));
    expect([told, releases()]).toEqual([["began", "answered", "succeeded"], 1]);
  });

  test("when something breaks that nobody foresaw", async () => {
    const { room, answerBy, told, releases } = scene();
    answerBy(() => Promise.reject(new TypeError("oops")));
    expect(await rejection(room(attempt()))).toBeInstanceOf(TypeError);
    expect([told, releases()]).toEqual([["began", "neutral"], 1]);
  });
});

describe("what is not called", () => {
  for (const [barred, failure] of [
    ["open", "NO_TARGET"],
    ["cooling", "NO_TARGET"],
  ] as const) {
    test(`${barred}: skipped at once, its slot given back, no trial begun`, async () => {
      const { room, told, releases, slots, calls } = scene({ barred: { barred, retryAfterMs: 700 } });
      expect(await rejection(room(attempt()))).toMatchObject({ failure, skipped: barred, retryAfterMs: 700 });
      expect([told, releases(), slots.inUse("sim"), calls()]).toEqual([[], 1, 0, 0]);
    });
  }

  test("full: skipped at once without patience, and nothing is taken", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    const held = slots.take("sim");
    expect(await rejection(room(attempt()))).toMatchObject({ failure: "SHED", skipped: "busy", retryAfterMs: 1000 });
    expect([told, releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([[], 0, 1, 0, 0]);
    held?.();
  });

  test("full for all its patience: skipped, and nothing is taken", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    slots.take("sim");
    const pending = rejection(room(attempt({ patienceMs: 2000 })));
    await settled();
    clock.advance(1999);
    await settled();
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    expect(await pending).toMatchObject({ failure: "SHED", skipped: "busy" });
    expect([told, releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([[], 0, 1, 0, 0]);
  });

  test("full until somebody leaves: called, and its slot given back at the end", async () => {
    const { room, releases, slots, calls, clock, end } = scene();
    const held = slots.take("sim");
    const pending = room(attempt({ patienceMs: 2000 }));
    await settled();
    expect(calls()).toBe(0);
    held?.();
    await pending;
    expect([releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([0, 1, 1, 0]);
    end(good);
    expect([releases(), slots.inUse("sim")]).toEqual([1, 0]);
  });

  test("a caller who leaves while waiting takes nothing with it", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    const held = slots.take("sim");
    const caller = new AbortController();
    const pending = rejection(room(attempt({ patienceMs: 2000, signal: caller.signal })));
    await settled();
    caller.abort(new ChatError("CANCELLED", "left"));
    expect(await pending).toMatchObject({ failure: "CANCELLED" });
    held?.();
    expect([told, releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([[], 0, 0, 0, 0]);
  });
});

for (const streamed of [true, false]) {
  test(`the first content of a ${streamed ? "stream" : "whole answer"} is timed from the attempt's start, the wait for a slot not included`, async () => {
    const { clock, slots, stream } = scene();
    const outcomes: Outcome[] = [];
    const health: HealthTracker = { view: () => healthy, begin: () => ({ answered() {}, end: (outcome) => outcomes.push(outcome) }) };
    const held = slots.take("sim");
    const room = guard(health, slots, clock)(() => Promise.resolve({ ...stream, firstContentMs: 1100, onEnd: (tell) => tell(good) }));
    const pending = room(attempt({ patienceMs: 2000, streamed }));
    await settled();
    clock.advance(1000);
    held?.();
    await pending;
    expect(outcomes).toEqual([{ kind: "succeeded", streamed, firstContentMs: 100 }]);
  });
}
