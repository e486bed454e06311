import { LRUCache } from "lru-cache";

import type { Affinity, Holding } from "../core/affinity.ts";
import type { Clock } from "../core/clock.ts";

/** Some 5 MB. */
const conversationsMax = 20_000;

/** Of this process's memory. */
export function createAffinity(clock: Clock, max = conversationsMax): Affinity {
  const holdings = new LRUCache<string, Holding>({
    max,
    // The library reads a start of 0 as "never expires".
    perf: { now: () => clock.now() + 1 },
    // Else it would remember the time for a millisecond by a timer of its own.
    ttlResolution: 0,
  });
  return {
    find: (conversation) => holdings.get(conversation),
    bind: (conversation, holding) => void holdings.set(conversation, holding, { ttl: Math.max(1, holding.ttlMs) }),
  };
}
