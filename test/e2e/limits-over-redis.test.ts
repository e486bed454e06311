/** All that holds of limits in one process, of those in Redis. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { sharing } from "./limits-sharing.ts";

let redis: RedisServer | undefined;
// Before the other file's own, so that its house has left Redis by then.
afterAll(async () => {
  await redis?.[Symbol.asyncDispose]();
});

if (hasRedis) {
  redis = await startRedis();
  sharing.setting = `redis: {url: "${redis.url}", timeout: 300ms}`;
  await import("./limits.test.ts");
}

test.skipIf(!hasRedis)("all of this was counted in Redis", async () => {
  await sleep(10);
  expect((await redis?.client.keys("semaroute:limits:*"))?.length).toBeGreaterThan(10);
});
