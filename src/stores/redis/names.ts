import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { type CacheKey, partsOfCacheKey } from "../../core/cache.ts";
import { entryVersion } from "./entry.ts";

/** What keys in Redis are called. They hold hashes only: neither a tenant's name nor anything of a request. */
export interface RedisNames {
  /** An answer. */
  readonly entry: string;
  /** The replica that asks an upstream for it; of one slot with the answer. */
  readonly lease: string;
  readonly tenantHash: string;
}

/** Names of a request's keys. What is in braces decides on the slot, so that answers are spread over a cluster. */
export function namesOf(key: CacheKey, streamed: boolean): RedisNames {
  const { tenant, requestHash } = partsOfCacheKey(key);
  const tenantHash = tenantHashOf(tenant);
  return {
    entry: `${entryPrefix(tenantHash)}{${requestHash}}`,
    lease: `semaroute:flight:${entryVersion}:${tenantHash}:${streamed ? "s" : "u"}:{${requestHash}}`,
    tenantHash,
  };
}

/** Matches the answers of a tenant, or of everybody. */
export function entryPattern(tenantHash: string | undefined): string {
  return `${entryPrefix(tenantHash ?? "*")}*`;
}

function entryPrefix(tenantHash: string): string {
  return `semaroute:cache:${entryVersion}:${tenantHash}:`;
}

const hashes = new LRUCache<string, string>({ max: 1000 });

/** A tenant, as keys in Redis name it. */
export function tenantHashOf(tenant: string): string {
  const known = hashes.get(tenant);
  if (known !== undefined) return known;
  const made = hash("sha256", tenant, "base64url").slice(0, 22);
  hashes.set(tenant, made);
  return made;
}

/** What is counted of a caller's key, over all replicas; all of it in one place. */
export function limitsName(key: string): string {
  return `semaroute:limits:1:{${tenantHashOf(key)}}`;
}
