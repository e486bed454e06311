import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";

import type { Attempt } from "../../src/core/call.ts";
import { type ChatEvent, usageOf } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import type { Provider, ProviderEvent } from "../../src/core/provider.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { closed, completed, createTape, finished, opened, readAll, rejection, said, settled, started, textIn, whole } from "./support.ts";

const head: ProviderEvent = { case: "head", value: { status: 200, requestId: "req-1", notes: [] } };
const price = { input: 1_000_000, output: 2_000_000, cacheRead: undefined, cacheWrite: undefined };

/** A call of a provider that the test feeds. `signal` is the one the provider sees. */
function scene(more: Partial<Attempt> = {}) {
  const clock = createFakeClock();
  const tape = createTape<readonly ProviderEvent[]>();
  const seen: { signal?: AbortSignal } = {};
  const caller = new AbortController();
  const provider: Provider = {
    name: "sim",
    chat: (attempt) => {
      seen.signal = attempt.signal;
      attempt.signal.addEventListener("abort", () => tape.fail(new Error("socket closed")), { once: true });
      return tape;
    },
  };
  const base = attemptOf(chatRequest("hello there"), { signal: caller.signal, target: chatTarget({ price }), ...more });
  const attempt = { ...base, snapshot: { ...base.snapshot, providers: new Map([["sim", provider]]) } };
  const call = (): Promise<AttemptStream> => callProvider(clock)(attempt);
  const linked = () => getEventListeners(caller.signal, "abort").length;
  return { clock, tape, seen, caller, attempt, call, linked };
}

/** What ended it, each time it was told. */
function endingsOf(stream: AttemptStream): Ending[] {
  const endings: Ending[] = [];
  stream.onEnd((ending) => endings.push(ending));
  return endings;
}

const failed = (failure: Failure): Error => new ChatError(failure, `it was ${failure}`, { upstream: { status: 500, requestId: "up" } });

describe("the wait for the first content", () => {
  test("holds everything back until there is content, and hands it on as one batch", async () => {
    const { clock, tape, call } = scene();
    const pending = call();
    let there = false;
    void pending.then(() => (there = true));
    for (const batch of [[head], [started], [opened], [said("")]]) {
      tape.push(batch);
      await settled();
      expect(there).toBe(false);
    }
    clock.advance(40);
    tape.push([said("Hel")], [said("lo"), finished(), completed()]);
    const stream = await pending;
    expect(stream).toMatchObject({ head: { status: 200, requestId: "req-1" }, firstContentMs: 40 });
    const { batches, error } = await readAll(stream.batches);
    expect(error).toBeUndefined();
    expect(batches.map((batch) => batch.map((event) => event.case))).toEqual([
      ["started", "partStarted", "partDelta", "partDelta"],
      ["partDelta", "choiceEnded", "completed"],
    ]);
    expect(textIn(batches)).toBe("Hello");
  });

  for (const failure of ["OVERLOADED", "RATE_LIMITED", "UPSTREAM_UNAVAILABLE", "INVALID_REQUEST", "CONTENT_POLICY"] as const) {
    test(`an error ${failure} before content keeps its name and rejects`, async () => {
      const { tape, call, linked, clock, seen } = scene();
      const pending = call();
      tape.push([head, started, opened]);
      tape.fail(failed(failure));
      expect(await rejection(pending)).toMatchObject({ failure });
      expect([linked(), clock.pending(), seen.signal?.aborted, tape.returns()]).toEqual([0, 0, true, 1]);
    });
  }

  for (const [what, batches] of [
    ["nothing at all", []],
    [
      "starts only",
      [
        [head, started],
        [opened, closed],
      ],
    ],
  ] as const) {
    test(`an end after ${what} is a failed attempt`, async () => {
      const { tape, call, linked, clock } = scene();
      const pending = call();
      tape.push(...batches);
      tape.end();
      expect(await rejection(pending)).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
      expect([linked(), clock.pending()]).toEqual([0, 0]);
    });
  }

  test("a vendor that sends starts without end is broken", async () => {
    const { tape, call } = scene();
    const pending = call();
    for (let i = 0; i < 11; i++) tape.push(Array.from({ length: 100 }, () => opened));
    expect(await rejection(pending)).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
  });

  test("what the caller's leaving makes of the provider is told as the caller's leaving", async () => {
    const { call, caller, linked, clock, tape } = scene();
    const pending = call();
    await settled();
    caller.abort(new ChatError("CANCELLED", "the caller left"));
    expect(await rejection(pending)).toMatchObject({ failure: "CANCELLED" });
    expect([linked(), clock.pending(), tape.returns()]).toEqual([0, 0, 1]);
  });

  test("a call that was over before it began calls nobody", async () => {
    const { call, caller, linked, clock, seen } = scene();
    caller.abort(new ChatError("DRAINING", "going away"));
    expect(await rejection(call())).toMatchObject({ failure: "DRAINING" });
    expect([linked(), clock.pending(), seen.signal]).toEqual([0, 0, undefined]);
  });

  test("usage told before a failure was used and is on the error; what was not told is not guessed", async () => {
    const one = scene();
    const told = one.call();
    one.tape.push([head, { case: "usage", value: usageOf(10, 0) }]);
    one.tape.fail(failed("OVERLOADED"));
    const silent = scene();
    const untold = silent.call();
    silent.tape.fail(failed("OVERLOADED"));
    expect(await rejection(untold)).toMatchObject({ usage: undefined });
    expect(await rejection(told)).toMatchObject({ usage: { inputTokens: 10, costPicoUsd: 10_000_000n } });
  });
});

describe("after the first content", () => {
  async function begun() {
    const all = scene();
    const pending = all.call();
    all.tape.push([head, started, said("Hello")]);
    const stream = await pending;
    return { ...all, stream, endings: endingsOf(stream) };
  }

  test("an end without completed is a broken stream, never a good end", async () => {
    const { tape, stream, endings, linked } = await begun();
    tape.end();
    const { batches, error } = await readAll(stream.batches);
    expect(batches).toHaveLength(1);
    expect(error).toMatchObject({ failure: "STREAM_INTERRUPTED", cause: { failure: "UPSTREAM_UNAVAILABLE" } });
    expect(endings).toMatchObject([{ error: { failure: "STREAM_INTERRUPTED" }, usage: { estimated: true } }]);
    expect(linked()).toBe(0);
  });

  for (const [failure, shown] of [
    ["OVERLOADED", "STREAM_INTERRUPTED"],
    ["RATE_LIMITED", "STREAM_INTERRUPTED"],
    ["UPSTREAM_PROTOCOL", "STREAM_INTERRUPTED"],
    ["CONTENT_POLICY", "STREAM_INTERRUPTED"],
    ["TIMEOUT", "STREAM_INTERRUPTED"],
    ["CANCELLED", "CANCELLED"],
    ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
    ["DRAINING", "DRAINING"],
    ["BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"],
    ["STORE_UNAVAILABLE", "STORE_UNAVAILABLE"],
    ["CALLER_UNAUTHENTICATED", "CALLER_UNAUTHENTICATED"],
  ] as const) {
    test(`${failure} from the provider is ${shown}, and keeps the upstream's trace`, async () => {
      const { tape, stream, endings } = await begun();
      tape.fail(failed(failure));
      const { error } = await readAll(stream.batches);
      expect(error).toMatchObject({ failure: shown, upstream: { status: 500, requestId: "up" } });
      expect(endings).toHaveLength(1);
      expect(endings[0]?.error).toBe(error);
    });

    test(`${failure} as the call's own end is ${shown}`, async () => {
      const { caller, stream, endings, seen, linked } = await begun();
      caller.abort(failed(failure));
      const { error } = await readAll(stream.batches);
      expect(error).toMatchObject({ failure: shown });
      expect(endings).toHaveLength(1);
      expect([seen.signal?.aborted, linked()]).toEqual([true, 0]);
    });
  }

  for (const failure of ["TIMEOUT", "DEADLINE_EXCEEDED", "CANCELLED", "DRAINING"] as const) {
    test(`${failure} as the call's own end is told at once, while nobody reads`, async () => {
      const { caller, stream, endings, seen, linked, clock, tape } = await begun();
      await stream.batches.next();
      tape.push([said(" and more")]);
      const reads = tape.reads();
      const reason = failed(failure);
      caller.abort(reason);
      // Nothing was awaited since.
      const shown = failure === "TIMEOUT" ? "STREAM_INTERRUPTED" : failure;
      expect(endings).toMatchObject([{ error: { failure: shown }, usage: { estimated: true } }]);
      expect([seen.signal?.aborted, linked(), clock.pending(), tape.returns(), tape.reads()]).toEqual([true, 0, 0, 1, reads]);
      if (failure === "TIMEOUT") expect(endings[0]?.error?.cause).toBe(reason);
      expect(await rejection(stream.batches.next())).toBe(endings[0]?.error);
    });
  }

  test("a reader that waits when the call ends gets the error that was told, whatever the provider makes of it", async () => {
    for (const last of ["fail", "end", "push"] as const) {
      const { caller, stream, endings, tape } = await begun();
      await stream.batches.next();
      const pending = rejection(stream.batches.next());
      if (last === "push") tape.push([said("too late"), completed()]);
      if (last === "end") tape.end();
      caller.abort(failed("TIMEOUT"));
      expect(await pending).toBe(endings[0]?.error);
      expect(endings).toHaveLength(1);
    }
  });

  for (const end of ["well", "by its reader", "broken"] as const) {
    test(`nothing of ours listens any more to the provider's signal once it has ended ${end}`, async () => {
      const { stream, tape, seen } = await begun();
      const listening = () => (seen.signal === undefined ? 0 : getEventListeners(seen.signal, "abort").length);
      await stream.batches.next();
      // The test's own provider listens too.
      const before = listening();
      if (end === "well") tape.push([completed()]);
      if (end === "broken") tape.fail(failed("OVERLOADED"));
      if (end === "by its reader") await stream.batches.return?.();
      else await stream.batches.next().catch(() => {});
      expect([before, listening()]).toEqual([2, end === "well" ? 1 : 0]);
    });
  }

  test("what the model wrote is nobody's fault after content, too", async () => {
    const { tape, endings, stream } = await begun();
    await stream.batches.next();
    tape.fail(new ChatError("UPSTREAM_PROTOCOL", "no valid tool call", { blameless: true }));
    await rejection(stream.batches.next());
    expect(endings).toMatchObject([{ error: { failure: "STREAM_INTERRUPTED", blameless: true } }]);
  });

  test("an upstream's words about the request are still known as its own once they broke the answer off", async () => {
    const { tape, stream } = await begun();
    await stream.batches.next();
    tape.fail(new ChatError("CONTENT_POLICY", "flagged: a piece of the prompt", { fromUpstream: true }));
    expect(await rejection(stream.batches.next())).toMatchObject({ failure: "STREAM_INTERRUPTED", fromUpstream: true });
  });

  test("a bug of the provider is INTERNAL and keeps its cause", async () => {
    const { tape, stream } = await begun();
    tape.fail(new TypeError("oops"));
    expect((await readAll(stream.batches)).error).toMatchObject({ failure: "INTERNAL", cause: { message: "oops" } });
  });

  test("an error is final: every later read says the same, and the ending is told once", async () => {
    const { tape, stream, endings } = await begun();
    tape.fail(failed("OVERLOADED"));
    const { error } = await readAll(stream.batches);
    expect(await rejection(stream.batches.next())).toBe(error);
    await stream.batches.return?.();
    expect(endings).toHaveLength(1);
  });

  test("leaving closes the upstream at once, even while the provider waits and cannot return", async () => {
    const clock = createFakeClock();
    const caller = new AbortController();
    const state = { aborted: false, left: false };
    async function* chat(signal: AbortSignal): AsyncGenerator<readonly ProviderEvent[], undefined> {
      try {
        yield [head, said("Hello")];
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      } finally {
        state.aborted = signal.aborted;
        state.left = true;
      }
    }
    const base = attemptOf(chatRequest("hi"), { signal: caller.signal });
    const provider: Provider = { name: "sim", chat: ({ signal }) => chat(signal) };
    const stream = await callProvider(clock)({ ...base, snapshot: { ...base.snapshot, providers: new Map([["sim", provider]]) } });
    const endings = endingsOf(stream);
    await stream.batches.next();
    const waiting = rejection(stream.batches.next());
    await settled();
    expect(state.left).toBe(false);
    await stream.batches.return?.();
    await settled();
    expect(state).toEqual({ aborted: true, left: true });
    expect(await waiting).toMatchObject({ failure: "CANCELLED" });
    expect(endings).toMatchObject([{ error: { failure: "CANCELLED" } }]);
    expect(getEventListeners(caller.signal, "abort")).toHaveLength(0);
  });

  test("leaving before the first batch was read gives no batch away", async () => {
    const { stream, endings } = await begun();
    await stream.batches.return?.();
    expect(await rejection(stream.batches.next())).toMatchObject({ failure: "CANCELLED" });
    expect(endings).toHaveLength(1);
  });
});

describe("an upstream that is alive and says nothing", () => {
  const progressMs = 300_000;
  const heartbeat: ChatEvent = { case: "heartbeat", value: { $typeName: "semaroute.v1.Heartbeat" } };

  async function begun(deadline = Infinity) {
    const all = scene({ deadline });
    const pending = all.call();
    all.tape.push([head, started, said("Hello")]);
    const stream = await pending;
    await stream.batches.next();
    return { ...all, stream, endings: endingsOf(stream) };
  }

  test("breaks its stream after that long, whatever signs of life it sends meanwhile", async () => {
    const { clock, tape, stream, endings, seen, linked } = await begun();
    for (let i = 0; i < 29; i++) {
      const next = stream.batches.next();
      clock.advance(progressMs / 30);
      tape.push([heartbeat], [{ case: "usage", value: usageOf(1, 1) }], [opened, said(""), closed]);
      await next;
      for (let read = 0; read < 2; read++) await stream.batches.next();
    }
    const waiting = rejection(stream.batches.next());
    clock.advance(progressMs / 30 - 1);
    expect(seen.signal?.aborted).toBe(false);
    clock.advance(1);
    expect(await waiting).toMatchObject({
      failure: "STREAM_INTERRUPTED",
      message: "the answer of target sim/sim-chat broke off: no content came for 300000 ms",
      cause: { failure: "TIMEOUT" },
    });
    expect(endings).toHaveLength(1);
    expect([seen.signal?.aborted, linked(), clock.pending(), tape.returns()]).toEqual([true, 0, 0, 1]);
  });

  test("has its time again with each content", async () => {
    const { clock, tape, stream, seen } = await begun();
    for (let i = 0; i < 5; i++) {
      const next = stream.batches.next();
      clock.advance(progressMs - 1);
      tape.push([said(".")]);
      await next;
    }
    void stream.batches.next().catch(() => undefined);
    clock.advance(progressMs - 1);
    expect(seen.signal?.aborted).toBe(false);
    clock.advance(1);
    expect(seen.signal?.aborted).toBe(true);
  });

  test("is not to blame for a reader that does not read", async () => {
    const { clock, tape, stream, seen } = await begun();
    clock.advance(10 * progressMs);
    tape.push([heartbeat]);
    await stream.batches.next();
    const waiting = rejection(stream.batches.next());
    clock.advance(progressMs - 1);
    expect(seen.signal?.aborted).toBe(false);
    clock.advance(1);
    expect(await waiting).toMatchObject({ failure: "STREAM_INTERRUPTED" });
  });

  test("is left to the call's deadline where that comes first, and is ended all the same where that is put off", async () => {
    const { clock, stream, seen } = await begun(progressMs);
    void stream.batches.next().catch(() => undefined);
    clock.advance(progressMs);
    expect(seen.signal?.aborted).toBe(false);
    clock.advance(1);
    expect(seen.signal?.aborted).toBe(true);
    expect(clock.pending()).toBe(0);
  });

  test("has all the time that its complete answer takes to be read", async () => {
    const { clock, tape, stream, endings } = await begun();
    tape.push([finished(), completed()]);
    tape.end();
    await stream.batches.next();
    clock.advance(progressMs);
    expect(await stream.batches.next()).toEqual({ done: true, value: undefined });
    await settled();
    expect([endings, clock.pending()]).toMatchObject([[{ error: undefined }], 0]);
  });
});

describe("the end", () => {
  test("is told before the last batch leaves, once, with the priced usage, and to those who ask later too", async () => {
    const { tape, call, linked, clock } = scene();
    const pending = call();
    tape.push([head, said("Hello")]);
    const stream = await pending;
    const endings = endingsOf(stream);
    await stream.batches.next();
    tape.push([finished(), completed(usageOf(10, 5))]);
    const last = await stream.batches.next();
    const priced = { inputTokens: 10, outputTokens: 5, costPicoUsd: 20_000_000n };
    expect(endings).toMatchObject([{ error: undefined, usage: priced }]);
    expect(last).toMatchObject({ done: false, value: [{}, { case: "completed", value: { usage: priced } }] });
    expect(await stream.batches.next()).toEqual({ done: true, value: undefined });
    await stream.batches.return?.();
    expect(endings).toHaveLength(1);
    expect(endingsOf(stream)).toEqual(endings);
    tape.end();
    await settled();
    expect([linked(), clock.pending()]).toEqual([0, 0]);
  });

  for (const what of ["ends by itself", "says more", "breaks", "lingers"] as const) {
    test(`an upstream that ${what} after a complete answer changes nothing, and lets its socket go`, async () => {
      const { tape, call, clock, seen } = scene();
      const pending = call();
      tape.push([head, said("Hello"), finished(), completed()]);
      const stream = await pending;
      const endings = endingsOf(stream);
      const { batches, error } = await readAll(stream.batches);
      expect([textIn(batches), error]).toEqual(["Hello", undefined]);
      expect(tape.reads()).toBe(2);
      if (what === "ends by itself") tape.end();
      if (what === "says more") tape.push([said("more")]);
      if (what === "breaks") tape.fail(failed("UPSTREAM_UNAVAILABLE"));
      await settled();
      clock.advance(1000);
      await settled();
      expect([seen.signal?.aborted, tape.returns(), clock.pending()]).toEqual([what === "lingers", what === "says more" ? 1 : 0, 0]);
      expect(await stream.batches.next()).toEqual({ done: true, value: undefined });
      expect(endings).toMatchObject([{ error: undefined }]);
    });
  }

  test("a whole answer is content and end at once", async () => {
    const { tape, attempt, linked } = scene();
    const unary = callProvider(createFakeClock())({ ...attempt, streamed: false });
    tape.push([head, whole("Hello", usageOf(3, 4))]);
    const stream = await unary;
    expect(endingsOf(stream)).toMatchObject([{ error: undefined, usage: { inputTokens: 3, costPicoUsd: 11_000_000n } }]);
    expect((await readAll(stream.batches)).batches).toMatchObject([[{ case: "whole", value: { usage: { costPicoUsd: 11_000_000n } } }]]);
    expect(linked()).toBe(0);
  });

  test("usage that nobody told is estimated, and marked as such", async () => {
    const { tape, call } = scene();
    const pending = call();
    tape.push([head, said("12345678"), finished(), completed()]);
    const { batches } = await readAll((await pending).batches);
    expect(batches.flat().at(-1)).toMatchObject({ value: { usage: { estimated: true, outputTokens: 2 } } });
  });
});
