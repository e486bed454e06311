import type { KeyId } from "./call.ts";
import type { Target } from "./catalog.ts";
import type { Batch } from "./chat.ts";

/** The tenant, a colon, and a hash over the whole request, which has no colon. */
export type CacheKey = string & { readonly __brand: "CacheKey" };

/** A tenant's key of a request. */
export function cacheKey(tenant: KeyId, requestHash: string): CacheKey {
  return `${tenant}:${requestHash}` as CacheKey;
}

/** Both parts of a key. */
export function partsOfCacheKey(key: CacheKey): { readonly tenant: string; readonly requestHash: string } {
  const colon = key.lastIndexOf(":");
  return { tenant: key.slice(0, colon), requestHash: key.slice(colon + 1) };
}

/** A complete answer, in the batches it came in. */
export interface CachedReply {
  readonly target: Target;
  readonly batches: readonly Batch[];
  /** What it weighs in memory, approximately. */
  readonly bytes: number;
}

/** Finished answers; bounded. */
export interface ReplyCache {
  /** Never rejects; undefined also where the signal aborts. */
  find(key: CacheKey, signal: AbortSignal): Promise<CachedReply | undefined>;
  /** `sinceMs`: when it was asked for, monotonic milliseconds. Not kept where the tenant's answers were purged since. Nobody waits for it. */
  keep(key: CacheKey, reply: CachedReply, sinceMs: number): void;
  /** Whose turn it is to ask an upstream for what nobody has, over all replicas. Never rejects. Absent: this process is alone. */
  readonly turn?: (key: CacheKey, wish: TurnWish) => Promise<Turn>;
}

/** Who would ask an upstream. */
export interface TurnWish {
  /** Streams and whole answers take turns apart. */
  readonly streamed: boolean;
  /** Monotonic milliseconds; may move. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/** What came of it; `waitedMs`: for another replica's answer, milliseconds. */
export type Turn =
  /** Another replica had it. */
  | { readonly kind: "known"; readonly reply: CachedReply; readonly waitedMs: number }
  /** Ask. `end` exactly once, when the answer is kept or will not be. */
  | { readonly kind: "ours"; readonly waitedMs: number; readonly end: () => void };

/** Answers as operators see them. */
export interface CacheDesk {
  /** Forgets a tenant's answers, or everybody's, in all replicas; answers how many there were. Rejects with a RedisError where they cannot be reached. */
  purge(tenant: KeyId | undefined): Promise<number>;
}
