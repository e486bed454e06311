import { type CacheKey, partsOfCacheKey, type ReplyCache } from "../core/cache.ts";
import type { LruReplyCache } from "./lru-cache.ts";
import type { SharedReply } from "./redis/reply-reader.ts";
import type { ReplyStore } from "./redis/reply-store.ts";

/**
 * This process's memory, and behind it what replicas share. What is found there is kept here for as long as it is good. Equal calls ask
 * Redis once.
 */
export function createSharedCache(memory: LruReplyCache, store: ReplyStore, nowMs: () => number): ReplyCache {
  const asking = new Map<CacheKey, Promise<SharedReply | undefined>>();
  const never = new AbortController().signal;

  const fill = (key: CacheKey, { reply, leftMs }: SharedReply, sinceMs: number): void => memory.keep(key, reply, sinceMs, leftMs);
  const ask = (key: CacheKey): Promise<SharedReply | undefined> => {
    const running = asking.get(key);
    if (running !== undefined) return running;
    const sinceMs = nowMs();
    // No single caller's leaving ends it; its deadline does.
    const found = store.find(key, never).then((shared) => {
      asking.delete(key);
      if (shared !== undefined) fill(key, shared, sinceMs);
      return shared;
    });
    asking.set(key, found);
    return found;
  };
  return {
    async find(key, signal) {
      return (await memory.find(key, signal)) ?? (await ask(key))?.reply;
    },
    keep(key, reply, sinceMs) {
      memory.keep(key, reply, sinceMs);
      // Nobody waits.
      if (!memory.wasPurged(partsOfCacheKey(key).tenant, sinceMs)) void store.keep(key, reply);
    },
    async turn(key, wish) {
      const sinceMs = nowMs();
      const turn = await store.turn(key, wish);
      if (turn.kind === "ours") return turn;
      fill(key, turn.shared, sinceMs);
      return { kind: "known", reply: turn.shared.reply, waitedMs: turn.waitedMs };
    },
  };
}
