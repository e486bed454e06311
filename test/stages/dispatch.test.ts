import { describe, expect, test } from "vitest";

import type { Attempt, Call } from "../../src/core/call.ts";
import { AttemptKind, type Batch, ProviderState, Role, TranslationAction, UnsupportedFieldPolicy, usageOf } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import type { HealthTracker } from "../../src/core/health.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { DispatchSources } from "../../src/stages/contest.ts";
import { dispatch } from "../../src/stages/dispatch.ts";
import { createHedgeBudget } from "../../src/stores/hedge-budget.ts";
import { createRetryBudget } from "../../src/stores/retry-budget.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, createTape, healthy, rejection, said, settled, snapshotOf, targetOf } from "./support.ts";

/** An attempt's stream whose end the test tells. */
function attemptStream(firstContentMs = 5) {
  const tape = createTape<Batch>();
  const listeners: ((ending: Ending) => void)[] = [];
  const stream: AttemptStream = {
    batches: tape,
    head: { status: 201, requestId: "up-7", notes: [] },
    firstContentMs,
    onEnd: (listener) => listeners.push(listener),
  };
  return { tape, stream, end: (ending: Ending) => listeners.forEach((listener) => listener(ending)) };
}

const nativeTool = { $typeName: "semaroute.v1.NativeTool" as const, issuer: "openai", json: "{}" };

type Outcome = Failure | ChatError | "answers" | "hangs";

function healthOf(more: Partial<HealthTracker> = {}): HealthTracker {
  return { view: () => healthy, begin: () => ({ answered() {}, end() {} }), load: () => 0, latencyQuantileMs: () => undefined, ...more };
}

function sourcesOf(health: HealthTracker, clock: Clock): DispatchSources {
  return { health, clock, stateOf: () => ProviderState.ENABLED, retries: createRetryBudget(clock), hedges: createHedgeBudget() };
}

/** A room over targets `a/m`, `b/m`…, whose attempts come out as the script says; `tried` says which were made, and when. */
function scene(names: readonly string[], script: readonly Outcome[], more: Partial<Call> = {}, healthMore: Partial<HealthTracker> = {}) {
  const clock = createFakeClock();
  const targets = names.map((name) => targetOf(`${name}/m`));
  const caller = new AbortController();
  const tried: string[] = [];
  const seen: Attempt[] = [];
  const streams: ReturnType<typeof attemptStream>[] = [];
  const health = healthOf(healthMore);
  const room = dispatch(sourcesOf(health, clock), async (attempt) => {
    const outcome = script[tried.length] ?? "answers";
    tried.push(`${attempt.target.provider}@${clock.now()}${attempt.patienceMs > 0 ? `+${attempt.patienceMs}` : ""}`);
    seen.push(attempt);
    if (outcome === "hangs") {
      return new Promise((_resolve, reject) => attempt.signal.addEventListener("abort", () => reject(new Error("socket closed"))));
    }
    if (outcome instanceof ChatError) throw outcome;
    if (outcome !== "answers") throw new ChatError(outcome, outcome, { upstream: { status: 503, requestId: `r-${tried.length}` } });
    const made = attemptStream();
    streams.push(made);
    return made.stream;
  });
  const call = callOf(chatRequest("hi", { model: "m" }), { snapshot: snapshotOf(targets), signal: caller.signal, ...more });
  /** Lets pauses pass until the room has settled. */
  const run = async (running: ReturnType<typeof room> = room(call)) => {
    const state = { over: false };
    const end = (): void => {
      state.over = true;
    };
    running.then(end, end);
    await settled();
    for (let i = 0; i < 50 && clock.pending() > 0 && !state.over; i++) {
      clock.advance(100);
      await settled();
    }
    return running;
  };
  return { clock, caller, room, call, run, tried, seen, streams };
}

/** What is left of a record when what always differs is out. */
const recordsOf = (attempts: ChatError["attempts"]) =>
  attempts.map(({ id, target, kind, status, upstreamRequestId, error, won }) => [
    id.split(".").at(-1),
    target.provider,
    kind,
    status,
    upstreamRequestId,
    error?.failure,
    won,
  ]);

describe("attempts", () => {
  test("the first that answers wins, and its record goes on until the stream ends", async () => {
    const { run, streams, clock, tried, seen } = scene(["a", "b"], ["OVERLOADED"]);
    const { source, batches } = await run();
    expect(tried).toEqual(["a@0", "b@0"]);
    expect(seen.map(({ ordinal }) => ordinal)).toEqual([0, 1]);
    expect(recordsOf(source.attempts)).toEqual([
      ["1", "a", AttemptKind.PRIMARY, 503, "r-1", "OVERLOADED", false],
      ["2", "b", AttemptKind.FAILOVER, 201, "up-7", undefined, true],
    ]);
    expect(source).toMatchObject({ target: { id: "b/m" }, rule: "as-given" });
    expect(source.attempts).toMatchObject([{ endMs: 0 }, { endMs: undefined, usage: undefined, firstContentMs: 5 }]);
    clock.advance(70);
    const usage = usageOf(1, 2);
    streams[0]?.end({ error: undefined, usage });
    expect(source.attempts[1]).toMatchObject({ endMs: 70, usage, error: undefined, won: true });
    expect(batches).toBe(streams[0]?.tape);
  });

  test("after the first content nobody else is tried, whatever becomes of the stream", async () => {
    const { run, streams, tried } = scene(["a", "b"], []);
    const { source, batches } = await run();
    const broken = new ChatError("STREAM_INTERRUPTED", "it broke off");
    streams[0]?.tape.push([said("Hel")]);
    streams[0]?.tape.fail(broken);
    streams[0]?.end({ error: broken, usage: usageOf(1, 1) });
    await batches.next();
    expect(await rejection(batches.next())).toBe(broken);
    await settled();
    expect(tried).toEqual(["a@0"]);
    expect(recordsOf(source.attempts)).toEqual([["1", "a", AttemptKind.PRIMARY, 201, "up-7", "STREAM_INTERRUPTED", true]]);
  });

  test("the same target is asked again only after a pause", async () => {
    const { run, tried, clock, room, call } = scene(["a"], ["OVERLOADED"]);
    const running = room(call);
    await settled();
    expect([tried.length, clock.pending()]).toEqual([1, 1]);
    const { source } = await run(running);
    expect(tried).toHaveLength(2);
    expect(source.attempts.map(({ kind }) => kind)).toEqual([AttemptKind.PRIMARY, AttemptKind.RETRY]);
  });

  for (const { what, routing, names, tries } of [
    { what: "allow_fallback false is one attempt at the best target", routing: { allowFallback: false }, names: ["a", "b"], tries: 1 },
    { what: "the request may lower the number of attempts", routing: { maxAttempts: 2 }, names: ["a", "b", "c"], tries: 2 },
    { what: "the request cannot raise it", routing: { maxAttempts: 16 }, names: ["a", "b", "c", "d"], tries: 3 },
    { what: "without wishes the configuration says", routing: {}, names: ["a", "b", "c", "d"], tries: 3 },
    { what: "a lone target is tried as often", routing: {}, names: ["a"], tries: 3 },
    { what: "a lone target without fallback is tried once", routing: { allowFallback: false, maxAttempts: 3 }, names: ["a"], tries: 1 },
  ]) {
    test(what, async () => {
      const request = chatRequest("hi", { model: "m", routing });
      const { run, tried } = scene(
        names,
        Array.from({ length: 9 }, () => "UPSTREAM_UNAVAILABLE" as const),
        { request },
      );
      const error = await rejection(run());
      expect(error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
      expect(tried).toHaveLength(tries);
      expect((error as ChatError).attempts).toHaveLength(tries);
    });
  }

  for (const failure of ["CONTENT_POLICY", "INVALID_REQUEST", "CALLER_FORBIDDEN", "INTERNAL", "STREAM_INTERRUPTED"] as const) {
    test(`${failure} is never tried elsewhere`, async () => {
      const { run, tried } = scene(["a", "b"], [failure]);
      expect(await rejection(run())).toMatchObject({ failure, attempts: [{ won: false, endMs: 0 }] });
      expect(tried).toEqual(["a@0"]);
    });
  }

  test("what nobody foresaw is INTERNAL, and not tried elsewhere", async () => {
    const { call, clock } = scene(["a", "b"], []);
    const health = healthOf();
    const broken = dispatch(sourcesOf(health, clock), () => Promise.reject(new TypeError("oops")));
    expect(await rejection(broken(call))).toMatchObject({ failure: "INTERNAL", attempts: [{ error: { failure: "INTERNAL" } }] });
  });

  test("a failed attempt's record holds what it used", async () => {
    const failed = new ChatError("OVERLOADED", "busy");
    failed.usage = usageOf(9, 0);
    const { run } = scene(["a", "b"], [failed]);
    expect((await run()).source.attempts[0]).toMatchObject({ usage: { inputTokens: 9 }, status: 0, won: false });
  });
});

describe("targets that are not called", () => {
  const busy = new ChatError("SHED", "full", { skipped: "busy", retryAfterMs: 1000 });
  const open = new ChatError("NO_TARGET", "open", { skipped: "open", retryAfterMs: 4000 });

  test("are skipped without a record, and the one that answers is the first attempt", async () => {
    const { run, tried } = scene(["a", "b", "c"], [busy, open]);
    const { source } = await run();
    expect(tried).toEqual(["a@0", "b@0", "c@0"]);
    expect(recordsOf(source.attempts)).toEqual([["1", "c", AttemptKind.PRIMARY, 201, "up-7", undefined, true]]);
  });

  test("are waited for when all are full, once and 2 s at most, then the call is shed", async () => {
    const { run, tried } = scene(
      ["a", "b"],
      Array.from({ length: 20 }, () => busy),
    );
    expect(await rejection(run())).toMatchObject({ failure: "SHED", retryAfterMs: 1000, attempts: [] });
    expect(tried).toHaveLength(12);
    expect(tried.slice(0, 4)).toEqual(["a@0", "b@0", "a@0+200", "b@0+200"]);
  });

  test("are not waited for where their breakers are open", async () => {
    const { run, tried } = scene(["a", "b"], [open, open]);
    expect(await rejection(run())).toMatchObject({ failure: "NO_TARGET", retryAfterMs: 4000 });
    expect(tried).toEqual(["a@0", "b@0"]);
  });
});

describe("the call's own end", () => {
  const ends = ["CANCELLED", "DEADLINE_EXCEEDED", "TIMEOUT", "DRAINING"] as const;
  for (const failure of ends) {
    test(`${failure} during an attempt ends it, with its record`, async () => {
      const { room, call, caller, tried } = scene(["a", "b"], ["hangs"]);
      const running = rejection(room(call));
      await settled();
      caller.abort(new ChatError(failure, "over"));
      // The vendor was sent all of it, and says nothing any more.
      const usage = { estimated: true, inputTokens: expect.toSatisfy((tokens: number) => tokens > 0), outputTokens: 0 };
      expect(await running).toMatchObject({ failure, attempts: [{ target: { id: "a/m" }, endMs: 0, won: false, usage }] });
      expect(tried).toEqual(["a@0"]);
    });

    test(`${failure} during a pause ends it at once`, async () => {
      const { room, call, caller, tried, clock } = scene(["a"], ["OVERLOADED"]);
      const running = rejection(room(call));
      await settled();
      expect(clock.pending()).toBe(1);
      caller.abort(new ChatError(failure, "over"));
      expect(await running).toMatchObject({ failure, attempts: [{ error: { failure: "OVERLOADED" }, usage: undefined }] });
      expect([tried.length, clock.pending()]).toEqual([1, 0]);
    });
  }

  test("a foreign reason to abort is CANCELLED", async () => {
    const { room, call, caller } = scene(["a"], ["hangs"]);
    const running = rejection(room(call));
    await settled();
    caller.abort(new Error("gone"));
    expect(await running).toMatchObject({ failure: "CANCELLED", cause: { message: "gone" } });
  });

  test("a pause that would outlive the deadline is not begun: what is known is said now", async () => {
    const limited = new ChatError("RATE_LIMITED", "slow down", { retryAfterMs: 4000 });
    const { room, call, clock, tried } = scene(["a"], [limited], { deadline: 1500 });
    expect(await rejection(room(call))).toMatchObject({ failure: "RATE_LIMITED", retryAfterMs: 4000, attempts: [{}] });
    expect([tried.length, clock.pending(), clock.now()]).toEqual([1, 0, 0]);
  });

  test("pauses are the same for the same seed, and others for another", async () => {
    const pauses = async (seed: number): Promise<number> => {
      const { room, call, clock, tried } = scene(["a"], ["OVERLOADED"], { seed });
      void room(call);
      await settled();
      while (tried.length < 2) {
        clock.advance(1);
        await settled();
      }
      return clock.now();
    };
    const waited = await Promise.all([1, 1, 2, 3].map(pauses));
    expect(waited[0]).toBe(waited[1]);
    expect(new Set(waited).size).toBeGreaterThan(1);
    expect(Math.max(...waited)).toBeLessThanOrEqual(101);
  });
});

test("a wait that is told is true: not before the first of the targets may be asked again", async () => {
  const cooling: Record<string, number> = { "a/m": 6150, "b/m": 9000 };
  const state = { refused: false };
  const refusals = [5100, 9000].map((retryAfterMs) => new ChatError("RATE_LIMITED", "slow down", { retryAfterMs }));
  const health = { view: (id: string) => ({ ...healthy, coolingUntilMs: state.refused ? (cooling[id] ?? 0) : 0 }) };
  const { room, call } = scene(["a", "b"], refusals, {}, health);
  const running = rejection(room(call));
  state.refused = true;
  expect(await running).toMatchObject({ failure: "RATE_LIMITED", retryAfterMs: 6150 });
});

describe("hedges", () => {
  const hedge = { quantile: 0.95, extraCostRatioMax: 1 };
  /** The first target mostly answers within 50 ms. */
  function hedged(names: readonly string[], script: readonly Outcome[], more: Partial<Call> = {}, options = {}) {
    const made = scene(names, script, more, { load: () => 0, latencyQuantileMs: () => 50 });
    const { snapshot } = made.call;
    return { ...made, call: { ...made.call, snapshot: { ...snapshot, options: { ...snapshot.options, hedge, ...options } } } };
  }
  const toTheHedge = async (clock: ReturnType<typeof createFakeClock>): Promise<void> => {
    await settled();
    clock.advance(50);
    await settled();
  };

  test("a second target is asked when the first is late; its answer wins, and the first is left and accounted for", async () => {
    const { room, call, clock, tried, seen } = hedged(["a", "b"], ["hangs"]);
    const running = room(call);
    await toTheHedge(clock);
    const { source } = await running;
    // Whoever sees it over sees what it used.
    const [left] = source.attempts;
    expect(left?.endMs === undefined || left.usage !== undefined).toBe(true);
    await settled();
    expect(tried).toEqual(["a@0", "b@50"]);
    expect(recordsOf(source.attempts)).toEqual([
      ["1", "a", AttemptKind.PRIMARY, 0, "", "CANCELLED", false],
      ["2", "b", AttemptKind.HEDGE, 201, "up-7", undefined, true],
    ]);
    expect(source).toMatchObject({ target: { id: "b/m" }, attempts: [{ endMs: 50, usage: { estimated: true, outputTokens: 0 } }, {}] });
    expect(seen.map(({ ordinal, signal }) => [ordinal, signal.aborted])).toEqual([
      [0, true],
      [1, false],
    ]);
  });

  for (const { what, names, more, options, script } of [
    { what: "off", names: ["a", "b"], options: { hedge: undefined } },
    { what: "nobody else to ask", names: ["a"] },
    { what: "one attempt allowed", names: ["a", "b"], options: { attemptsMax: 1 } },
    { what: "nothing earned for it", names: ["a", "b"], options: { hedge: { ...hedge, extraCostRatioMax: 0.5 } } },
    { what: "the deadline before it", names: ["a", "b"], more: { deadline: 50 } },
    {
      what: "8.4.10 an exchange that is stored",
      names: ["a", "b"],
      more: { request: chatRequest("hi", { model: "m", store: true }) },
    },
    {
      what: "8.4.10 a tool that runs at the vendor's",
      names: ["a", "b"],
      more: {
        request: chatRequest("hi", {
          model: "m",
          tools: [{ $typeName: "semaroute.v1.Tool" as const, kind: { case: "native" as const, value: nativeTool }, extensionsJson: {} }],
        }),
      },
    },
  ] as { what: string; names: string[]; more?: Partial<Call>; options?: object; script?: Outcome[] }[]) {
    test(`no hedge: ${what}`, async () => {
      const { room, call, clock, caller, tried } = hedged(names, script ?? ["hangs"], more, options);
      const running = rejection(room(call));
      await toTheHedge(clock);
      expect(tried).toEqual(["a@0"]);
      caller.abort(new ChatError("CANCELLED", "the caller left"));
      expect(await running).toMatchObject({ failure: "CANCELLED" });
      expect(clock.pending()).toBe(0);
    });
  }

  test("an answer before the time hedges nothing, and leaves no timer", async () => {
    const { room, call, clock, tried } = hedged(["a", "b"], []);
    await room(call);
    expect([tried, clock.pending()]).toEqual([["a@0"], 0]);
  });

  test("when the hedge fails the first is still waited for, and the call fails over once both have failed", async () => {
    const { room, call, clock, tried, caller } = hedged(["a", "b", "c"], ["hangs", "OVERLOADED"]);
    const running = rejection(room(call));
    await toTheHedge(clock);
    expect(tried).toEqual(["a@0", "b@50"]);
    caller.abort(new ChatError("DEADLINE_EXCEEDED", "over"));
    expect(await running).toMatchObject({
      failure: "DEADLINE_EXCEEDED",
      attempts: [
        { target: { id: "a/m" }, kind: AttemptKind.PRIMARY },
        { target: { id: "b/m" }, error: { failure: "OVERLOADED" } },
      ],
    });
  });

  test("a failure that nobody can mend ends both", async () => {
    const { room, call, clock, seen } = hedged(["a", "b"], ["hangs", "CONTENT_POLICY"]);
    const running = rejection(room(call));
    await toTheHedge(clock);
    expect(await running).toMatchObject({ failure: "CONTENT_POLICY" });
    expect(seen[0]?.signal.aborted).toBe(true);
  });

  test("the caller who leaves stops both", async () => {
    const { room, call, clock, caller, seen } = hedged(["a", "b"], ["hangs", "hangs"]);
    const running = rejection(room(call));
    await toTheHedge(clock);
    caller.abort(new ChatError("CANCELLED", "the caller left"));
    expect(await running).toMatchObject({ failure: "CANCELLED", attempts: [{}, {}] });
    expect(seen.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });
});

test("where the plan has no target the call is refused, and nobody is tried", async () => {
  const { room, call, tried } = scene(["a"], []);
  expect(await rejection(room({ ...call, request: chatRequest("hi", { model: "m", routing: { denyProviders: ["a"] } }) }))).toMatchObject({
    failure: "NO_TARGET",
  });
  expect(await rejection(room({ ...call, request: chatRequest("hi", { model: "other" }) }))).toMatchObject({ failure: "MODEL_NOT_FOUND" });
  expect(tried).toEqual([]);
});

describe("sealed state that an upstream does not accept", () => {
  const stale = new ChatError("INVALID_REQUEST", "stale", { staleState: true, upstream: { status: 400, requestId: "r" } });
  const token = { issuer: "anthropic", kind: "signature", value: "sealed" };
  const asked = (more: Parameters<typeof chatRequest>[1] = {}) =>
    chatRequest("hi", {
      model: "m",
      messages: [
        { role: Role.USER, text: "q" },
        {
          role: Role.ASSISTANT,
          content: [
            { part: { case: "reasoning", value: { text: "Hm.", opaque: [token] } } },
            { part: { case: "toolCall", value: { id: "a", name: "f" } }, opaque: [token] },
          ],
        },
        { role: Role.TOOL, content: [{ part: { case: "toolResult", value: { toolCallId: "a" } } }] },
      ],
      ...more,
    });

  test("is left out of a second attempt at the same target, with a note, and both are on record", async () => {
    const request = asked();
    const before = JSON.stringify(request);
    const { run, seen, tried } = scene(["a", "b"], [stale], { request });
    const { source } = await run();
    expect(tried).toEqual(["a@0", "a@0"]);
    expect(recordsOf(source.attempts)).toEqual([
      ["1", "a", AttemptKind.PRIMARY, 400, "r", "INVALID_REQUEST", false],
      ["2", "a", AttemptKind.RETRY, 201, "up-7", undefined, true],
    ]);
    expect(seen[0]?.request).toBe(request);
    expect(seen[1]?.request).toMatchObject({ messages: [{}, { content: [{ part: { case: "toolCall" }, opaque: [] }] }, {}] });
    expect(JSON.stringify(request)).toBe(before);
    expect(source.notes).toMatchObject([{ field: "messages.content.reasoning", action: TranslationAction.DROPPED }]);
  });

  test.each([
    { what: "where nothing may be dropped", request: asked({ routing: { unsupportedFields: UnsupportedFieldPolicy.REQUIRE } }) },
    { what: "where the request has none", request: chatRequest("hi", { model: "m" }) },
  ])("ends the call $what", async ({ request }) => {
    const { run, tried } = scene(["a", "b"], [stale], { request });
    expect(await rejection(run())).toBe(stale);
    expect(tried).toHaveLength(1);
  });
});
