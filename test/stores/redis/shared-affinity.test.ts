/** Two replicas' knowledge of conversations on one real Redis. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Affinity, Holding } from "../../../src/core/affinity.ts";
import type { TargetId } from "../../../src/core/catalog.ts";
import type { RedisFailure } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createAffinity } from "../../../src/stores/affinity.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { createSharedAffinity } from "../../../src/stores/redis/shared-affinity.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { until } from "../../e2e/scene.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

interface Replica {
  readonly connection: RedisConnection;
  readonly affinity: Affinity;
  /** Of its memory. */
  readonly clock: FakeClock;
  readonly failures: (RedisFailure | undefined)[];
}

let redis: RedisServer;
let [a, b]: Replica[] = [];

async function replicaOf(): Promise<Replica> {
  const address = redisAddressFrom(redis.url);
  if (typeof address === "string") throw new Error(address);
  const ready = Promise.withResolvers<void>();
  const failures: Replica["failures"] = [];
  const connection = createRedisConnection({
    address,
    timeoutMs: 500,
    clock: systemClock,
    random: () => 0.5,
    observer: {
      ran: (_use, _ms, failure) => void failures.push(failure),
      changed: ({ state }) => void (state === "up" && ready.resolve()),
    },
  });
  await ready.promise;
  const clock = createFakeClock();
  return { connection, affinity: createSharedAffinity(createAffinity(clock), connection), clock, failures };
}

function replicas(): [Replica, Replica] {
  if (a === undefined || b === undefined) throw new Error("they did not start");
  return [a, b];
}

let serial = 0;
/** A conversation that nobody knows yet. */
const fresh = (): string => `cfg_team a ${serial++}`;
const held: Holding = { target: "openai/m" as TargetId, tokens: 1234, ttlMs: 300_000 };
const signal = new AbortController().signal;

/** As a call does it. */
async function found({ affinity }: Replica, conversation: string): Promise<Holding | undefined> {
  await affinity.recollect?.(conversation, signal);
  return affinity.find(conversation);
}

const keys = (): Promise<string[]> => redis.client.keys("semaroute:affinity:*");
/** Writes are nobody's wait. */
async function bound({ affinity }: Replica, conversation: string, holding: Holding = held): Promise<string> {
  const before = new Set(await keys());
  affinity.bind(conversation, holding);
  let name: string | undefined;
  await until(async () => (name = (await keys()).find((each) => !before.has(each))) !== undefined, "a holder in Redis");
  return name ?? "";
}

beforeAll(async () => {
  if (!hasRedis) return;
  redis = await startRedis();
  [a, b] = await Promise.all([replicaOf(), replicaOf()]);
});

afterAll(async () => {
  if (!hasRedis) return;
  for (const { connection } of replicas()) connection.close();
  await redis[Symbol.asyncDispose]();
});

describe.skipIf(!hasRedis)("a holder that one replica bound", () => {
  test("is found by the other once it asked, and by nobody who asks for another", async () => {
    const [one, two] = replicas();
    const conversation = fresh();
    await bound(one, conversation);
    expect(two.affinity.find(conversation)).toBeUndefined();
    expect(await found(two, conversation)).toEqual(held);
    expect(await found(two, fresh())).toBeUndefined();
  });

  test("lasts for what is left of its time, there and then here", async () => {
    const [one, two] = replicas();
    const conversation = fresh();
    const name = await bound(one, conversation);
    expect(await redis.client.pttl(name)).toBeGreaterThan(290_000);
    await redis.client.pexpire(name, 60_000);
    expect(await found(two, conversation)).toEqual(held);
    two.clock.advance(59_000);
    expect(two.affinity.find(conversation)).toEqual(held);
    two.clock.advance(1_001);
    expect(two.affinity.find(conversation)).toBeUndefined();
  });

  test("does not take the place of what was bound here while it was asked for", async () => {
    const [one, two] = replicas();
    const conversation = fresh();
    await bound(one, conversation);
    const asking = two.affinity.recollect?.(conversation, signal);
    const own = { ...held, target: "groq/m" as TargetId };
    two.affinity.bind(conversation, own);
    await asking;
    expect(two.affinity.find(conversation)).toEqual(own);
  });

  test("is none where it is spoilt, and is deleted", async () => {
    const [one, two] = replicas();
    const conversation = fresh();
    const name = await bound(one, conversation);
    const good = JSON.parse((await redis.client.get(name)) ?? "");
    for (const spoilt of [
      "",
      "{",
      "[]",
      "null",
      JSON.stringify({ ...good, target: 7 }),
      JSON.stringify({ ...good, target: "nobody" }),
      JSON.stringify({ ...good, tokens: -1 }),
      JSON.stringify({ ...good, tokens: 0.5 }),
      JSON.stringify({ ...good, ttl_ms: "long" }),
      JSON.stringify({ ...good, ttl_ms: 1e12 }),
      JSON.stringify({ ...good, more: "x".repeat(2000) }),
    ]) {
      await redis.client.set(name, spoilt, "PX", 60_000);
      expect(await found(two, conversation), spoilt).toBeUndefined();
      await until(async () => (await redis.client.exists(name)) === 0, "its end");
    }
    await redis.client.del(name);
    await redis.client.hset(name, "a", "b");
    expect(await found(two, conversation)).toBeUndefined();
  });

  test("without an end is none that could be believed", async () => {
    const [one, two] = replicas();
    const conversation = fresh();
    const name = await bound(one, conversation);
    await redis.client.persist(name);
    expect(await found(two, conversation)).toBeUndefined();
  });

  test("is asked for no longer than its caller waits", async () => {
    const [one] = replicas();
    const gone = AbortSignal.abort();
    one.failures.length = 0;
    await one.affinity.recollect?.(fresh(), gone);
    expect(one.failures).toEqual(["left"]);
  });

  test("is what is known here where Redis is away, and costs no wait", async () => {
    const [one, two] = replicas();
    await redis.kill();
    await until(() => one.connection.status().state === "away" && two.connection.status().state === "away", "a Redis that is away");
    const conversation = fresh();
    one.affinity.bind(conversation, held);
    expect(one.affinity.find(conversation)).toEqual(held);
    const startMs = performance.now();
    for (let each = 0; each < 100; each++) expect(await found(two, conversation)).toBeUndefined();
    expect(performance.now() - startMs).toBeLessThan(500);
    await redis.restart();
    await until(() => one.connection.status().state === "up" && two.connection.status().state === "up", "a Redis that is up", 10_000);
    await bound(one, conversation);
    expect(await found(two, conversation)).toEqual(held);
  }, 20_000);
});
