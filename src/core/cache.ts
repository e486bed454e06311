import type { Target } from "./catalog.ts";
import type { Batch } from "./chat.ts";

/** Hash over the tenant and the whole request. */
export type CacheKey = string & { readonly __brand: "CacheKey" };

/** A complete answer, in the batches it came in. */
export interface CachedReply {
  readonly target: Target;
  readonly batches: readonly Batch[];
  /** What it weighs in memory, approximately. */
  readonly bytes: number;
}

/** Finished answers; bounded. */
export interface ReplyCache {
  find(key: CacheKey, signal: AbortSignal): Promise<CachedReply | undefined>;
  keep(key: CacheKey, reply: CachedReply): void;
}
