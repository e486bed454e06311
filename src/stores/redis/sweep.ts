import { Redis } from "ioredis";
import type { Clock } from "../../core/clock.ts";
import { RedisError } from "../../core/redis.ts";
import type { RedisClient } from "./client.ts";

/** Keys looked at in one step; a step keeps a server busy for some tenths of a millisecond. */
const stepKeys = 1000;
/** Longest that a sweep goes on. */
const sweepMsMax = 60_000;

/** Deletes the keys of a pattern on all masters, one after the other; rejects with a RedisError where one of them does not answer. */
export async function sweep(client: RedisClient, pattern: string, clock: Clock): Promise<number> {
  const untilMs = clock.now() + sweepMsMax;
  let deleted = 0;
  for (const node of client instanceof Redis ? [client] : client.nodes("master")) {
    let cursor = "0";
    do {
      if (clock.now() > untilMs) throw new RedisError("timeout", `redis has more keys than can be looked at within ${sweepMsMax} ms`);
      try {
        const [next, keys] = await node.scan(cursor, "MATCH", pattern, "COUNT", stepKeys);
        cursor = next;
        // One by one: in a cluster they are in different slots.
        const gone = await Promise.all(keys.map((key) => node.unlink(key)));
        deleted += gone.reduce((sum, each) => sum + each, 0);
      } catch {
        throw new RedisError("lost", "redis did not carry out a purge");
      }
    } while (cursor !== "0");
  }
  return deleted;
}
