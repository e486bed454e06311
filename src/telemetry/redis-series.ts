import type { RedisFailure, RedisObserver, RedisUse, SharedCacheEvent } from "../core/redis.ts";
import type { Families } from "./families.ts";
import { once } from "./target-series.ts";

/** Counts of what replicas share. */
export interface RedisSeries {
  /** A command is over; see `RedisObserver`. */
  readonly redisRan: RedisObserver["ran"];
  /** Counts what the cache in Redis did. */
  readonly sharedCache: (event: SharedCacheEvent) => void;
}

/** Series appear when there is something to count. */
export function createRedisSeries(families: Families): RedisSeries {
  const commands = once((use: RedisUse) => families.redisCommand.labels(use));
  const failures = once((use: RedisUse) => once((failure: RedisFailure) => families.redisFailures(use, failure)));
  const events = once((event: SharedCacheEvent) => families.sharedCache(event));
  return {
    redisRan(use, ms, failure) {
      commands(use).observe(ms / 1000);
      if (failure !== undefined) failures(use)(failure).pending++;
    },
    sharedCache: (event) => void events(event).pending++,
  };
}
