/** Two replicas' stores on one real Redis. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cacheKey, type CachedReply, type CacheKey, type TurnWish } from "../../../src/core/cache.ts";
import type { KeyId } from "../../../src/core/call.ts";
import type { Target } from "../../../src/core/catalog.ts";
import type { SharedCacheEvent } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { namesOf } from "../../../src/stores/redis/names.ts";
import { createPurgeTokens, type PurgeTokens } from "../../../src/stores/redis/purge-tokens.ts";
import { createReplyStore, type ReplyStore } from "../../../src/stores/redis/reply-store.ts";
import type { SharedTurn } from "../../../src/stores/redis/shared-flights.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";
import { targetOf, whole } from "../../stages/support.ts";

const target = targetOf("openai/small");

interface Replica {
  readonly connection: RedisConnection;
  readonly tokens: PurgeTokens;
  readonly store: ReplyStore;
  readonly counted: SharedCacheEvent[];
  /** Whose answers it was told to forget. */
  readonly purged: (string | undefined)[];
}

let redis: RedisServer;
let [a, b]: Replica[] = [];

async function replicaOf(targets: readonly Target[] = [target]): Promise<Replica> {
  const address = redisAddressFrom(redis.url);
  if (typeof address === "string") throw new Error(address);
  const ready = Promise.withResolvers<void>();
  const observer = { ran: () => {}, changed: ({ state }: { state: string }) => void (state === "up" && ready.resolve()) };
  const connection = createRedisConnection({ address, timeoutMs: 500, clock: systemClock, random: () => 0.5, observer });
  const counted: SharedCacheEvent[] = [];
  const purged: (string | undefined)[] = [];
  const tokens = createPurgeTokens({ redis: connection, clock: systemClock, onPurged: (tenant) => purged.push(tenant) });
  const store = createReplyStore({
    redis: connection,
    tokens,
    clock: systemClock,
    random: () => 0.5,
    ttlMs: 60_000,
    targetOf: (id) => targets.find((each) => each.id === id),
    count: (event) => counted.push(event),
  });
  await ready.promise;
  return { connection, tokens, store, counted, purged };
}

function close({ connection, tokens }: Replica): void {
  tokens.close();
  connection.close();
}

let serial = 0;
/** A request that nobody asked before. */
function request(tenant = "cfg_a"): CacheKey {
  serial += 1;
  return cacheKey(tenant as KeyId, `hash-${serial}`);
}

function replyOf(text: string, from = target): CachedReply {
  return { target: from, batches: [[whole(text)]], bytes: 500 };
}

const never = new AbortController().signal;
const wish = (more: Partial<TurnWish> = {}): TurnWish => ({
  streamed: false,
  deadline: systemClock.now() + 60_000,
  signal: never,
  ...more,
});
const textOf = (reply: CachedReply | undefined): unknown => {
  const event = reply?.batches[0]?.[0];
  return event?.case === "whole" ? event.value.choices[0]?.message?.content[0]?.part.value : undefined;
};
function ours(turn: SharedTurn): Extract<SharedTurn, { kind: "ours" }> {
  if (turn.kind !== "ours") throw new Error("it is not ours");
  return turn;
}
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 300) throw new Error("it did not come to that");
    await sleep(10);
  }
}

describe.skipIf(!hasRedis)("answers that replicas share", () => {
  beforeAll(async () => {
    redis = await startRedis();
    [a, b] = [await replicaOf(), await replicaOf()];
  });
  afterAll(async () => {
    if (a !== undefined && b !== undefined) for (const each of [a, b]) close(each);
    await redis[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    a?.counted.splice(0);
    b?.counted.splice(0);
    b?.purged.splice(0);
  });
  const both = (): [Replica, Replica] => {
    if (a === undefined || b === undefined) throw new Error("they are not there");
    return [a, b];
  };

  test("what one keeps another finds, for as long as the configuration says", async () => {
    const [one, other] = both();
    const key = request();
    await one.store.keep(key, replyOf("Hello"));
    const found = await other.store.find(key, never);
    expect(found?.reply).toMatchObject({ target, bytes: 500 });
    expect(textOf(found?.reply)).toMatchObject({ text: "Hello" });
    expect(found?.leftMs).toBeGreaterThan(55_000);
    const ttl = await redis.client.pttl(namesOf(key, false).entry);
    expect(ttl).toBeGreaterThan(55_000);
    expect(ttl).toBeLessThanOrEqual(60_000);
    expect([one.counted, other.counted]).toEqual([["kept"], ["hit"]]);
  });

  test("C02, C03: tenants do not find each other's, whatever they are called, and no name is in a key", async () => {
    const [one, other] = both();
    const tenants = ["a", "a:b", "b", "a:", "ä", "a\u0308", "a\0", "a\0b", "*", "a*", "{a}"];
    for (const tenant of tenants) await one.store.keep(cacheKey(tenant as KeyId, "same"), replyOf(`of ${tenant}`));
    for (const tenant of tenants) {
      expect(textOf((await other.store.find(cacheKey(tenant as KeyId, "same"), never))?.reply)).toMatchObject({ text: `of ${tenant}` });
    }
    expect(await other.store.find(cacheKey("stranger" as KeyId, "same"), never)).toBeUndefined();
    const keys = await redis.client.keys("*same*");
    expect(keys).toHaveLength(tenants.length);
    for (const key of keys) expect(key).toMatch(/^semaroute:cache:1:[\w-]{22}:\{same\}$/);
  });

  test("C06: bytes that are no entry are a miss and are gone, as are those of another tenant", async () => {
    const [one, other] = both();
    const [mine, theirs] = [request("cfg_a"), request("cfg_b")];
    await one.store.keep(theirs, replyOf("a secret"));
    const stolen = await redis.client.getBuffer(namesOf(theirs, false).entry);
    for (const bytes of [
      stolen ?? Buffer.alloc(0),
      Buffer.from("garbage"),
      Buffer.of(2, 0, 1, 2, 3),
      Buffer.alloc(0),
      Buffer.alloc(100_000, 1),
    ]) {
      await redis.client.set(namesOf(mine, false).entry, bytes);
      expect(await other.store.find(mine, never)).toBeUndefined();
      await until(async () => (await redis.client.exists(namesOf(mine, false).entry)) === 0);
    }
    expect(other.counted.filter((event) => event === "corrupt")).toHaveLength(5);
    await redis.client.lpush(namesOf(mine, false).entry, "not even a text");
    expect(await other.store.find(mine, never)).toBeUndefined();
  });

  test("an answer of a target that a replica does not know is none to it, and stays for the others", async () => {
    const [one, other] = both();
    const key = request();
    const stranger = await replicaOf([]);
    await one.store.keep(key, replyOf("Hello"));
    expect(await stranger.store.find(key, never)).toBeUndefined();
    expect(stranger.counted).toEqual(["unknown_target", "miss"]);
    expect(await other.store.find(key, never)).toBeDefined();
    close(stranger);
  });

  test("C07: one asks, and the other gets the answer as soon as it is there", async () => {
    const [one, other] = both();
    const key = request();
    const first = ours(await one.store.turn(key, wish()));
    const second = other.store.turn(key, wish());
    await sleep(50);
    void one.store.keep(key, replyOf("Hello"));
    first.end();
    const turn = await second;
    expect(turn.kind === "known" && textOf(turn.shared.reply)).toMatchObject({ text: "Hello" });
    expect(turn.waitedMs).toBeGreaterThan(40);
    expect(first.waitedMs).toBe(0);
    await until(async () => (await redis.client.exists(namesOf(key, false).lease)) === 0);
    expect([one.counted, other.counted]).toEqual([["flight_led", "kept"], ["flight_joined"]]);
  });

  test("C07: where there is no answer to be kept one takes over, and all others go on their own", async () => {
    const [one, other] = both();
    const key = request();
    const first = ours(await one.store.turn(key, wish()));
    const others = [other.store.turn(key, wish()), other.store.turn(key, wish()), one.store.turn(key, wish())];
    await sleep(30);
    first.end();
    const turns = (await Promise.all(others)).map(ours);
    expect([...one.counted, ...other.counted].toSorted()).toEqual(["flight_given_up", "flight_given_up", "flight_led", "flight_led"]);
    for (const turn of turns) turn.end();
    await until(async () => (await redis.client.exists(namesOf(key, false).lease)) === 0);
  });

  test("C07: who wants a stream does not wait for a whole answer, and none waits for another tenant's", async () => {
    const [one, other] = both();
    const key = request();
    const first = ours(await one.store.turn(key, wish()));
    expect(ours(await other.store.turn(key, wish({ streamed: true }))).waitedMs).toBe(0);
    expect(ours(await other.store.turn(request("cfg_b"), wish())).waitedMs).toBe(0);
    first.end();
    expect(other.counted).toEqual(["flight_led", "flight_led"]);
  });

  test("C07: a wait takes no more than half of what its caller has left, and ends when all callers have left", async () => {
    const [one, other] = both();
    const key = request();
    const first = ours(await one.store.turn(key, wish()));
    const startMs = systemClock.now();
    expect(ours(await other.store.turn(key, wish({ deadline: startMs + 2000 }))).waitedMs).toBeGreaterThan(990);
    expect(systemClock.now() - startMs).toBeLessThan(1900);
    const leaving = new AbortController();
    const waiting = other.store.turn(key, wish({ signal: leaving.signal }));
    await sleep(20);
    leaving.abort();
    expect(ours(await waiting).kind).toBe("ours");
    first.end();
  });

  test("C07: a replica that lives keeps its lease, and one that died loses it", { timeout: 20_000 }, async () => {
    const [one, other] = both();
    const key = request();
    const dying = await replicaOf();
    const first = ours(await dying.store.turn(key, wish()));
    await sleep(3500);
    expect(await redis.client.exists(namesOf(key, false).lease)).toBe(1);
    // As by SIGKILL: nothing is told any more.
    close(dying);
    const turn = ours(await other.store.turn(key, wish()));
    expect(turn.waitedMs).toBeGreaterThan(1500);
    expect(turn.waitedMs).toBeLessThan(4000);
    turn.end();
    first.end();
    expect(one.counted).toEqual([]);
  });

  test("a purge reaches those who hear of it, and those who do not", async () => {
    const [one, other] = both();
    const [mine, theirs] = [request("cfg_a"), request("cfg_b")];
    for (const key of [mine, theirs]) await one.store.keep(key, replyOf("Hello"));
    const { tenantHash } = namesOf(mine, false);
    await one.tokens.purge(tenantHash);
    await until(() => other.purged.length > 0);
    expect(other.purged).toEqual([tenantHash]);
    expect(await other.store.find(mine, never)).toBeUndefined();
    expect(await other.store.find(theirs, never)).toBeDefined();

    // Nobody tells it: it is as a replica whose connection was away for a moment.
    await redis.client.hset("semaroute:purges", "*", "unheard");
    await sleep(1000);
    await one.store.keep(mine, replyOf("of before"));
    one.tokens.refresh();
    await until(async () => (await one.store.find(mine, never)) === undefined);
    expect(one.counted).toContain("purged");
    await one.store.keep(mine, replyOf("of after"));
    await until(async () => (await other.store.find(mine, never)) !== undefined);
    expect(other.purged).toContain(undefined);
  });

  test("more than a thousand purged tenants are a purge of everybody", async () => {
    const [one] = both();
    const pipeline = redis.client.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.hset("semaroute:purges", `tenant-${i}`, "x");
    await pipeline.exec();
    await one.tokens.purge("one-more");
    expect(Object.keys(await redis.client.hgetall("semaroute:purges"))).toEqual(["*"]);
    expect(await redis.client.ttl("semaroute:purges")).toBeGreaterThan(600_000);
  });

  test("at most sixty-four answers are on their way at a time", async () => {
    const [one] = both();
    await Promise.all(Array.from({ length: 100 }, () => one.store.keep(request(), replyOf("Hello"))));
    expect(one.counted.filter((event) => event === "kept")).toHaveLength(64);
    expect(one.counted.filter((event) => event === "not_kept")).toHaveLength(36);
  });

  test("S04: a Redis that is full, or refuses to write, or is emptied costs no error", async () => {
    const [one, other] = both();
    const key = request();
    await one.store.keep(key, replyOf("Hello"));
    await redis.client.config("SET", "maxmemory", "1");
    await one.store.keep(request(), replyOf("Hello"));
    expect(await other.store.find(key, never)).toBeDefined();
    expect(ours(await other.store.turn(request(), wish())).waitedMs).toBe(0);
    await redis.client.config("SET", "maxmemory", "0");
    await redis.client.flushall();
    await redis.client.script("FLUSH");
    expect(await other.store.find(key, never)).toBeUndefined();
    ours(await other.store.turn(request(), wish())).end();
    expect(one.counted).toEqual(["kept", "not_kept"]);
  });
});
