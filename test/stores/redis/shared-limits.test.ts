/** Limits over a real Redis: several replicas in one process, each with a connection of its own. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import type { Call, Key, KeyId, KeyLimits } from "../../../src/core/call.ts";
import { ChatError } from "../../../src/core/error.ts";
import type { Place, Reservation, SpentSince } from "../../../src/core/limits.ts";
import { RedisError } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { createSharedLimits, type SharedLimits } from "../../../src/stores/redis/shared-limits.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { until } from "../../e2e/scene.ts";
import { callOf } from "../../stages/support.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "month" };
const nothing = (): Promise<bigint> => Promise.resolve(0n);
const usd = (dollars: number): bigint => BigInt(Math.round(dollars * 1e6)) * 1_000_000n;

let redis: RedisServer;
let names = 0;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.[Symbol.asyncDispose]());

/** A key that nobody has called with. */
function keyOf(limits: Partial<KeyLimits>): Key {
  const name = `k${names++}`;
  return { id: `cfg_${name}` as KeyId, name, models: undefined, priority: 2, limits: { ...none, ...limits } };
}
const callBy = (key: Key, signal?: AbortSignal): Call => callOf(undefined, { key, ...(signal && { signal }) });

interface Replica extends SharedLimits {
  readonly connection: RedisConnection;
}

interface Setting {
  readonly spentSince?: SpentSince;
  readonly timeoutMs?: number;
  readonly server?: RedisServer;
  /** Stands between the replica and its Redis. */
  readonly between?: (connection: RedisConnection) => RedisConnection;
}

async function replica({ spentSince = nothing, timeoutMs = 500, server = redis, between = (it) => it }: Setting = {}): Promise<Replica> {
  const address = redisAddressFrom(server.url);
  if (typeof address === "string") throw new Error(address);
  const observer = { ran() {}, changed() {} };
  const connection = createRedisConnection({ address, timeoutMs, clock: systemClock, random: Math.random, observer });
  const limits = createSharedLimits({ redis: between(connection), clock: systemClock, spentSince });
  onTestFinished(async () => {
    await limits.close();
    connection.close();
  });
  await until(() => connection.status().state === "up", "redis");
  return { ...limits, connection };
}

const replicas = (count: number, setting?: Setting): Promise<Replica[]> =>
  Promise.all(Array.from({ length: count }, () => replica(setting)));

/** How many of so many calls at once, spread over the replicas, got a place. */
async function entered(all: readonly Replica[], key: Key, calls: number): Promise<Place[]> {
  const verdicts = await Promise.all(Array.from({ length: calls }, async (_, i) => all[i % all.length]?.enter(callBy(key))));
  return verdicts.flatMap((verdict) => (verdict === undefined || verdict instanceof ChatError ? [] : [verdict]));
}

async function reserve(limits: Replica | undefined, key: Key, picoUsd: bigint, tokens = 0): Promise<Reservation | ChatError> {
  const verdict = await limits?.reserve(callBy(key), () => ({ tokens, picoUsd }));
  if (verdict === undefined) throw new Error("no replica");
  return verdict;
}

async function reserved(...asked: Parameters<typeof reserve>): Promise<Reservation> {
  const verdict = await reserve(...asked);
  if (verdict instanceof ChatError) throw verdict;
  return verdict;
}

const failureOf = (verdict: object): string => (verdict instanceof ChatError ? verdict.failure : "granted");
const noTokens = { tokens: 0 };
const isUp = ({ connection }: Replica): boolean => connection.status().state === "up";
/** Until every replica has said what it has to say. */
const beats = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1500));

describe.skipIf(!hasRedis)("over four replicas", () => {
  test("of two hundred calls at once a hundred pass, where the key has a hundred requests a minute", async () => {
    const all = await replicas(4);
    const key = keyOf({ requestsPerMinute: 100 });
    expect(await entered(all, key, 200)).toHaveLength(100);
    expect(await entered(all, key, 20)).toHaveLength(0);
    expect(all[0]?.allowances(key)?.requests).toMatchObject({ limit: 100, remaining: 0 });
  });

  test("ten run at once, and as many again when they are over", async () => {
    const all = await replicas(4);
    const key = keyOf({ concurrentCalls: 10 });
    const places = await entered(all, key, 200);
    expect(places).toHaveLength(10);
    for (const place of places) place.release(false);
    await until(async () => !((await all[0]?.enter(callBy(key))) instanceof ChatError), "a place");
  });

  test("money is given to exactly those it is enough for", async () => {
    const all = await replicas(4);
    const key = keyOf({ budgetMicroUsd: 37_000_000 });
    let served = 0;
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const verdict = await all[i % 4]?.reserve(callBy(key), () => ({ tokens: 0, picoUsd: usd(3) }));
        if (verdict === undefined || verdict instanceof ChatError) return verdict?.failure;
        await new Promise((resolve) => setTimeout(resolve, 5));
        served += 1;
        verdict.settle({ tokens: 0, picoUsd: usd(1) });
        return "ok";
      }),
    );
    expect([served, outcomes.filter((outcome) => outcome === "BUDGET_EXHAUSTED").length]).toEqual([37, 163]);
    expect(await all[1]?.standing(key)).toMatchObject({ spentPicoUsd: usd(37), reservedPicoUsd: 0n });
  });
});

describe.skipIf(!hasRedis)("a call that waits for money", () => {
  test("gets what another replica's call gives back", async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ budgetMicroUsd: 1_000_000 });
    const first = await reserved(one, key, usd(1));
    const second = reserved(other, key, usd(0.5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.settle({ ...noTokens, picoUsd: usd(0.25) });
    expect((await second).picoUsd).toBe(usd(0.5));
  });

  test("is sent away after five seconds in which nobody was settled", { timeout: 15_000 }, async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ budgetMicroUsd: 1_000_000 });
    await reserved(one, key, usd(1));
    const startMs = performance.now();
    expect(await reserve(other, key, usd(0.5))).toMatchObject({ failure: "CALLER_RATE_LIMITED", retryAfterMs: 1000 });
    expect(performance.now() - startMs).toBeGreaterThan(4900);
  });

  test("leaves with its caller, and is given what a change of its key allows", async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ budgetMicroUsd: 1_000_000 });
    await reserved(one, key, usd(1));
    const leaving = new AbortController();
    const gone = other?.reserve(callBy(key, leaving.signal), () => ({ ...noTokens, picoUsd: usd(0.5) }));
    const second = reserved(other, key, usd(0.5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    leaving.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    other?.changed({ ...key, limits: { ...none, budgetMicroUsd: 2_000_000 } });
    expect((await second).picoUsd).toBe(usd(0.5));
  });

  test("may set more aside while it runs, as far as there is any over all replicas", async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ budgetMicroUsd: 1_000_000 });
    const [first, second] = [await reserved(one, key, usd(0.5)), await reserved(other, key, usd(0.2))];
    expect([await first.extend(usd(0.2)), await second.extend(usd(0.2)), await first.extend(usd(1))]).toEqual([usd(0.2), usd(0.1), 0n]);
    first.settle({ ...noTokens, picoUsd: usd(0.7) });
    second.settle({ ...noTokens, picoUsd: usd(0.3) });
    await until(
      () => one?.exhausted(key) !== undefined || reserve(one, key, 1n).then((no) => failureOf(no) === "BUDGET_EXHAUSTED"),
      "the end",
    );
  });
});

describe.skipIf(!hasRedis)("what was spent", () => {
  test("before anybody asked is asked of the ledger, of this period alone; where it cannot be, calls are 503", async () => {
    const asked: number[] = [];
    const spentSince = (_: KeyId, sinceWall: number): Promise<bigint> => {
      asked.push(sinceWall);
      return asked.length === 1 ? Promise.reject(new Error("away")) : Promise.resolve(usd(0.75));
    };
    const one = await replica({ spentSince });
    const key = keyOf({ budgetMicroUsd: 1_000_000, budgetPeriod: "day" });
    expect(await reserve(one, key, usd(0.5))).toMatchObject({ failure: "STORE_UNAVAILABLE" });
    expect((await reserved(one, key, usd(0.5))).picoUsd).toBe(usd(0.25));
    expect(asked.map((since) => since % 86_400_000)).toEqual([0, 0]);
    expect(one.refusals("budget")).toBe(0);
  });
});

describe.skipIf(!hasRedis)("a replica that goes away", () => {
  test("tells at last what was spent, and what is free", async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ budgetMicroUsd: 1_000_000, concurrentCalls: 1 });
    const place = await one?.enter(callBy(key));
    const first = await reserved(one, key, usd(1));
    first.settle({ ...noTokens, picoUsd: usd(0.4) });
    if (place !== undefined && !(place instanceof ChatError)) place.release(false);
    await one?.close();
    one?.connection.close();
    expect(await other?.standing(key)).toEqual({ spentPicoUsd: usd(0.4), reservedPicoUsd: 0n });
    expect(await entered(other === undefined ? [] : [other], key, 2)).toHaveLength(1);
  });
});

describe.skipIf(!hasRedis)("tokens a minute", () => {
  test("are one limit, put right by what was used, and told in headers", async () => {
    const [one, other] = await replicas(2);
    const key = keyOf({ tokensPerMinute: 1000 });
    const first = await reserved(one, key, 0n, 600);
    expect(await reserve(other, key, 0n, 500)).toMatchObject({ failure: "CALLER_RATE_LIMITED", limitedKey: key.id });
    expect(await reserve(other, key, 0n, 1001)).toMatchObject({ failure: "REQUEST_TOO_LARGE" });
    first.settle({ tokens: 100, picoUsd: 0n });
    expect(one?.allowances(key)?.tokens).toMatchObject({ limit: 1000, remaining: 900 });
    await until(async () => !((await reserve(other, key, 0n, 900)) instanceof ChatError), "the tokens that were not used");
    expect(other?.allowances(key)?.tokens).toMatchObject({ remaining: 0 });
  });
});

describe.skipIf(!hasRedis)("without Redis", () => {
  test(
    "S02, S05: a replica keeps to its part of a minute; Redis is told of it when it is back, and nothing counts twice",
    { timeout: 30_000 },
    async () => {
      await using server = await startRedis();
      const [one, other] = await replicas(2, { server, timeoutMs: 20 });
      if (one === undefined || other === undefined) throw new Error("no replicas");
      const key = keyOf({ requestsPerMinute: 40 });
      await beats();
      expect(await entered([one, other], key, 20)).toHaveLength(20);
      server.freeze();
      // Twenty each, of which each had ten; an answer that came too late may have been a yes.
      const local = [...(await entered([one], key, 30)), ...(await entered([other], key, 5))];
      expect(local).toHaveLength(15);
      server.thaw();
      await until(() => isUp(one) && isUp(other), "redis", 20_000);
      await beats();
      expect(await entered([one, other], key, 30)).toHaveLength(5);
      expect(one.allowances(key)?.requests).toMatchObject({ limit: 40, remaining: 0 });
    },
  );

  test(
    "S04: a Redis that lost its memory is told what a minute has had, and what is set aside, before money is given out",
    { timeout: 30_000 },
    async () => {
      await using server = await startRedis();
      let ledger = 0n;
      const [one, other] = await replicas(2, { server, spentSince: () => Promise.resolve(ledger) });
      if (one === undefined || other === undefined) throw new Error("no replicas");
      const [minute, money] = [keyOf({ requestsPerMinute: 40, concurrentCalls: 31 }), keyOf({ budgetMicroUsd: 1_000_000 })];
      expect(await entered([one, other], minute, 30)).toHaveLength(30);
      const held = await reserved(one, money, usd(0.5));
      (await reserved(other, money, usd(0.5))).settle({ ...noTokens, picoUsd: usd(0.3) });
      await until(async () => (await other.standing(money))?.spentPicoUsd === usd(0.3), "what was spent");
      ledger = usd(0.3);
      await server.client.flushall();
      const next = reserved(other, money, usd(0.2));
      await beats();
      expect((await next).picoUsd).toBe(usd(0.2));
      expect(await one.standing(money)).toMatchObject({ spentPicoUsd: usd(0.3), reservedPicoUsd: usd(0.7) });
      held.settle({ ...noTokens, picoUsd: usd(0.5) });
      expect(await entered([other, one], minute, 30)).toHaveLength(1);
      await until(async () => (await other.standing(money))?.spentPicoUsd === usd(0.8), "what was spent since");
    },
  );

  test("money is a hundredth of the budget, then nobody can say; Redis is told what it was, once", { timeout: 30_000 }, async () => {
    await using server = await startRedis();
    const one = await replica({ server, timeoutMs: 50 });
    const [known, unknown] = [keyOf({ budgetMicroUsd: 100_000_000 }), keyOf({ budgetMicroUsd: 1_000_000_000 })];
    (await reserved(one, known, usd(50))).settle({ ...noTokens, picoUsd: usd(40) });
    await until(async () => (await one.standing(known))?.spentPicoUsd === usd(40), "what was spent");
    const all = await reserved(one, keyOf({ budgetMicroUsd: 1_000_000 }), usd(1));
    server.freeze();
    const loan = await reserved(one, known, usd(0.7));
    expect(await reserve(one, known, usd(0.4))).toMatchObject({
      failure: "STORE_UNAVAILABLE",
      retryAfterMs: 1000,
      message: expect.stringContaining("over all replicas cannot be asked now"),
    });
    loan.settle({ ...noTokens, picoUsd: usd(0.6) });
    const stream = await reserved(one, known, usd(0.3));
    expect([await stream.extend(usd(0.1)), await stream.extend(usd(0.1))]).toEqual([usd(0.1), 0n]);
    // Which is not to say that it is spent.
    expect(stream.unasked).toBe(true);
    // And whoever has all there is has spent it.
    expect([await all.extend(usd(0.1)), all.unasked]).toEqual([0n, false]);
    // Five dollars at most, of one that the ledger alone knows.
    expect([failureOf(await reserve(one, unknown, usd(5))), failureOf(await reserve(one, unknown, 1n))]).toEqual([
      "granted",
      "STORE_UNAVAILABLE",
    ]);
    expect(one.refusals("budget")).toBe(0);
    server.thaw();
    await until(() => isUp(one), "redis", 20_000);
    expect(await one.standing(known)).toMatchObject({ spentPicoUsd: usd(40.6), reservedPicoUsd: usd(0.4) });
    stream.settle({ ...noTokens, picoUsd: usd(0.4) });
    await until(async () => (await one.standing(known))?.spentPicoUsd === usd(41), "what was spent since");
  });

  test("S05: whatever answers are lost, in the end Redis knows of every call, token and cent once", { timeout: 60_000 }, async () => {
    const losses = { commands: 0, answers: 0 };
    /** Loses commands on the way there, and answers on the way back. */
    const lossy = (connection: RedisConnection): RedisConnection => ({
      listen() {},
      sweep: () => Promise.resolve(0),
      status: () => connection.status(),
      close: () => connection.close(),
      async run(command) {
        if (Math.random() < losses.commands) throw new RedisError("timeout", "lost on its way");
        const answer = await connection.run(command);
        if (Math.random() < losses.answers) throw new RedisError("timeout", "its answer was lost");
        return answer;
      },
    });
    const all = await replicas(3, { between: lossy });
    await beats();
    for (let round = 0; round < 10; round++) {
      const key = keyOf({ requestsPerMinute: 1e6, tokensPerMinute: 1e9, concurrentCalls: 1000, budgetMicroUsd: 1e15 });
      await reserved(all[0], key, 1n);
      Object.assign(losses, { commands: 0.15, answers: 0.3 });
      let [requests, tokens, spent, running, held] = [0, 0, 0n, 0, 1n];
      const call = async (i: number): Promise<void> => {
        const limits = all[i % 3];
        const place = await limits?.enter(callBy(key));
        if (place === undefined || place instanceof ChatError) return;
        const reservation = await reserve(limits, key, usd(0.01) + BigInt(i), 1000);
        if (reservation instanceof ChatError) return place.release(true);
        requests += 1;
        if (i % 5 === 0) await reservation.extend(usd(0.01));
        if (i % 7 === 0) {
          tokens += 1000;
          running += 1;
          held += reservation.picoUsd;
          return;
        }
        tokens += i;
        spent += BigInt(i) + 7n;
        reservation.settle({ tokens: i, picoUsd: BigInt(i) + 7n });
        place.release(false);
      };
      for (let batch = 0; batch < 10; batch++) await Promise.all(Array.from({ length: 12 }, (_, i) => call(batch * 12 + i)));
      Object.assign(losses, { commands: 0, answers: 0 });
      for (const limits of all) for (let i = 0; i < 3; i++) await limits.standing(key);
      expect(await all[0]?.standing(key)).toMatchObject({ spentPicoUsd: spent, reservedPicoUsd: held });
      const { requests: left, tokens: tokensLeft } = all[0]?.allowances(key) ?? {};
      expect([1e6 - (left?.remaining ?? 0), 1e9 - (tokensLeft?.remaining ?? 0)]).toEqual([requests, tokens]);
      expect((await entered(all, key, 1100)).length).toBe(1000 - running);
    }
  });
});
