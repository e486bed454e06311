/** Limits and budgets by the catalogue (reliability, 6.4), L01 to L06, of one process; how long fairness takes is `npm run fairness`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Key, KeyId, KeyLimits } from "../../src/core/call.ts";
import type { Clock } from "../../src/core/clock.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Reservation } from "../../src/core/limits.ts";
import { spendOf } from "../../src/stages/spending-tap.ts";
import { createKeyLimits, type ProcessLimits } from "../../src/stores/key-limits.ts";
import { doorClient, refusal } from "../e2e/doors.ts";
import { type House, openHouse } from "../e2e/house.ts";
import { isStreamed, soon, until } from "../e2e/scene.ts";
import { callOf } from "../stages/support.ts";
import { anthropicMessage } from "../support/anthropic-messages.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import {
  chunk,
  completion,
  createGate,
  createUpstream,
  embeddings,
  type Gate,
  type Upstream,
  type UpstreamHandler,
  usageChunk,
} from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";

const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "month" };
const keyOf = (limits: Partial<KeyLimits>): Key => ({
  id: "cfg_a" as KeyId,
  name: "a",
  models: undefined,
  priority: 2,
  limits: { ...none, ...limits },
});
const dollar = 10n ** 12n;

describe("L01 a minute's window", () => {
  /** Steps of time, whole seconds and their edges among them, and what the wall's clock does meanwhile. */
  const step = fc.record({
    ms: fc.oneof(fc.nat(50), fc.constantFrom(999, 1000, 1001, 59_999, 60_000, 60_001, 61_000), fc.nat(20_000)),
    wallMs: fc.constantFrom(0, 0, -3_600_000, 3_600_000, -86_400_000),
    tokens: fc.integer({ min: 1, max: 40 }),
    used: fc.nat(60),
  });

  test("L01 lets through what a list of all calls would, at any time, whatever the clock on the wall is set to", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 9 }), async (steps, limit) => {
        const time = { nowMs: 500, wallMs: Date.UTC(2026, 0, 1) };
        const clock: Clock = { now: () => time.nowMs, wall: () => time.wallMs, after: () => () => undefined };
        const limits = createKeyLimits({ clock });
        const key = keyOf({ requestsPerMinute: limit, tokensPerMinute: 100 });
        const call = callOf(undefined, { key });
        const requests: number[] = [];
        const tokens: { readonly second: number; amount: number }[] = [];
        for (const { ms, wallMs, tokens: most, used } of steps) {
          time.nowMs += ms;
          time.wallMs += ms + wallMs;
          const newest = Math.floor(time.nowMs / 1000);
          const place = await limits.enter(call);
          const counted = requests.filter((second) => second > newest - 61).length;
          expect(place instanceof ChatError).toBe(counted >= limit);
          if (place instanceof ChatError) continue;
          const counts = tokens.filter(({ second }) => second > newest - 61).reduce((sum, { amount }) => sum + amount, 0);
          const reservation = await limits.reserve(call, () => ({ tokens: most, picoUsd: 0n }));
          expect(reservation instanceof ChatError).toBe(counts + most > 100);
          place.release(reservation instanceof ChatError);
          if (reservation instanceof ChatError) continue;
          requests.push(newest);
          tokens.push({ second: newest, amount: used });
          reservation.settle({ tokens: used, picoUsd: 0n });
        }
      }),
    );
  });
});

/** A thousandth of a dollar for a token of the input, two for one of the output. */
const prices = "input_price: 1000, output_price: 2000";
const names = ["lower", "higher", "crash", "cancel", "failover"];
/** Thirty-seven calls' worth. */
const crowds = ["first", "second"];
const measured = ["whole", "stream", "cut", "cached", "vectors", "long", "longest", "unknown"];

let house: House;
let upstream: Upstream;
let handler: UpstreamHandler = (reply) => reply.json(completion("hello"));
beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => handler(reply, request, ordinal));
  const keys = [
    ...names.map((name) => `{name: ${name}, key: key-${name}, limits: {budget_usd: 8, budget_period: total}}`),
    ...crowds.map((name) => `{name: ${name}, key: key-${name}, limits: {budget_usd: ${37 * 0.024}, budget_period: total}}`),
    ...measured.map((name) => `{name: ${name}, key: key-${name}, limits: {tokens_per_minute: 10000000, budget_usd: 1000}}`),
    "{name: free, key: key-free}",
    "{name: once, key: key-once, limits: {requests_per_minute: 1}}",
    "{name: alone, key: key-alone, limits: {concurrent_calls: 1}}",
    "{name: poor, key: key-poor, limits: {budget_usd: 0.001}}",
  ];
  const claude = (name: string): string =>
    `${name}: {type: anthropic, base_url: "${upstream.url}/${name}", api_key: k, models: [{id: three, ${prices}}, claude-sonnet-4-5]}`;
  house = await openHouse(`
auth: {keys: [${keys.join(", ")}]}
health: {probe: none}
cache: {enabled: false}
resilience: {retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}, circuit_breaker: {consecutive_failures: 1000, failure_ratio: 1, min_calls: 100000}}
routing_policy: {type: failover, config: {primary_provider: one, backup_providers: [two, up], failover_delay: 1ms}}
providers:
  ${claude("one")}
  ${claude("two")}
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: three, ${prices}}, {id: m, ${prices}, cached_input_price: 100}, {id: unpriced}, {id: e, kind: embedding, input_price: 1000}]}
  narrow: {type: openai_compatible, base_url: "${upstream.url}/v1", max_concurrent: 1, models: [{id: m, ${prices}}]}
`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
beforeEach(() => {
  house.forget();
  return () => expect(house.bugs).toEqual([]);
});

interface Asking {
  readonly stream?: boolean;
  readonly model?: string;
  readonly path?: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

async function ask(
  name: string,
  { stream = false, model = "up/m", path = "chat/completions", body = {}, signal }: Asking = {},
): Promise<Response> {
  const question =
    path === "embeddings"
      ? { model, input: "hello" }
      : { model, max_tokens: 1000, messages: [{ role: "user", content: "hello" }], ...(stream && { stream }), ...body };
  return fetch(`${house.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer key-${name}` },
    body: JSON.stringify(question),
    ...(signal !== undefined && { signal }),
  });
}

const read = async (asked: Promise<Response>): Promise<string> => (await asked).text();
const keyNamed = (name: string): Key => {
  const found = house.records.find(({ call }) => call.key.name === name)?.call.key;
  if (found === undefined) throw new Error(`${name} has called nobody`);
  return found;
};
const recordedBy = (name: string) =>
  spendOf(house.records.filter(({ call }) => call.key.name === name).flatMap(({ attempts }) => attempts));
const answers =
  (usage: object): UpstreamHandler =>
  (reply) =>
    reply.json(completion("hello", { usage }));

describe("L02 money that was set aside is settled to what was used", () => {
  /** Nothing is set aside any more, and what is spent is what the attempts used. */
  const isBalanced = async (name: string): Promise<bigint> => {
    await until(() => house.gateway.running() === 0, "no call runs");
    const spent = recordedBy(name).picoUsd;
    expect(house.gateway.limits.standing(keyNamed(name))).toEqual({ spentPicoUsd: spent, reservedPicoUsd: 0n });
    return spent;
  };

  test("L02 where that was less", async () => {
    handler = answers({ prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 });
    await read(ask("lower"));
    expect(await isBalanced("lower")).toBe((14n * dollar) / 1000n);
  });

  test("L02 where that was more, which is the one call's and spent to the last of it", async () => {
    handler = answers({ prompt_tokens: 10, completion_tokens: 4500, total_tokens: 4510 });
    // It had two dollars, and used nine: a dollar more than there is, and seven more than were set aside.
    await read(ask("higher"));
    expect(await isBalanced("higher")).toBe((9010n * dollar) / 1000n);
    const next = await ask("higher");
    expect([next.status, next.headers.get("x-should-retry")]).toEqual([429, "false"]);
  });

  test("L02 where the upstream crashed in the middle", async () => {
    handler = async (reply) => {
      reply.sse().data(chunk({ role: "assistant", content: "some words of an answer" }));
      await soon();
      reply.reset();
    };
    expect(await read(ask("crash", { stream: true }))).toContain("stream_interrupted");
    expect(await isBalanced("crash")).toBeGreaterThan(0n);
  });

  test("L02 where the caller left", async () => {
    const gate = createGate();
    handler = async (reply) => {
      reply.sse().data(chunk({ role: "assistant", content: "some words of an answer" }));
      await gate.opened;
    };
    const leaving = new AbortController();
    const response = await ask("cancel", { stream: true, signal: leaving.signal });
    await response.body?.getReader().read();
    leaving.abort();
    await until(() => house.records.length === 1, "the call is over");
    gate.open();
    expect(await isBalanced("cancel")).toBeGreaterThan(0n);
  });

  test("L02 where two failed and the third answered, each of which had used something", async () => {
    handler = async (reply, request) => {
      if (!request.path.startsWith("/one") && !request.path.startsWith("/two")) {
        const sse = reply.sse().data(chunk({ role: "assistant", content: "hello" }));
        return sse.data(chunk({}, "stop")).data(usageChunk(10, 2)).done();
      }
      const message = anthropicMessage([], { stop_reason: null, usage: { input_tokens: 30, output_tokens: 0 } });
      reply.sse().data({ type: "message_start", message }, "message_start");
      await soon();
      reply.reset();
    };
    const text = await read(ask("failover", { model: "three", stream: true }));
    expect(text).toContain("[DONE]");
    expect(house.records[0]?.attempts.map(({ target, won }) => [target.provider, won])).toEqual([
      ["one", false],
      ["two", false],
      ["up", true],
    ]);
    expect(await isBalanced("failover")).toBe((74n * dollar) / 1000n);
  });

  test("L02 where a process was killed, whose calls were under way", async () => {
    const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const config = `
auth: {keys: [{name: a, key: key-a, limits: {budget_usd: ${10 * 0.024}, budget_period: total}}]}
admin: {token: secret}
health: {probe: none}
providers:
  sim: {type: simulated, models: [{id: m, ${prices}}], reply: "tokens:10", tokens_per_second: 1e9, first_token: 5ms}
  slow: {type: simulated, models: [{id: s, ${prices}}], reply: "tokens:10", tokens_per_second: 1e9, first_token: 20s}
`;
    const start = () => startServer(config, { SEMAROUTE_STORE_URL: `sqlite:${join(folder, "x.db")}` });
    const one = (url: string, model: string): Promise<string> =>
      doorClient("REST")
        .ask(url, { model, headers: { authorization: "Bearer key-a" } })
        .then(
          () => "ok",
          (thrown: unknown) => (thrown instanceof Error && "word" in thrown ? String(thrown.word) : "gone"),
        );
    {
      await using server = await start();
      for (let i = 0; i < 3; i++) expect(await one(server.url, "sim/m")).toBe("ok");
      const running = Promise.all(Array.from({ length: 3 }, () => one(server.url, "slow/s")));
      await until(
        async () => (await (await fetch(`${server.url}/metrics`)).text()).includes('calls_in_flight{door="openai"} 3'),
        "three run",
      );
      // What ended in the last tens of milliseconds is not in the journal yet.
      await soon(300);
      await server.stop("SIGKILL");
      expect(await running).toEqual(["gone", "gone", "gone"]);
    }
    await using server = await start();
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => one(server.url, "sim/m")));
    expect(outcomes.filter((word) => word === "ok")).toHaveLength(7);
    expect(outcomes.filter((word) => word === "insufficient_quota")).toHaveLength(23);
  });

  test("L02 where a hedge was sent, too, is told in test/e2e/limits.test.ts: whatever is reserved is never less than nothing", async () => {
    const step = fc.record({ most: fc.nat(60), used: fc.nat(90), leaves: fc.boolean(), waitMs: fc.nat(3000) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 300 }), async (steps, budget) => {
        const clock = createFakeClock();
        const limits = createKeyLimits({ clock });
        const key = keyOf({ budgetMicroUsd: budget });
        const micro = 10n ** 6n;
        // What was spent before is looked up.
        const nothing = await limits.reserve(callOf(undefined, { key }), () => ({ tokens: 0, picoUsd: 0n }));
        if (!(nothing instanceof ChatError)) nothing.settle({ tokens: 0, picoUsd: 0n });
        let spent = 0n;
        let overshoot = 0n;
        const open: { readonly reservation: Reservation; readonly used: bigint }[] = [];
        const settle = (): void => {
          const next = open.shift();
          if (next === undefined) return;
          const over = next.used - next.reservation.picoUsd;
          if (over > 0n) overshoot += over;
          spent += next.used;
          next.reservation.settle({ tokens: 0, picoUsd: next.used });
          // A second word about it changes nothing.
          next.reservation.settle({ tokens: 0, picoUsd: 10n ** 15n });
        };
        for (const { most, used, leaves, waitMs } of steps) {
          const leaving = new AbortController();
          const verdict = Promise.resolve(
            limits.reserve(callOf(undefined, { key, signal: leaving.signal }), () => ({ tokens: 0, picoUsd: BigInt(most) * micro })),
          );
          const answer: { got?: Reservation | ChatError } = {};
          void verdict.then(
            (each) => (answer.got = each),
            () => undefined,
          );
          for (let i = 0; i < 10; i++) await Promise.resolve();
          if (answer.got === undefined && leaves) leaving.abort(new ChatError("CANCELLED", "gone"));
          else
            while (answer.got === undefined && open.length > 0) {
              settle();
              for (let i = 0; i < 10; i++) await Promise.resolve();
            }
          const { got } = answer;
          if (got !== undefined && !(got instanceof ChatError)) open.push({ reservation: got, used: BigInt(used) * micro });
          else clock.advance(waitMs);
          const standing = await limits.standing(key);
          expect(standing?.spentPicoUsd).toBe(spent);
          expect(standing?.reservedPicoUsd).toBe(open.reduce((sum, { reservation }) => sum + reservation.picoUsd, 0n));
          expect(standing?.reservedPicoUsd).toBeGreaterThanOrEqual(0n);
        }
        while (open.length > 0) settle();
        if (steps.length > 0) expect(await limits.standing(key)).toEqual({ spentPicoUsd: spent, reservedPicoUsd: 0n });
        expect(spent).toBeLessThanOrEqual(BigInt(budget) * micro + overshoot);
      }),
      { numRuns: 60 },
    );
  });
});

describe("L03 two hundred calls at once of a key that nobody has heard of", () => {
  test.each([
    { budget: 37, reserve: 1, granted: 37 },
    { budget: 100, reserve: 7, granted: 14 },
    { budget: 5, reserve: 5, granted: 1 },
    // Nobody else has anything set aside: one gets what there is.
    { budget: 5, reserve: 9, granted: 1 },
  ])("L03 of $budget, $reserve for each, are set aside $granted times", async ({ budget, reserve, granted }) => {
    const clock = createFakeClock();
    let asked = 0;
    const told = Promise.withResolvers<bigint>();
    const limits = createKeyLimits({ clock, spentSince: () => (asked++, told.promise) });
    const call = callOf(undefined, { key: keyOf({ budgetMicroUsd: budget }) });
    const got: Reservation[] = [];
    const refused: ChatError[] = [];
    const all = Array.from({ length: 200 }, async () => {
      const verdict = await limits.reserve(call, () => ({ tokens: 0, picoUsd: BigInt(reserve) * 10n ** 6n }));
      if (verdict instanceof ChatError) refused.push(verdict);
      else got.push(verdict);
    });
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 300; i++) await Promise.resolve();
    };
    await turns();
    expect([asked, got.length]).toEqual([1, 0]);
    told.resolve(0n);
    await turns();
    expect(got).toHaveLength(granted);
    // All use what they have; what is left then is for one more.
    const left = budget - granted * Math.min(reserve, budget);
    for (let at = 0; at < got.length; at++) {
      const each = got[at];
      each?.settle({ tokens: 0, picoUsd: each.picoUsd });
      await turns();
    }
    await Promise.all(all);
    expect(got).toHaveLength(granted + (left > 0 ? 1 : 0));
    expect(new Set(refused.map(({ failure }) => failure))).toEqual(new Set(["BUDGET_EXHAUSTED"]));
    expect(await limits.standing(call.key)).toEqual({ spentPicoUsd: BigInt(budget) * 10n ** 6n, reservedPicoUsd: 0n });
  });

  test.each(crowds)("L03 by sockets of all protocols at once: as many as there is money for, key %s", async (name) => {
    // 0.024 dollars each.
    const words = "one two three four five six seven eight nine";
    handler = (reply, request) => {
      const usage = { prompt_tokens: 4, completion_tokens: 10, total_tokens: 14 };
      if (!isStreamed(request)) return reply.json(completion(words, { usage }));
      reply
        .sse()
        .data(chunk({ role: "assistant", content: words }, "stop"))
        .data(usageChunk(4, 10))
        .done();
    };
    const doors = ["REST", "SSE", "grpc unary", "grpc stream"].map(doorClient);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        (doors[at % doors.length] ?? doorClient("REST"))
          .ask(house.url, { model: "up/m", headers: { authorization: `Bearer key-${name}` } })
          .then(
            () => "ok",
            (thrown: unknown) => (thrown instanceof Error && "word" in thrown ? String(thrown.word).toLowerCase() : String(thrown)),
          ),
      ),
    );
    const counts = Object.groupBy(outcomes, (word) => (word === "ok" ? "ok" : /quota|budget/.test(word) ? "budget" : word));
    expect(Object.fromEntries(Object.entries(counts).map(([word, all]) => [word, all?.length]))).toEqual({ ok: 37, budget: 163 });
    expect(house.gateway.limits.standing(keyNamed(name))).toEqual({ spentPicoUsd: (37n * 24n * dollar) / 1000n, reservedPicoUsd: 0n });
  });
});

describe("L04 what a call counts is what it used", () => {
  const openaiUsage = (input: number, output: number, cached = 0) => ({
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
  });
  const claudeAnswers =
    (input: number): UpstreamHandler =>
    (reply) =>
      reply.json(anthropicMessage([{ type: "text", text: "hello" }], { usage: { input_tokens: input, output_tokens: 10 } }));
  const rows: readonly {
    readonly name: string;
    readonly what: string;
    readonly play: UpstreamHandler;
    readonly asking: Asking;
    readonly tokens: number;
    readonly pico: bigint;
  }[] = [
    {
      name: "whole",
      what: "a whole answer",
      play: answers(openaiUsage(1234, 56)),
      asking: {},
      tokens: 1290,
      pico: (1234n + 112n) * 10n ** 9n,
    },
    {
      name: "stream",
      what: "a stream",
      play: (reply) =>
        reply
          .sse()
          .data(chunk({ role: "assistant", content: "hello" }))
          .data(chunk({}, "stop"))
          .data(usageChunk(2345, 67))
          .done(),
      asking: { stream: true },
      tokens: 2412,
      pico: (2345n + 134n) * 10n ** 9n,
    },
    {
      name: "cached",
      what: "input that the vendor had in its cache",
      play: answers(openaiUsage(5000, 10, 4000)),
      asking: {},
      tokens: 5010,
      pico: 1000n * 10n ** 9n + 4000n * 10n ** 8n + 20n * 10n ** 9n,
    },
    {
      name: "vectors",
      what: "vectors",
      play: (reply) => reply.json(embeddings([[1]], { usage: { prompt_tokens: 77, total_tokens: 77 } })),
      asking: { path: "embeddings", model: "up/e" },
      tokens: 77,
      pico: 77n * 10n ** 9n,
    },
    {
      name: "long",
      what: "a prompt of 200,000 tokens",
      play: claudeAnswers(200_000),
      asking: { model: "one/claude-sonnet-4-5" },
      tokens: 200_010,
      pico: 200_000n * 3_000_000n + 10n * 15_000_000n,
    },
    {
      name: "longest",
      what: "a prompt of one token more, which costs another price",
      play: claudeAnswers(200_001),
      asking: { model: "one/claude-sonnet-4-5" },
      tokens: 200_011,
      pico: 200_001n * 6_000_000n + 10n * 22_500_000n,
    },
  ];
  const remaining = (name: string): number | undefined => house.gateway.router.allowances(keyNamed(name))?.tokens?.remaining;

  test.each(rows)("L04 $what", async ({ name, play, asking, tokens, pico }) => {
    handler = play;
    const response = await ask(name, asking);
    expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
    await until(() => house.gateway.running() === 0 && house.records.length > 0, "the call is over");
    expect(remaining(name)).toBe(10_000_000 - tokens);
    expect(house.gateway.limits.standing(keyNamed(name))).toEqual({ spentPicoUsd: pico, reservedPicoUsd: 0n });
  });

  test("L04 a stream that was cut, as it is estimated", async () => {
    handler = async (reply) => {
      reply.sse().data(chunk({ role: "assistant", content: "some words of an answer" }));
      await soon();
      reply.cut();
    };
    await read(ask("cut", { stream: true }));
    await until(() => house.records.length === 1, "the call is over");
    const { tokens, picoUsd } = recordedBy("cut");
    expect(house.records[0]?.attempts.at(-1)?.usage).toMatchObject({ estimated: true, outputTokens: expect.any(Number) });
    expect([tokens > 0, remaining("cut")]).toEqual([true, 10_000_000 - tokens]);
    expect(house.gateway.limits.standing(keyNamed("cut"))).toEqual({ spentPicoUsd: picoUsd, reservedPicoUsd: 0n });
  });

  test("L04 what nobody knows the price of: refused to a key with a budget, unpriced and not free to others", async () => {
    handler = answers(openaiUsage(10, 2));
    const refused = await ask("unknown", { model: "up/unpriced" });
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("unpriced")]);
    const served = await ask("free", { model: "up/unpriced" });
    expect([served.status, served.headers.get("x-semaroute-cost-usd")]).toEqual([200, null]);
    await served.text();
    await until(() => house.records.some(({ call }) => call.key.name === "free"), "it is over");
    const usage = house.records.find(({ call }) => call.key.name === "free")?.attempts[0]?.usage;
    expect([usage?.inputTokens, usage?.costPicoUsd]).toEqual([10, undefined]);
  });
});

describe("L05 a wait that a refusal tells is true", () => {
  const entered = async (limits: ProcessLimits, key: Key) => limits.enter(callOf(undefined, { key }));
  const waitOf = (verdict: unknown): number =>
    verdict instanceof ChatError && verdict.failure === "CALLER_RATE_LIMITED" ? (verdict.retryAfterMs ?? -1) : 0;
  /** A moment earlier is too early. */
  const isTrue = async (clock: FakeClock, waitMs: number, tries: () => Promise<unknown>): Promise<void> => {
    expect(waitMs).toBeGreaterThan(0);
    clock.advance(waitMs - 1);
    expect(waitOf(await tries())).toBe(1);
    clock.advance(1);
    expect(await tries()).not.toBeInstanceOf(ChatError);
  };

  test("L05 of requests", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(15_000), { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 6 }), async (pauses, limit) => {
        const clock = createFakeClock();
        const limits = createKeyLimits({ clock });
        const key = keyOf({ requestsPerMinute: limit });
        for (const ms of pauses) {
          clock.advance(ms);
          const waitMs = waitOf(await entered(limits, key));
          if (waitMs > 0) await isTrue(clock, waitMs, () => entered(limits, key));
        }
      }),
    );
  });

  test("L05 of tokens", async () => {
    const step = fc.record({ ms: fc.nat(15_000), most: fc.integer({ min: 1, max: 1000 }), used: fc.nat(1000) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const clock = createFakeClock();
        const limits = createKeyLimits({ clock });
        const call = callOf(undefined, { key: keyOf({ tokensPerMinute: 1000 }) });
        for (const { ms, most, used } of steps) {
          clock.advance(ms);
          const tries = async () => limits.reserve(call, () => ({ tokens: most, picoUsd: 0n }));
          const verdict = await tries();
          if (!(verdict instanceof ChatError)) verdict.settle({ tokens: Math.min(used, most), picoUsd: 0n });
          else await isTrue(clock, waitOf(verdict), tries);
        }
      }),
    );
  });

  test("L05 by REST in seconds that are not too few, and in milliseconds; where no wait helps none is told", async () => {
    handler = answers({ prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 });
    await read(ask("once"));
    const { headers } = await refusal(doorClient("REST").ask(house.url, { model: "up/m", headers: { authorization: "Bearer key-once" } }));
    const [seconds, ms] = ["retry-after", "retry-after-ms"].map((name) => Number(headers.get(name)));
    expect(ms).toBeGreaterThan(59_000);
    expect(ms).toBeLessThanOrEqual(61_000);
    expect(seconds).toBe(Math.ceil((ms ?? 0) / 1000));
    await read(ask("poor"));
    const spent = await refusal(doorClient("REST").ask(house.url, { model: "up/m", headers: { authorization: "Bearer key-poor" } }));
    expect([spent.status, spent.headers.get("retry-after"), spent.headers.get("x-should-retry")]).toEqual([429, null, "false"]);
  });

  test("L05 of a place: it is free as soon as the call before is over", async () => {
    const gate = createGate();
    handler = async (reply) => {
      await gate.opened;
      reply.json(completion("hello"));
    };
    const first = read(ask("alone"));
    await until(() => house.gateway.running() === 1, "the first runs");
    const second = await ask("alone");
    expect([second.status, second.headers.get("retry-after")]).toEqual([429, "1"]);
    gate.open();
    await first;
    expect((await ask("alone")).status).toBe(200);
  });
});

test("L06 one key's flood has others wait for a call of it, and not for all", async () => {
  const order: string[] = [];
  const gates: Gate[] = [];
  handler = async (reply, { body }) => {
    order.push(/"content":"(flood|other)/.exec(JSON.stringify(body))?.[1] ?? "");
    const gate = createGate();
    gates.push(gate);
    await gate.opened;
    reply.json(completion("hello"));
  };
  const call = (name: string, content: string): Promise<number> =>
    ask(name, { model: "narrow/m", body: { messages: [{ role: "user", content }] } }).then(
      async (response) => (await response.text(), response.status),
    );
  const flood = Array.from({ length: 30 }, (_, at) => call("free", `flood ${at}`));
  await until(() => gates.length === 1 && house.gateway.running() === 30, "the flood waits for its one place");
  const others = Array.from({ length: 5 }, (_, at) => call("whole", `other ${at}`));
  await until(() => house.gateway.running() === 35, "the others wait, too");
  for (let at = 0; at < 35; at++) {
    await until(() => gates.length > at, "the next one is served");
    gates[at]?.open();
  }
  expect(new Set(await Promise.all([...flood, ...others]))).toEqual(new Set([200]));
  // One of the flood was there; from then on every second one is another's, until they have all been served.
  const served = order.flatMap((each, at) => (each === "other" ? [at] : []));
  expect(served).toHaveLength(5);
  expect(served.at(-1)).toBeLessThanOrEqual(11);
});
