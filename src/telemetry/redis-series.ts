import type { HintEvent, HintKind } from "../core/hints.ts";
import type { RedisFailure, RedisObserver, RedisUse, SharedCacheEvent } from "../core/redis.ts";
import type { Families } from "./families.ts";
import { once } from "./target-series.ts";

/** Counts of what replicas share. */
export interface RedisSeries {
  /** A command is over; see `RedisObserver`. */
  readonly redisRan: RedisObserver["ran"];
  /** Counts what the cache in Redis did. */
  readonly sharedCache: (event: SharedCacheEvent) => void;
  /** Counts what became of a hint; no kind: it could not be read. */
  readonly hint: (event: HintEvent, kind: HintKind | undefined) => void;
}

/** Series appear when there is something to count. */
export function createRedisSeries(families: Families): RedisSeries {
  const commands = once((use: RedisUse) => families.redisCommand.labels(use));
  const failures = once((use: RedisUse) => once((failure: RedisFailure) => families.redisFailures(use, failure)));
  const events = once((event: SharedCacheEvent) => families.sharedCache(event));
  const hints = once((event: HintEvent) => once((kind: HintKind | "unknown") => families.hints(event, kind)));
  return {
    redisRan(use, ms, failure) {
      commands(use).observe(ms / 1000);
      if (failure !== undefined) failures(use)(failure).pending++;
    },
    sharedCache: (event) => void events(event).pending++,
    hint: (event, kind) => void hints(event)(kind ?? "unknown").pending++,
  };
}
