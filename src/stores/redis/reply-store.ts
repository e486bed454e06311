import type { CachedReply, CacheKey } from "../../core/cache.ts";
import { encodeEntry } from "./entry.ts";
import { namesOf } from "./names.ts";
import { createReplyReader, type ReaderParts, type SharedReply } from "./reply-reader.ts";
import { createSharedFlights, type SharedFlights } from "./shared-flights.ts";

/** Finished answers in Redis, and whose turn it is to ask for one. Nothing rejects: where Redis is away, nothing is known. */
export interface ReplyStore extends SharedFlights {
  find(key: CacheKey, signal: AbortSignal): Promise<SharedReply | undefined>;
  /** Resolves when it is there or will not be; nobody needs to wait. */
  keep(key: CacheKey, reply: CachedReply): Promise<void>;
}

/** What it needs. */
export interface ReplyStoreParts extends ReaderParts {
  /** In [0, 1). */
  readonly random: () => number;
  /** `cache.ttl`, milliseconds; each answer ±10 % of its own. */
  readonly ttlMs: number;
}

/** Answers that are on their way into Redis at a time, and what they may weigh together; more are not kept there. */
const writesMax = 64;
const writeBytesMax = 16 * 1024 * 1024;
/** Nobody waits for a write, and a large one takes its time. */
const writeMs = 250;

/** One entry an answer. */
export function createReplyStore(parts: ReplyStoreParts): ReplyStore {
  const { redis, tokens, clock, random, ttlMs, count } = parts;
  const read = createReplyReader(parts);
  const writing = new Map<CacheKey, Promise<void>>();
  let writeBytes = 0;

  const write = async (key: CacheKey, { target, batches, bytes }: CachedReply): Promise<void> => {
    const names = namesOf(key, false);
    const lifeMs = Math.max(1, Math.round(ttlMs * (0.9 + 0.2 * random())));
    const purges = tokens.of(names.tenantHash);
    // After the answer's last bytes have left: packing takes time.
    await new Promise<void>((resolve) => clock.after(0, resolve));
    const entry = await encodeEntry(names.entry, { target: target.id, batches, bytes, purges, expiresWall: clock.wall() + lifeMs });
    if (entry === undefined) return count("not_kept");
    await redis.run({ use: "cache_write", what: "SET", args: [names.entry, entry, "PX", lifeMs], timeoutMs: writeMs });
    count("kept");
  };

  return {
    ...createSharedFlights({ redis, clock, random, count, read, written: (key) => writing.get(key) ?? Promise.resolve() }),
    async find(key, signal) {
      const names = namesOf(key, false);
      const bytes = await redis.run({ use: "cache_read", what: "GET", args: [names.entry], signal }).catch(() => undefined);
      const found = bytes instanceof Buffer ? read(names, bytes) : undefined;
      count(found === undefined ? "miss" : "hit");
      return found;
    },
    keep(key, reply) {
      if (writing.size >= writesMax || writeBytes + reply.bytes > writeBytesMax || writing.has(key)) {
        count("not_kept");
        return Promise.resolve();
      }
      writeBytes += reply.bytes;
      const written = write(key, reply)
        .catch(() => count("not_kept"))
        .finally(() => {
          writing.delete(key);
          writeBytes -= reply.bytes;
        });
      writing.set(key, written);
      return written;
    },
  };
}
