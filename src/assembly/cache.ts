import type { Settings } from "../config/schema.ts";
import type { CacheDesk, ReplyCache } from "../core/cache.ts";
import type { Target, TargetId } from "../core/catalog.ts";
import type { Clock } from "../core/clock.ts";
import type { SharedCacheEvent } from "../core/redis.ts";
import type { SimilarAnswers } from "../core/similar.ts";
import { createLruCache } from "../stores/lru-cache.ts";
import type { RedisConnection } from "../stores/redis/connection.ts";
import { entryPattern, tenantHashOf } from "../stores/redis/names.ts";
import { createPurgeTokens } from "../stores/redis/purge-tokens.ts";
import { createReplyStore } from "../stores/redis/reply-store.ts";
import { createSimilarStore } from "../stores/similar-answers.ts";
import { createSharedCache } from "../stores/shared-cache.ts";

/** Part of `cache.max_bytes` that answers by what was asked may take, where they are kept. */
const similarShare = 0.25;

/** The cache of a configuration, and the way to empty it. */
export interface Cache extends CacheDesk {
  readonly replies: ReplyCache;
  /** Absent: the semantic cache is off. */
  readonly similar?: SimilarAnswers;
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
  const similarBytes = cache.semantic.enabled ? Math.ceil(cache.max_bytes * similarShare) : 0;
  const memory = createLruCache({ maxBytes: Math.max(1, cache.max_bytes - similarBytes), ttlMs, clock, random });
  const similar = similarBytes > 0 ? createSimilarStore({ maxBytes: similarBytes, ttlMs, clock, random }) : undefined;
  // Most answers are in both, and counted once.
  const forgetWhere = (isMeant?: (tenant: string) => boolean): number => Math.max(memory.purge(isMeant), similar?.purge(isMeant) ?? 0);
  if (redis === undefined) {
    return {
      replies: memory,
      ...(similar !== undefined && { similar }),
      purge: (tenant) => Promise.resolve(forgetWhere(tenant === undefined ? undefined : (each) => each === tenant)),
      close: () => undefined,
    };
  }
  const forget = (tenantHash: string | undefined): number =>
    forgetWhere(tenantHash === undefined ? undefined : (tenant) => tenantHashOf(tenant) === tenantHash);
  const tokens = createPurgeTokens({ redis, clock, onPurged: forget });
  const isShared = cache.backend === "redis";
  const store = isShared ? createReplyStore({ redis, tokens, clock, random, ttlMs, targetOf, count }) : undefined;
  return {
    replies: store === undefined ? memory : createSharedCache(memory, store, () => clock.now()),
    ...(similar !== undefined && { similar }),
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
