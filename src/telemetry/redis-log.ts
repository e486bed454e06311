import type { RedisObserver, RedisState } from "../core/redis.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Commands are counted, and each change of state is one line, however many calls meet it. */
export function redisObserver(log: Log, { redisRan }: Pick<Metrics, "redisRan">): RedisObserver {
  return {
    ran: redisRan,
    changed({ state, reason }) {
      if (state === "up") log.info({}, messages.up);
      else log.warn({ reason }, messages[state]);
    },
  };
}

const messages = {
  up: "redis is connected and answers",
  away: "redis is away, what replicas share is local meanwhile",
  silent: "redis does not answer in time and is left alone, what replicas share is local meanwhile",
  read_only: "redis refuses to write",
} as const satisfies Record<RedisState, string>;
