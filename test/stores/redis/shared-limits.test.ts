/** Limits over a real Redis: several replicas in one process, each with a connection of its own. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import type { Call, Key, KeyId, KeyLimits } from "../../../src/core/call.ts";
import { ChatError } from "../../../src/core/error.ts";
import type { Place, Reservation, SpentSince } from "../../../src/core/limits.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection } from "../../../src/stores/redis/connection.ts";
import { createSharedLimits, type SharedLimits } from "../../../src/stores/redis/shared-limits.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { until } from "../../e2e/scene.ts";
import { callOf } from "../../stages/support.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "month" };
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
  /** Ends without a word to anybody. */
  crash(): void;
}

interface Setting {
  readonly spentSince?: SpentSince;
  readonly url?: string;
  readonly timeoutMs?: number;
}

async function replica({ spentSince = () => Promise.resolve(0n), url = redis.url, timeoutMs = 500 }: Setting = {}): Promise<Replica> {
  const address = redisAddressFrom(url);
  if (typeof address === "string") throw new Error(address);
  const observer = { ran() {}, changed() {} };
  const connection = createRedisConnection({ address, timeoutMs, clock: systemClock, random: Math.random, observer });
  const limits = createSharedLimits({ redis: connection, clock: systemClock, spentSince });
  const crash = (): void => connection.close();
  onTestFinished(() => {
    limits.close();
    crash();
  });
  await until(() => connection.status().state === "up", "redis");
  return { ...limits, crash };
}

const replicas = (count: number, setting?: Setting): Promise<Replica[]> =>
  Promise.all(Array.from({ length: count }, () => replica(setting)));

/** How many of so many calls at once, spread over the replicas, got a place. */
async function entered(all: readonly Replica[], key: Key, calls: number): Promise<Place[]> {
  const verdicts = await Promise.all(Array.from({ length: calls }, (_, i) => all[i % all.length]?.enter(callBy(key))));
  return verdicts.flatMap((verdict) => (verdict === undefined || verdict instanceof ChatError ? [] : [verdict]));
}

async function reserved(limits: Replica | undefined, key: Key, most: { tokens: number; picoUsd: bigint }): Promise<Reservation> {
  const verdict = await limits?.reserve(callBy(key), () => most);
  if (verdict === undefined || verdict instanceof ChatError) throw verdict ?? new Error("no replica");
  return verdict;
}

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
