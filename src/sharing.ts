import type { Settings } from "./config/schema.ts";
import type { Clock } from "./core/clock.ts";
import type { News } from "./core/news.ts";
import type { RedisObserver, SharedReport } from "./core/redis.ts";
import { redisAddressFrom } from "./core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "./stores/redis/connection.ts";
import { createRedisNews } from "./stores/redis/redis-news.ts";

/** What this replica shares with others. */
export interface Sharing {
  readonly redis: RedisConnection;
  readonly news: News;
  report(): SharedReport;
}

/** Begins to connect, and waits for nothing; undefined: `redis.url` is not set. */
export function startSharing(
  { redis, cache }: Settings,
  { clock, random, observer }: { readonly clock: Clock; readonly random: () => number; readonly observer: RedisObserver },
): Sharing | undefined {
  if (redis.url === undefined) return undefined;
  const address = redisAddressFrom(redis.url.reveal());
  // The configuration was checked.
  if (typeof address === "string") throw new Error(address);
  const connection = createRedisConnection({ address, timeoutMs: redis.timeout, clock, random, observer });
  return {
    redis: connection,
    news: createRedisNews(connection),
    report() {
      const status = connection.status();
      const canRead = status.state === "up" || status.state === "read_only";
      return { redis: status, cache: cache.backend !== "redis" ? "off" : canRead ? "shared" : "local" };
    },
  };
}
