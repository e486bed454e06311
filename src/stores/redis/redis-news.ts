import type { News } from "../../core/news.ts";
import type { RedisConnection } from "./connection.ts";

/** Nobody waits for it. */
const tellMs = 1000;

/** What replicas tell each other, by publish/subscribe. What is said while Redis is away is lost. */
export function createRedisNews(redis: RedisConnection): News {
  return {
    tell(channel, text) {
      // Its failure is counted by the connection, and who hears again is told that something may have been said.
      void redis.run({ use: "news", what: "PUBLISH", args: [channel, text], timeoutMs: tellMs }).catch(() => undefined);
    },
    listen: (channel, ears) => redis.listen(channel, ears),
  };
}
