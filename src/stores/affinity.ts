import { LRUCache } from "lru-cache";

import type { Affinity, Holding } from "../core/affinity.ts";
import type { Clock } from "../core/clock.ts";

/** Some 5 MB. */
const conversationsMax = 20_000;

/** Of this process's memory. */
export interface MemoryAffinity extends Affinity {
  find(this: void, conversation: string): Holding | undefined;
  /** `leftMs`: how long it is still held. Default: from now on. */
  bind(conversation: string, holding: Holding, leftMs?: number): void;
}

/** Knows nothing at the start. */
export function createAffinity(clock: Clock, max = conversationsMax): MemoryAffinity {
  const holdings = new LRUCache<string, Holding>({
    max,
    // The library reads a start of 0 as "never expires".
    perf: { now: () => clock.now() + 1 },
    // Else it would remember the time for a millisecond by a timer of its own.
    ttlResolution: 0,
  });
  return {
    find: (conversation) => holdings.get(conversation),
    bind: (conversation, holding, leftMs = holding.ttlMs) => void holdings.set(conversation, holding, { ttl: Math.max(1, leftMs) }),
  };
}
