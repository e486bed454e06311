import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";

import type { Call } from "../../src/core/call.ts";
import { type Batch, CacheStatus } from "../../src/core/chat.ts";
import { ChatError, chatErrorFrom } from "../../src/core/error.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { recall } from "../../src/stages/recall.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, completed, createTape, finished, readAll, recordOf, rejection, said, settled, streamOf, textIn } from "./support.ts";

/**
 * Callers who ask the same at the same time. Each upstream call is answered when the test opens it, and ends as dispatch does
 * when its signal aborts, unless it is `deaf`.
 */
function scene(deaf = false) {
  const upstreams: {
    readonly call: Call;
    readonly tape: ReturnType<typeof createTape<Batch>>;
    open(): void;
    fail(error: ChatError): void;
  }[] = [];
  const clock = createFakeClock();
  const room = recall({
    cache: { find: () => Promise.resolve(undefined), keep: () => {} },
    mode: () => "all",
    clock,
    sparing: () => false,
  })(
    (call) =>
      new Promise<ChatStream>((resolve, reject) => {
        const tape = createTape<Batch>();
        upstreams.push({ call, tape, open: () => resolve(streamOf(tape, { attempts: [recordOf()] })), fail: reject });
        const onAbort = (): void => {
          const error = chatErrorFrom(call.signal.reason);
          error.attempts = [recordOf({ error })];
          if (!deaf) reject(error);
        };
        if (call.signal.aborted) onAbort();
        else call.signal.addEventListener("abort", onAbort, { once: true });
      }),
  );
  const join = (more: Partial<Call> = {}) => {
    const caller = new AbortController();
    const stream = room(callOf(chatRequest("hi"), { signal: caller.signal, ...more }));
    stream.catch(() => undefined);
    return { caller, stream, leave: (error = new ChatError("CANCELLED", "left")) => caller.abort(error) };
  };
  return { upstreams, join, clock };
}

const end: Batch = [finished(), completed()];

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

describe("equal calls at the same time", () => {
  test("share one upstream call, and each reads all of it, whoever pulls", async () => {
    const { upstreams, join } = scene();
    const callers = [join(), join(), join()];
    await settled();
    expect(upstreams).toHaveLength(1);
    upstreams[0]?.open();
    const streams = await Promise.all(callers.map(({ stream }) => stream));
    upstreams[0]?.tape.push([said("Hel")], [said("lo")], end);
    upstreams[0]?.tape.end();
    const first = await readAll(streams[2]?.batches ?? createTape());
    const others = await Promise.all(streams.slice(0, 2).map(({ batches }) => readAll(batches)));
    for (const { batches, error } of [first, ...others]) expect([textIn(batches), batches.length, error]).toEqual(["Hello", 3, undefined]);
    expect(streams.map(({ source }) => [source.cache, source.attempts.length])).toEqual([
      [CacheStatus.MISS, 1],
      [CacheStatus.HIT, 0],
      [CacheStatus.HIT, 0],
    ]);
    expect(upstreams[0]?.tape.reads()).toBe(4);
  });

  test("a newcomer in the middle reads from the beginning", async () => {
    const { upstreams, join } = scene();
    const first = join();
    await settled();
    upstreams[0]?.open();
    const { batches } = await first.stream;
    upstreams[0]?.tape.push([said("Hel")], [said("lo")]);
    await batches.next();
    await batches.next();
    const { batches: late } = await join().stream;
    upstreams[0]?.tape.push(end);
    upstreams[0]?.tape.end();
    expect(textIn((await readAll(late)).batches)).toBe("Hello");
    expect(upstreams).toHaveLength(1);
  });

  test("what was tried is told by whoever stays when the first caller leaves", async () => {
    const { upstreams, join } = scene();
    const [one, two] = [join(), join()];
    await settled();
    upstreams[0]?.open();
    const [first, second] = await Promise.all([one.stream, two.stream]);
    expect([first.source.attempts.length, second.source.attempts.length]).toEqual([1, 0]);
    one.leave();
    await settled();
    expect([first.source.attempts.length, second.source.attempts.length]).toEqual([0, 1]);
  });

  test("a long answer does not stay in memory once all have read it", async () => {
    const { upstreams, join } = scene();
    const caller = join();
    await settled();
    upstreams[0]?.open();
    const { batches } = await caller.stream;
    // Long enough that it is not kept for the cache either.
    const refs: WeakRef<Batch>[] = [];
    for (let i = 0; i < 1000; i++) {
      const batch: Batch = [said("x".repeat(3000))];
      refs.push(new WeakRef(batch));
      upstreams[0]?.tape.push(batch);
      await batches.next();
    }
    // Weak references are cleared only between turns.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(700);
  });

  test("a newcomer too far behind flies anew", async () => {
    const { upstreams, join } = scene();
    const first = join();
    await settled();
    upstreams[0]?.open();
    const { batches } = await first.stream;
    for (let i = 0; i < 513; i++) upstreams[0]?.tape.push([said("x")]);
    for (let i = 0; i < 513; i++) await batches.next();
    join();
    await settled();
    expect(upstreams).toHaveLength(2);
  });

  test("after the end nobody boards: the next caller flies anew", async () => {
    const { upstreams, join } = scene();
    const first = join();
    await settled();
    upstreams[0]?.open();
    upstreams[0]?.tape.push(end);
    upstreams[0]?.tape.end();
    await readAll((await first.stream).batches);
    join();
    await settled();
    expect(upstreams).toHaveLength(2);
  });

  test("streams and whole answers, and other tenants, fly apart", async () => {
    const { upstreams, join } = scene();
    const call = callOf();
    join({ streamed: true });
    join({ streamed: false });
    join({ key: { ...call.key, id: "cfg_b" as Call["key"]["id"] } });
    join({ request: chatRequest("other") });
    await settled();
    expect(upstreams).toHaveLength(4);
  });
});

describe("a flight's deadline", () => {
  test("is its only caller's own, but its abort is not", async () => {
    const { upstreams, join, clock } = scene();
    clock.advance(1000);
    const { caller } = join({ deadline: 1500, deadlineByCaller: true });
    await settled();
    expect(upstreams[0]?.call).toMatchObject({ deadline: 1500, deadlineByCaller: true });
    expect(upstreams[0]?.call.signal).not.toBe(caller.signal);
  });

  test("is the latest of those aboard, and goes back when that one leaves", async () => {
    const { upstreams, join } = scene();
    const seen = (): unknown => [upstreams[0]?.call.deadline, upstreams[0]?.call.deadlineByCaller];
    const first = join({ deadline: 500, deadlineByCaller: true });
    const latest = join({ deadline: 900 });
    const second = join({ deadline: 700, deadlineByCaller: true });
    await settled();
    expect(seen()).toEqual([900, false]);
    latest.leave();
    expect(seen()).toEqual([700, true]);
    first.leave();
    expect(seen()).toEqual([700, true]);
    second.leave();
    expect(upstreams).toHaveLength(1);
  });

  test("ends boarding when it is the first caller's: an upstream that hangs is not kept by newcomers for ever", async () => {
    const { upstreams, join, clock } = scene();
    const callers = [];
    for (const ms of [0, 350, 700, 1050]) {
      clock.advance(ms - clock.now());
      callers.push(join({ deadline: ms + 600 }));
      await settled();
    }
    expect(upstreams.map(({ call }) => call.deadline)).toEqual([950, 1650]);
    for (const { leave } of callers.slice(0, 2)) leave(new ChatError("TIMEOUT", "too late"));
    expect(upstreams.map(({ call }) => call.signal.aborted)).toEqual([true, false]);
    // The older flight's end does not take the younger one's place.
    join({ deadline: 2000 });
    await settled();
    expect(upstreams).toHaveLength(2);
  });
});

describe("who leaves", () => {
  for (const leaver of [0, 1]) {
    for (const phase of ["before the first content", "between batches", "by return()"] as const) {
      test(`${leaver === 0 ? "the first caller" : "a later one"}, ${phase}, ends nobody else's answer`, async () => {
        const { upstreams, join } = scene();
        const callers = [join(), join()] as const;
        await settled();
        const gone = callers[leaver === 0 ? 0 : 1];
        const stays = callers[leaver === 0 ? 1 : 0];
        const why = new ChatError("DEADLINE_EXCEEDED", "too late");
        if (phase === "before the first content") {
          gone.leave(why);
          expect(await rejection(gone.stream)).toBe(why);
        }
        upstreams[0]?.open();
        const { batches } = await stays.stream;
        if (phase !== "before the first content") {
          const { batches: leaving } = await gone.stream;
          upstreams[0]?.tape.push([said("Hel")]);
          await leaving.next();
          if (phase === "by return()") expect(await leaving.return?.()).toEqual({ done: true, value: undefined });
          else {
            const waiting = rejection(leaving.next());
            gone.leave(why);
            expect(await waiting).toBe(why);
          }
        } else upstreams[0]?.tape.push([said("Hel")]);
        expect(upstreams[0]?.call.signal.aborted).toBe(false);
        upstreams[0]?.tape.push([said("lo")], end);
        upstreams[0]?.tape.end();
        const { batches: read, error } = await readAll(batches);
        expect([textIn(read), error]).toEqual(["Hello", undefined]);
        for (const { caller } of callers) expect(getEventListeners(caller.signal, "abort")).toHaveLength(0);
      });
    }
  }

  test("the last one stops the upstream at once, before the first content", async () => {
    const { upstreams, join } = scene();
    const [one, two] = [join(), join()];
    await settled();
    one.leave();
    await rejection(one.stream);
    expect(upstreams[0]?.call.signal.aborted).toBe(false);
    two.leave();
    await rejection(two.stream);
    expect(upstreams[0]?.call.signal.aborted).toBe(true);
    const three = join();
    await settled();
    expect(upstreams).toHaveLength(2);
    three.leave();
  });

  test("the last one stops the upstream at once, in the middle, and its iterator is left", async () => {
    const { upstreams, join } = scene();
    const callers = [join(), join()];
    await settled();
    upstreams[0]?.open();
    const streams = await Promise.all(callers.map(({ stream }) => stream));
    upstreams[0]?.tape.push([said("Hel")]);
    for (const { batches } of streams) await batches.next();
    const waiting = rejection(streams[0]?.batches.next() ?? Promise.resolve());
    await streams[1]?.batches.return?.();
    expect(upstreams[0]?.call.signal.aborted).toBe(false);
    callers[0]?.leave();
    expect(await waiting).toMatchObject({ failure: "CANCELLED" });
    await settled();
    expect([upstreams[0]?.call.signal.aborted, upstreams[0]?.tape.returns()]).toEqual([true, 1]);
  });

  for (const failure of ["TIMEOUT", "DEADLINE_EXCEEDED", "DRAINING", "CANCELLED"] as const) {
    test(`the last one's reason, ${failure}, is the upstream's, and all that was tried is told with it`, async () => {
      const { upstreams, join, clock } = scene();
      const [one, two] = [join(), join()];
      await settled();
      one.leave();
      expect(await rejection(one.stream)).toMatchObject({ failure: "CANCELLED", attempts: [] });
      const why = new ChatError(failure, "over");
      two.leave(why);
      expect(upstreams[0]?.call.signal.reason).toBe(why);
      expect(await rejection(two.stream)).toBe(why);
      expect([why.attempts.length, clock.pending()]).toEqual([1, 0]);
    });
  }

  test("the last one waits for the upstream's end, but not for ever", async () => {
    const { join, clock } = scene(true);
    const { stream, leave } = join();
    await settled();
    let over = false;
    const why = new ChatError("TIMEOUT", "too late");
    const ended = rejection(stream).finally(() => (over = true));
    leave(why);
    await settled();
    expect(over).toBe(false);
    clock.advance(1000);
    expect(await ended).toBe(why);
  });

  test("content that comes in the same moment is left, and its attempt told", async () => {
    const { upstreams, join, clock } = scene(true);
    const { stream, leave } = join();
    await settled();
    leave(new ChatError("TIMEOUT", "too late"));
    upstreams[0]?.open();
    expect(await rejection(stream)).toMatchObject({ failure: "TIMEOUT", attempts: [{ won: true }] });
    expect([upstreams[0]?.tape.returns(), clock.pending()]).toEqual([1, 0]);
  });

  for (const [failure, told] of [
    ["TIMEOUT", "STREAM_INTERRUPTED"],
    ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
    ["CANCELLED", "CANCELLED"],
    ["DRAINING", "DRAINING"],
  ] as const) {
    test(`after content ${failure} is ${told}, for whoever stays and for the last`, async () => {
      const { upstreams, join } = scene();
      const callers = [join(), join()];
      await settled();
      upstreams[0]?.open();
      for (const { stream, leave } of callers) {
        const { batches } = await stream;
        const waiting = rejection(batches.next());
        leave(new ChatError(failure, "over"));
        expect(await waiting).toMatchObject({ failure: told });
        expect(await rejection(batches.next())).toMatchObject({ failure: told });
      }
      expect(upstreams[0]?.call.signal.reason).toMatchObject({ failure });
    });
  }

  test("the upstream's iterator is left before the last one can tell of it", async () => {
    const { upstreams, join } = scene();
    const { stream, leave } = join();
    await settled();
    upstreams[0]?.open();
    await stream;
    leave();
    expect(upstreams[0]?.tape.returns()).toBe(1);
  });

  test("one who had left before asking, alone, has nobody asked", async () => {
    const { upstreams, join } = scene();
    const caller = new AbortController();
    const why = new ChatError("CANCELLED", "left");
    caller.abort(why);
    expect(await rejection(join({ signal: caller.signal }).stream)).toBe(why);
    expect(upstreams[0]?.call.signal.reason).toBe(why);
  });

  test("leaving twice counts once", async () => {
    const { upstreams, join } = scene();
    const [one, two] = [join(), join()];
    await settled();
    upstreams[0]?.open();
    const { batches } = await one.stream;
    await batches.return?.();
    await batches.return?.();
    one.leave();
    expect(upstreams[0]?.call.signal.aborted).toBe(false);
    await (await two.stream).batches.return?.();
    expect(upstreams[0]?.call.signal.aborted).toBe(true);
  });

  test("one who had left before asking takes nobody along", async () => {
    const { upstreams, join } = scene();
    const stays = join();
    await settled();
    const caller = new AbortController();
    caller.abort(new ChatError("CANCELLED", "left"));
    expect(await rejection(join({ signal: caller.signal }).stream)).toMatchObject({ failure: "CANCELLED" });
    expect(upstreams[0]?.call.signal.aborted).toBe(false);
    stays.leave();
  });
});

describe("a failure", () => {
  test("before content reaches all, but the attempts are told once, by the first caller", async () => {
    const { upstreams, join } = scene();
    const callers = [join(), join(), join()];
    await settled();
    const error = new ChatError("RATE_LIMITED", "slow down", { retryAfterMs: 7, upstream: { status: 429, requestId: "r" } });
    error.attempts = [recordOf({ error })];
    upstreams[0]?.fail(error);
    const errors = await Promise.all(callers.map(({ stream }) => rejection(stream)));
    const same = { failure: "RATE_LIMITED", message: "slow down", retryAfterMs: 7, upstream: { status: 429 } };
    expect(errors).toMatchObject([same, same, same]);
    expect(errors.map((each) => (each instanceof ChatError ? each.attempts.length : -1))).toEqual([1, 0, 0]);
    join();
    await settled();
    expect(upstreams).toHaveLength(2);
  });

  test("in the middle reaches all, after all that came before it", async () => {
    const { upstreams, join } = scene();
    const callers = [join(), join()];
    await settled();
    upstreams[0]?.open();
    const streams = await Promise.all(callers.map(({ stream }) => stream));
    const error = new ChatError("STREAM_INTERRUPTED", "broke");
    upstreams[0]?.tape.push([said("Hel")]);
    upstreams[0]?.tape.fail(error);
    for (const { batches } of streams) {
      const read = await readAll(batches);
      expect([textIn(read.batches), read.error]).toEqual(["Hel", error]);
    }
    for (const { caller } of callers) expect(getEventListeners(caller.signal, "abort")).toHaveLength(0);
  });
});
