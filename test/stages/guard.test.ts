import { describe, expect, test } from "vitest";

import type { Attempt, KeyId } from "../../src/core/call.ts";
import { type Batch } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import type { Barred, HealthTracker, Outcome, Slots } from "../../src/core/health.ts";
import { guard } from "../../src/stages/guard.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createTape, healthy, rejection, settled } from "./support.ts";

/** A guard over one slot. Everything taken is counted, and so is everything given back. */
function scene({ barred, slots: max = 1, usualMs }: { readonly barred?: Barred; readonly slots?: number; readonly usualMs?: number } = {}) {
  const clock = createFakeClock();
  const slots = createSlots(clock);
  slots.declare("sim", max);
  const told: string[] = [];
  const health: HealthTracker = {
    view: () => healthy,
    load: () => 0,
    latencyQuantileMs: (id, streamed, share) => (id === "sim/sim-chat" && streamed && share === 0.95 ? usualMs : undefined),
    begin() {
      if (barred !== undefined) return barred;
      told.push("began");
      return { answered: () => told.push("answered"), end: (outcome) => told.push(shown(outcome)) };
    },
  };
  let releases = 0;
  const counted: Slots = {
    waitEstimateMs: (request) => slots.waitEstimateMs(request),
    take(request) {
      const release = slots.take(request);
      return release === undefined ? undefined : () => (releases++, release());
    },
    async wait(request, ms, signal) {
      const release = await slots.wait(request, ms, signal);
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

describe("an attempt that was ended from outside", () => {
  const deadline = new ChatError("DEADLINE_EXCEEDED", "the caller's deadline has passed");
  const total = new ChatError("TIMEOUT", "the call took longer than 600000 ms");
  const wish = new ChatError("TIMEOUT", "no first content within 1 ms", { impatient: true });
  const race = new ChatError("CANCELLED", "another target answered first", { impatient: true });
  const leaving = new ChatError("CANCELLED", "the caller left");
  const draining = new ChatError("DRAINING", "going away");
  /** In the order of the columns: a wish is ended by room 7 itself, all else by the attempt's signal. */
  const rows = [
    { who: "its caller's deadline", error: deadline, counts: true },
    { who: "our total", error: total, counts: true },
    { who: "a wish shorter than its limit", error: wish, counts: true },
    { who: "another target that answered first", error: race, counts: true },
    { who: "its caller, who left", error: leaving, counts: false },
    { who: "the drain", error: draining, counts: false },
  ] as const;
  /** What health is told of it after so long. */
  async function endedBy(error: ChatError, ranMs: number, { usualMs, ...more }: Partial<Attempt> & { readonly usualMs?: number } = {}) {
    const { room, answerBy, told, clock, releases } = scene(usualMs === undefined ? {} : { usualMs });
    const ender = new AbortController();
    answerBy(() => {
      clock.advance(ranMs);
      if (error !== wish) ender.abort(error);
      return Promise.reject(error);
    });
    expect(await rejection(room(attempt({ signal: ender.signal, ...more })))).toBe(error);
    expect(releases()).toBe(1);
    return told.at(-1);
  }

  test("by other targets that answered first counts once for all that ran at that moment, and again for who began later", async () => {
    const { room, answerBy, told, clock } = scene({ slots: 10, usualMs: 10 });
    const lose: (() => void)[] = [];
    answerBy(() => new Promise((_, reject) => lose.push(() => reject(race))));
    const target = chatTarget();
    const running = Array.from({ length: 3 }, () => rejection(room(attempt({ target }))));
    await settled();
    clock.advance(50);
    for (const each of lose.splice(0)) each();
    await Promise.all(running);
    expect(told.filter((each) => each !== "began")).toEqual(["failed TIMEOUT", "neutral", "neutral"]);
    const later = rejection(room(attempt({ target })));
    await settled();
    clock.advance(50);
    for (const each of lose) each();
    await later;
    expect(told.at(-1)).toBe("failed TIMEOUT");
  });

  for (const { who, error, counts } of [
    { who: "a caller's deadline", error: deadline, counts: false },
    { who: "a wish shorter than its limit", error: wish, counts: false },
    { who: "our total", error: total, counts: true },
    { who: "another target that answered first", error: race, counts: true },
  ]) {
    test(`by ${who} ${counts ? "counts" : "does not count"} where the target answered another key meanwhile, and counts where it answered none or the same`, async () => {
      const { room, answerBy, told, clock, stream } = scene({ slots: 10, usualMs: 10 });
      const target = chatTarget();
      const by = (id: string) => ({ target, key: { ...attemptOf(chatRequest("hi")).key, id: id as KeyId } });
      /** One that is ended from outside after this was answered to that key. */
      const ended = async (answeredKey: string | undefined): Promise<string | undefined> => {
        let end = (): void => {};
        const ender = new AbortController();
        answerBy(() => new Promise((_, reject) => (end = () => reject(error))));
        clock.advance(1000);
        const pending = rejection(room(attempt({ ...by("hurried"), signal: ender.signal })));
        await settled();
        clock.advance(50);
        answerBy(() => Promise.resolve(stream));
        if (answeredKey !== undefined) await room(attempt(by(answeredKey)));
        clock.advance(50);
        if (error !== wish) ender.abort(error);
        end();
        await pending;
        return told.at(-1);
      };
      expect(await ended(undefined)).toBe("failed TIMEOUT");
      expect(await ended("hurried")).toBe("failed TIMEOUT");
      expect(await ended("another")).toBe(counts ? "failed TIMEOUT" : "neutral");
      // What was answered before it began says nothing of now.
      expect(await ended(undefined)).toBe("failed TIMEOUT");
    });
  }

  for (const { who, error, counts } of rows) {
    const late = counts ? "failed TIMEOUT" : "neutral";
    for (const { ranMs, usualMs, tells } of [
      { ranMs: 80, usualMs: 80, tells: "neutral" },
      { ranMs: 81, usualMs: 80, tells: late },
      { ranMs: 8000, usualMs: 9000, tells: "neutral" },
      { ranMs: 5000, tells: "neutral" },
      { ranMs: 5001, tells: late },
    ]) {
      const known = usualMs === undefined ? "was never measured" : `mostly answers within ${usualMs} ms`;
      test(`by ${who} after ${ranMs} ms, where the target ${known}: ${tells}`, async () => {
        expect(await endedBy(error, ranMs, usualMs === undefined ? {} : { usualMs })).toBe(tells);
      });
    }

    test(`by ${who} once content had come: neutral, however late`, async () => {
      const { room, told, clock, end } = scene({ usualMs: 10 });
      const ender = new AbortController();
      await room(attempt({ signal: ender.signal }));
      clock.advance(60_000);
      ender.abort(error);
      const broken = new ChatError("STREAM_INTERRUPTED", "broke off", { cause: error });
      end({ error: error.failure === "TIMEOUT" && error !== wish ? broken : error, usage: undefined });
      expect(told).toEqual(["began", "answered", "neutral"]);
    });
  }

  for (const { what, error, ranMs, streamed, timeoutMs, tells } of [
    { what: "the whole of total", error: total, ranMs: 995, streamed: false, tells: "failed TIMEOUT" },
    { what: "what another target left of total", error: total, ranMs: 100, streamed: false, tells: "neutral" },
    { what: "the whole of total, a stream", error: total, ranMs: 995, streamed: true, tells: "failed TIMEOUT" },
    {
      what: "the whole of total, its own timeout being longer",
      error: total,
      ranMs: 995,
      streamed: false,
      timeoutMs: 9000,
      tells: "failed TIMEOUT",
    },
    { what: "most of total, and the deadline was the caller's", error: deadline, ranMs: 995, streamed: false, tells: "neutral" },
    { what: "most of total, and another answered first", error: race, ranMs: 995, streamed: false, tells: "neutral" },
  ]) {
    test(`after ${what}: ${tells}`, async () => {
      const { snapshot } = attempt();
      const options = { ...snapshot.options, totalMs: 1000 };
      expect(await endedBy(error, ranMs, { streamed, target: chatTarget({ timeoutMs }), snapshot: { ...snapshot, options } })).toBe(tells);
    });
  }

  test("says no more than a limit of the target's own does: that one is a failure, however short", async () => {
    const { room, answerBy, told } = scene({ usualMs: 80 });
    const ender = new AbortController();
    answerBy(() => {
      ender.abort(total);
      return Promise.reject(new ChatError("TIMEOUT", "no first content within 60 ms"));
    });
    await rejection(room(attempt({ signal: ender.signal })));
    expect(told).toEqual(["began", "failed TIMEOUT"]);
  });

  test("is not taken for a stream that the upstream broke off before", async () => {
    const { room, told, end } = scene();
    const ender = new AbortController();
    await room(attempt({ signal: ender.signal }));
    ender.abort(total);
    end({
      error: new ChatError("STREAM_INTERRUPTED", "broke off", { cause: new ChatError("UPSTREAM_UNAVAILABLE", "reset") }),
      usage: undefined,
    });
    expect(told).toEqual(["began", "answered", "failed STREAM_INTERRUPTED"]);
  });
});

describe("what is not called", () => {
  for (const [barred, failure] of [
    ["open", "NO_TARGET"],
    ["cooling", "NO_TARGET"],
    ["credential", "NO_TARGET"],
  ] as const) {
    test(`${barred}: skipped at once, its slot given back, no trial begun`, async () => {
      const { room, told, releases, slots, calls } = scene({ barred: { barred, retryAfterMs: 700 } });
      expect(await rejection(room(attempt()))).toMatchObject({ failure, skipped: barred, retryAfterMs: 700 });
      expect([told, releases(), slots.inUse("sim"), calls()]).toEqual([[], 1, 0, 0]);
    });
  }

  test("full: skipped at once without patience, and nothing is taken", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    const held = slots.take(attempt());
    expect(await rejection(room(attempt()))).toMatchObject({ failure: "SHED", skipped: "busy", retryAfterMs: 1000 });
    expect([told, releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([[], 0, 1, 0, 0]);
    held?.();
  });

  test("full for all its patience: skipped, and nothing is taken", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    slots.take(attempt());
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
    const held = slots.take(attempt());
    const pending = room(attempt({ patienceMs: 2000 }));
    await settled();
    expect(calls()).toBe(0);
    held?.();
    await pending;
    expect([releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([0, 1, 1, 0]);
    end(good);
    expect([releases(), slots.inUse("sim")]).toEqual([1, 0]);
  });

  for (const { what, leftMs, heldMs, waits } of [
    { what: "waits until shortly before it, and is refused while the answer still arrives", leftMs: 510, heldMs: 100, waits: 500 },
    { what: "is refused at once where no slot will come in time", leftMs: 510, heldMs: 900, waits: 0 },
    { what: "is refused at once where it is as good as over", leftMs: 5, heldMs: 1, waits: 0 },
  ]) {
    test(`full, and the deadline comes before patience ends: ${what}`, async () => {
      const { room, slots, clock, calls } = scene();
      const before = slots.take(attempt());
      clock.advance(heldMs);
      before?.();
      slots.take(attempt());
      const startMs = clock.now();
      const pending = rejection(room(attempt({ patienceMs: 2000, deadline: startMs + leftMs })));
      await settled();
      if (waits > 0) {
        clock.advance(waits - 1);
        await settled();
        expect(clock.pending()).toBe(1);
        clock.advance(1);
      }
      expect(await pending).toMatchObject({ failure: "SHED", skipped: "busy", retryAfterMs: heldMs });
      expect([clock.now() - startMs, calls(), clock.pending()]).toEqual([waits, 0, 0]);
    });
  }

  test("full: the wait that is told is what the pace of releases promises", async () => {
    const { room, slots, clock } = scene({ slots: 4 });
    const held = [1, 2, 3, 4].map(() => slots.take(attempt()));
    clock.advance(6000);
    for (const release of held) release?.();
    for (let each = 0; each < 4; each += 1) slots.take(attempt());
    expect(await rejection(room(attempt()))).toMatchObject({ failure: "SHED", retryAfterMs: 1500 });
  });

  test("a caller who leaves while waiting takes nothing with it", async () => {
    const { room, told, releases, slots, calls, clock } = scene();
    const held = slots.take(attempt());
    const caller = new AbortController();
    const pending = rejection(room(attempt({ patienceMs: 2000, signal: caller.signal })));
    await settled();
    caller.abort(new ChatError("CANCELLED", "left"));
    expect(await pending).toMatchObject({ failure: "CANCELLED", message: "left", skipped: "busy" });
    held?.();
    expect([told, releases(), slots.inUse("sim"), calls(), clock.pending()]).toEqual([[], 0, 0, 0, 0]);
  });
});

for (const streamed of [true, false]) {
  test(`the first content of a ${streamed ? "stream" : "whole answer"} is timed from the attempt's start, the wait for a slot not included`, async () => {
    const { clock, slots, stream } = scene();
    const outcomes: Outcome[] = [];
    const health: HealthTracker = {
      view: () => healthy,
      load: () => 0,
      latencyQuantileMs: () => undefined,
      begin: () => ({ answered() {}, end: (outcome) => outcomes.push(outcome) }),
    };
    const held = slots.take(attempt());
    const room = guard(health, slots, clock)(() => Promise.resolve({ ...stream, firstContentMs: 1100, onEnd: (tell) => tell(good) }));
    const pending = room(attempt({ patienceMs: 2000, streamed }));
    await settled();
    clock.advance(1000);
    held?.();
    await pending;
    expect(outcomes).toEqual([{ kind: "succeeded", streamed, firstContentMs: 100 }]);
  });
}

test("health hears of the outcome before the slot is given on, because the outcome decides how many there are", async () => {
  const { clock, stream } = scene();
  const order: string[] = [];
  const slots: Slots = { take: () => () => order.push("slot"), wait: () => Promise.resolve(undefined), waitEstimateMs: () => 1 };
  const health: HealthTracker = {
    view: () => healthy,
    load: () => 0,
    latencyQuantileMs: () => undefined,
    begin: () => ({ answered() {}, end: ({ kind }) => order.push(kind) }),
  };
  const room = guard(health, slots, clock);
  await room(() => Promise.resolve({ ...stream, onEnd: (tell) => tell(good) }))(attempt());
  await rejection(room(() => Promise.reject(new ChatError("OVERLOADED", "busy")))(attempt()));
  expect(order).toEqual(["succeeded", "slot", "failed", "slot"]);
});

for (const insist of ["lone", "panic", undefined] as const) {
  test(`what the call insists on (${insist ?? "nothing"}) is asked of the slots and of health`, async () => {
    const { clock, stream } = scene();
    const asked: unknown[] = [];
    const slots: Slots = {
      take: (request) => (asked.push(request.insist, request.target.id), () => {}),
      wait: () => Promise.resolve(undefined),
      waitEstimateMs: () => 1,
    };
    const health: HealthTracker = {
      view: () => healthy,
      load: () => 0,
      latencyQuantileMs: () => undefined,
      begin: (id, wish) => (asked.push(wish, id), { answered() {}, end() {} }),
    };
    await guard(health, slots, clock)(() => Promise.resolve(stream))(attempt({ insist }));
    expect(asked).toEqual([insist, "sim/sim-chat", insist, "sim/sim-chat"]);
  });
}
