import { LRUCache } from "lru-cache";

import { type CachedReply, type CacheKey, partsOfCacheKey, type ReplyCache } from "../core/cache.ts";
import type { Clock } from "../core/clock.ts";
import { createPurgeTimes } from "./purge-times.ts";

/** Larger answers are not kept: one of them would push out thousands. */
const replyBytesMax = 1024 * 1024;
/** What an entry costs beside its answer and its key: list links, map slot, expiry. */
const entryBytes = 256;

/** A cache of this process's memory. */
export interface LruReplyCache extends ReplyCache {
  /** `ttlMsMax`: never kept for longer, milliseconds; 0: not at all. Default: no bound but the cache's own. */
  keep(key: CacheKey, reply: CachedReply, sinceMs: number, ttlMsMax?: number): void;
  /** Whether a tenant's answers were purged since, monotonic milliseconds. */
  wasPurged(tenant: string, sinceMs: number): boolean;
  /** Forgets the answers of the tenants for which it is true, or all; answers how many there were. */
  purge(isMeant?: (tenant: string) => boolean): number;
}

/** What it needs. */
export interface LruCacheOptions {
  /** Bound on the sum of all entries, keys included. At least 1. */
  readonly maxBytes: number;
  /** How long an answer is kept; each with ±10 % of its own, so that those made together do not expire together. */
  readonly ttlMs: number;
  readonly clock: Clock;
  /** Gives [0, 1). */
  readonly random: () => number;
}

/** Least recently used answers go first. */
export function createLruCache({ maxBytes, ttlMs, clock, random }: LruCacheOptions): LruReplyCache {
  const replies = new LRUCache<CacheKey, CachedReply>({
    maxSize: maxBytes,
    maxEntrySize: Math.min(replyBytesMax, maxBytes),
    sizeCalculation: (reply, key) => Math.max(0, Math.ceil(reply.bytes)) + key.length * 2 + entryBytes,
    // The library reads a start of 0 as "never expires".
    perf: { now: () => clock.now() + 1 },
    // Else it would remember the time for a millisecond by a timer of its own.
    ttlResolution: 0,
  });
  const purges = createPurgeTimes();
  return {
    find: (key) => Promise.resolve(replies.get(key)),
    keep(key, reply, sinceMs, ttlMsMax = Number.POSITIVE_INFINITY) {
      const ttl = Math.min(ttlMsMax, Math.max(1, Math.round(ttlMs * (0.9 + 0.2 * random()))));
      if (ttl >= 1 && !purges.isSince(tenantOf(key), sinceMs)) replies.set(key, reply, { ttl: Math.round(ttl) });
    },
    wasPurged: (tenant, sinceMs) => purges.isSince(tenant, sinceMs),
    purge(isMeant = () => true) {
      purges.purged(clock.now(), isMeant);
      let dropped = 0;
      for (const key of Array.from(replies.keys())) {
        if (isMeant(tenantOf(key)) && replies.delete(key)) dropped += 1;
      }
      return dropped;
    },
  };
}

function tenantOf(key: CacheKey): string {
  return partsOfCacheKey(key).tenant;
}
