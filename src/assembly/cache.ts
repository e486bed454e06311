import type { Settings } from "../config/schema.ts";
import type { CacheDesk, ReplyCache } from "../core/cache.ts";
import type { Target, TargetId } from "../core/catalog.ts";
import type { Clock } from "../core/clock.ts";
import type { SharedCacheEvent } from "../core/redis.ts";
import { createLruCache } from "../stores/lru-cache.ts";
import type { RedisConnection } from "../stores/redis/connection.ts";
import { entryPattern, tenantHashOf } from "../stores/redis/names.ts";
import { createPurgeTokens } from "../stores/redis/purge-tokens.ts";
import { createReplyStore } from "../stores/redis/reply-store.ts";
import { createSharedCache } from "../stores/shared-cache.ts";

/** The cache of a configuration, and the way to empty it. */
export interface Cache extends CacheDesk {
  readonly replies: ReplyCache;
  close(): void;
}

/** What it is made from. */
export interface CacheParts {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Undefined: this process is alone. */
  readonly redis: RedisConnection | undefined;
  /** Undefined: the configuration has no such target. */
  readonly targetOf: (id: TargetId) => Target | undefined;
  /** Counts what the shared cache did. */
  readonly count: (event: SharedCacheEvent) => void;
}

/** In memory, and behind it in Redis where `cache.backend` says so. With Redis a purge reaches all replicas, whatever the backend. */
export function createCache({ cache }: Settings, parts: CacheParts): Cache {
  const { clock, random, redis, targetOf, count } = parts;
  const ttlMs = cache.ttl;
  const memory = createLruCache({ maxBytes: cache.max_bytes, ttlMs, clock, random });
  if (redis === undefined) {
    return {
      replies: memory,
      purge: (tenant) => Promise.resolve(memory.purge(tenant === undefined ? undefined : (each) => each === tenant)),
      close: () => undefined,
    };
  }
  const forget = (tenantHash: string | undefined): number =>
    memory.purge(tenantHash === undefined ? undefined : (tenant) => tenantHashOf(tenant) === tenantHash);
  const tokens = createPurgeTokens({ redis, clock, onPurged: forget });
  const isShared = cache.backend === "redis";
  const store = isShared ? createReplyStore({ redis, tokens, clock, random, ttlMs, targetOf, count }) : undefined;
  return {
    replies: store === undefined ? memory : createSharedCache(memory, store, () => clock.now()),
    async purge(tenant) {
      const tenantHash = tenant === undefined ? undefined : tenantHashOf(tenant);
      const here = forget(tenantHash);
      // From here on nothing of before is valid anywhere; the sweep only makes room, and counts.
      await tokens.purge(tenantHash);
      if (!isShared) return here;
      // What is in memory mostly came by Redis, or went there, and is counted once.
      return Math.max(here, await redis.sweep(entryPattern(tenantHash)));
    },
    close: () => tokens.close(),
  };
}
