import { LRUCache } from "lru-cache";

import type { CachedReply, CacheKey, ReplyCache } from "../core/cache.ts";
import type { Clock } from "../core/clock.ts";

/** Larger answers are not kept: one of them would push out thousands. */
const replyBytesMax = 1024 * 1024;
/** What an entry costs beside its answer and its key: list links, map slot, expiry. */
const entryBytes = 256;

/** A cache of this process's memory. */
export interface LruReplyCache extends ReplyCache {
  /** Forgets the answers whose key begins with `prefix`, or all; answers how many there were. */
  purge(prefix?: string): number;
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
  return {
    find: (key) => Promise.resolve(replies.get(key)),
    keep(key, reply) {
      replies.set(key, reply, { ttl: Math.max(1, Math.round(ttlMs * (0.9 + 0.2 * random()))) });
    },
    purge(prefix = "") {
      const before = replies.size;
      if (prefix === "") replies.clear();
      else for (const key of Array.from(replies.keys())) if (key.startsWith(prefix)) replies.delete(key);
      return before - replies.size;
    },
  };
}
