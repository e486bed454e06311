/** News of two replicas on one real Redis. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RedisFailure } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { createRedisNews } from "../../../src/stores/redis/redis-news.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { until } from "../../e2e/scene.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

let redis: RedisServer;
const open: RedisConnection[] = [];

function replica() {
  const address = redisAddressFrom(redis.url);
  if (typeof address === "string") throw new Error(address);
  const failures: (RedisFailure | undefined)[] = [];
  const observer = { ran: (_use: string, _ms: number, failure?: RedisFailure) => void failures.push(failure), changed: () => {} };
  const connection = createRedisConnection({ address, timeoutMs: 500, clock: systemClock, random: () => 0.5, observer });
  open.push(connection);
  const news = createRedisNews(connection);
  const heard: string[] = [];
  const state = { missed: 0 };
  const listen = (channel: string): void =>
    news.listen(channel, { said: (text) => heard.push(`${channel}: ${text}`), missed: () => void state.missed++ });
  return { connection, news, heard, state, listen, failures };
}

beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});

afterAll(async () => {
  for (const connection of open) connection.close();
  if (hasRedis) await redis[Symbol.asyncDispose]();
});

describe.skipIf(!hasRedis)("what a replica tells", () => {
  test("is heard by all who listen to the channel, the teller among them, and by nobody else", async () => {
    const [one, two] = [replica(), replica()];
    one.listen("a");
    two.listen("a");
    two.listen("a");
    two.listen("b");
    await until(() => one.state.missed > 1 && two.state.missed > 3, "subscriptions");
    one.news.tell("a", "first");
    two.news.tell("a", "second");
    await until(() => one.heard.length === 2 && two.heard.length === 4, "four and two that were heard");
    expect(one.heard.toSorted()).toEqual(["a: first", "a: second"]);
    expect(two.heard.toSorted()).toEqual(["a: first", "a: first", "a: second", "a: second"]);
  });

  test("is lost while Redis is away, costs nobody anything, and whoever listens hears that it may have missed something", async () => {
    const [one, two] = [replica(), replica()];
    one.listen("c");
    two.listen("c");
    await until(() => one.state.missed > 1 && two.state.missed > 1, "subscriptions");
    await redis.kill();
    await until(() => one.connection.status().state === "away", "a Redis that is away");
    one.failures.length = 0;
    expect(one.news.tell("c", "lost")).toBeUndefined();
    await until(() => one.failures.length === 1, "a command that came to nothing");
    expect(one.failures).toEqual(["away"]);
    const before = two.state.missed;
    await redis.restart();
    await until(() => two.state.missed > before, "the news that there may have been some", 10_000);
    await until(() => two.connection.status().state === "up" && one.connection.status().state === "up", "Redis", 10_000);
    await until(() => {
      one.news.tell("c", "again");
      return two.heard.length > 0;
    }, "news");
    expect(new Set(two.heard)).toEqual(new Set(["c: again"]));
  }, 30_000);
});
