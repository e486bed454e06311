import { LRUCache } from "lru-cache";
import type { CachedReply } from "../core/cache.ts";
import type { Clock } from "../core/clock.ts";
import type { Direction, Partition, SimilarAnswers } from "../core/similar.ts";
import type { LruCacheOptions } from "./lru-cache.ts";
import { createPurgeTimes } from "./purge-times.ts";

/**
 * Most numbers that one look multiplies, which bounds a partition: 341 questions of 1,536 dimensions, 170 of 3,072. A look at a full one
 * takes half a millisecond of the event loop (docs/benchmarks.md).
 */
const numbersMax = 512 * 1024;
/** What an entry costs beside its answer and its numbers: objects, list links, its place in the partition. */
const entryBytes = 512;

/** See `SimilarAnswers`. */
export interface SimilarStore extends SimilarAnswers {
  /** Forgets the answers of the tenants for which it is true, or all; answers how many there were. */
  purge(isMeant?: (tenant: string) => boolean): number;
}

interface Entry {
  readonly tenant: string;
  readonly partition: string;
  readonly textHash: string;
  readonly vector: Float32Array;
  readonly reply: CachedReply;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

/** The least recently used go first, over all tenants; within a partition the oldest. */
export function createSimilarStore({ maxBytes, ttlMs, clock, random }: LruCacheOptions): SimilarStore {
  const partitions = new Map<string, Set<Entry>>();
  const entries = new LRUCache<Entry, true>({
    maxSize: maxBytes,
    sizeCalculation: (_, { vector, reply, partition }) => Math.ceil(reply.bytes) + vector.byteLength + 2 * partition.length + entryBytes,
    dispose(_, entry) {
      const mates = partitions.get(entry.partition);
      mates?.delete(entry);
      if (mates?.size === 0) partitions.delete(entry.partition);
    },
  });
  const purges = createPurgeTimes();
  return {
    find(partition, asked, threshold) {
      const best = nearest(partitions.get(nameOf(partition, asked)), asked, { clock, onStale: (entry) => entries.delete(entry) });
      // Rounding makes a text a little less like itself than 1.
      if (best === undefined || best.similarity < threshold - 1e-6) return undefined;
      entries.get(best.entry);
      return { reply: best.entry.reply, similarity: best.similarity };
    },
    keep(partition, asked, { reply, sinceMs }) {
      const { tenant } = partition;
      const { vector, textHash } = asked;
      if (purges.isSince(tenant, sinceMs)) return;
      const name = nameOf(partition, asked);
      const mates = partitions.get(name) ?? new Set<Entry>();
      for (const mate of mates) {
        if (mate.textHash === textHash || (mates.size + 1) * vector.length > numbersMax) entries.delete(mate);
      }
      const untilMs = clock.now() + ttlMs * (0.9 + 0.2 * random());
      const entry: Entry = { tenant, partition: name, textHash, vector, reply, untilMs };
      partitions.set(name, mates);
      mates.add(entry);
      entries.set(entry, true);
      // What is larger than the whole store was not taken.
      if (!entries.has(entry)) mates.delete(entry);
      if (mates.size === 0) partitions.delete(name);
    },
    purge(isMeant = () => true) {
      purges.purged(clock.now(), isMeant);
      let dropped = 0;
      for (const entry of Array.from(entries.keys())) {
        if (isMeant(entry.tenant) && entries.delete(entry)) dropped += 1;
      }
      return dropped;
    },
  };
}

function nameOf({ tenant, requestHash }: Partition, { target, vector }: Direction): string {
  return `${tenant}:${requestHash}:${vector.length}:${target}`;
}

interface Nearest {
  readonly entry: Entry;
  readonly similarity: number;
}

function nearest(
  mates: ReadonlySet<Entry> | undefined,
  { vector }: Direction,
  { clock, onStale }: { readonly clock: Clock; readonly onStale: (entry: Entry) => void },
): Nearest | undefined {
  if (mates === undefined) return undefined;
  const nowMs = clock.now();
  let best: Nearest | undefined;
  for (const entry of mates) {
    if (entry.untilMs <= nowMs) {
      onStale(entry);
      continue;
    }
    const similarity = cosine(entry.vector, vector);
    if (best === undefined || similarity > best.similarity) best = { entry, similarity };
  }
  return best;
}

/** Of two directions with as many dimensions. Four sums at once were no faster (0.46 and 0.44 ms for 512 Ki numbers). */
function cosine(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return Math.min(1, sum);
}
