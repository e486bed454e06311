import type { Settings } from "./config/schema.ts";
import type { Clock } from "./core/clock.ts";
import type { SpentSince } from "./core/limits.ts";
import type { News } from "./core/news.ts";
import type { RedisObserver, SharedReport } from "./core/redis.ts";
import { redisAddressFrom } from "./core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "./stores/redis/connection.ts";
import { createRedisNews } from "./stores/redis/redis-news.ts";
import { createSharedLimits, type SharedLimits } from "./stores/redis/shared-limits.ts";

/** What this replica shares with others. */
export interface Sharing {
  readonly redis: RedisConnection;
  readonly news: News;
  readonly limits: SharedLimits;
  report(): SharedReport;
  /** Never rejects. */
  close(): Promise<void>;
}

/** What it works with. */
export interface SharingParts {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly observer: RedisObserver;
  /** What keys have spent by the ledger. */
  readonly spentSince: SpentSince;
}

/** Begins to connect, and waits for nothing; undefined: `redis.url` is not set. */
export function startSharing({ redis, cache }: Settings, { clock, random, observer, spentSince }: SharingParts): Sharing | undefined {
  if (redis.url === undefined) return undefined;
  const address = redisAddressFrom(redis.url.reveal());
  // The configuration was checked.
  if (typeof address === "string") throw new Error(address);
  const connection = createRedisConnection({ address, timeoutMs: redis.timeout, clock, random, observer });
  const limits = createSharedLimits({ redis: connection, clock, spentSince });
  return {
    redis: connection,
    news: createRedisNews(connection),
    limits,
    report() {
      const status = connection.status();
      const canRead = status.state === "up" || status.state === "read_only";
      const limited = status.state === "up" ? "shared" : "local";
      return { redis: status, cache: cache.backend !== "redis" ? "off" : canRead ? "shared" : "local", limits: limited, budgets: limited };
    },
    async close() {
      await limits.close();
      connection.close();
    },
  };
}
