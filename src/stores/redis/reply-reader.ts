import type { CachedReply } from "../../core/cache.ts";
import type { Target, TargetId } from "../../core/catalog.ts";
import type { Clock } from "../../core/clock.ts";
import type { SharedCacheEvent } from "../../core/redis.ts";
import type { RedisConnection } from "./connection.ts";
import { decodeEntry } from "./entry.ts";
import type { RedisNames } from "./names.ts";
import type { PurgeTokens } from "./purge-tokens.ts";

/** An answer out of Redis. */
export interface SharedReply {
  readonly reply: CachedReply;
  /** How long it is still good for, milliseconds; by another machine's clock, so only about. */
  readonly leftMs: number;
}

/** What reading takes. */
export interface ReaderParts {
  readonly redis: RedisConnection;
  readonly tokens: PurgeTokens;
  readonly clock: Clock;
  /** Undefined: this replica's configuration has no such target. */
  readonly targetOf: (id: TargetId) => Target | undefined;
  /** Counts. */
  readonly count: (event: SharedCacheEvent) => void;
}

/** Makes an answer of an entry; undefined: it is none, or none for us. */
export type ReplyReader = (names: RedisNames, bytes: Buffer) => SharedReply | undefined;

/** What is no entry is deleted; what another replica may have a use for stays. */
export function createReplyReader({ redis, tokens, clock, targetOf, count }: ReaderParts): ReplyReader {
  return (names, bytes) => {
    const entry = decodeEntry(names.entry, bytes);
    if (entry === undefined) {
      count("corrupt");
      // Nobody waits, and its failure is counted by the connection.
      void redis.run({ use: "cache_write", what: "UNLINK", args: [names.entry] }).catch(() => undefined);
      return undefined;
    }
    if (entry.purges !== tokens.of(names.tenantHash)) {
      count("purged");
      // Either it is void, or we have not heard of the last purge; who cannot tell deletes nothing.
      tokens.refresh();
      return undefined;
    }
    const target = targetOf(entry.target as TargetId);
    if (target === undefined) {
      // Another replica may have a newer configuration, or an older one.
      count("unknown_target");
      return undefined;
    }
    return { reply: { target, batches: entry.batches, bytes: entry.bytes }, leftMs: Math.max(0, entry.expiresWall - clock.wall()) };
  };
}
