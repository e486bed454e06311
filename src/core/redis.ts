/** What a command is for; a metric label. */
export type RedisUse = "cache_read" | "cache_write" | "flight" | "purge" | "limits" | "replicas" | "news" | "affinity" | "trial";

/**
 * Why a command came to nothing. `away`: there is no connection; `silent`: the breaker is open; `full`: too many are under way; `timeout`:
 * no answer in time; `lost`: the connection went; `refused`: Redis answered with an error; `left`: who asked has left.
 */
export type RedisFailure = "away" | "silent" | "full" | "timeout" | "lost" | "refused" | "left";

/** A command that came to nothing. Its message holds no argument. */
export class RedisError extends Error {
  override readonly name = "RedisError";
  readonly failure: RedisFailure;

  constructor(failure: RedisFailure, text: string) {
    super(text);
    this.failure = failure;
  }
}

/**
 * How it stands with Redis. `away`: no connection; `silent`: connected, but it did not answer in time, and is left alone; `read_only`: it
 * answers, and refuses to write.
 */
export type RedisState = "up" | "away" | "silent" | "read_only";

/** Redis at a moment. */
export interface RedisStatus {
  readonly state: RedisState;
  readonly breaker: "closed" | "half_open" | "open";
  /** The last error's first word (`ECONNREFUSED`, `OOM`), or `closed`: it went away in order; undefined: none since it was up. */
  readonly reason: string | undefined;
}

/** Whoever wants to know of commands and states: the log, the metrics. Must not throw. */
export interface RedisObserver {
  /** A command is over; `ms` from its start. */
  ran(use: RedisUse, ms: number, failure: RedisFailure | undefined): void;
  /** The state is another than before; once for each change. */
  changed(status: RedisStatus): void;
}

/** What the cache that replicas share did for a call; a metric label. */
export type SharedCacheEvent =
  | "hit"
  | "miss"
  | "corrupt"
  | "purged"
  | "unknown_target"
  | "kept"
  | "not_kept"
  | "flight_led"
  | "flight_joined"
  | "flight_given_up";

/** How it stands with what replicas share, for health and metrics. */
export interface SharedReport {
  readonly redis: RedisStatus;
  /** `shared`: through Redis; `local`: this replica's memory alone, which is what is left without Redis; `off`: nothing is kept in Redis. */
  readonly cache: "shared" | "local" | "off";
  /** Requests, tokens and calls at once of keys. `local`: each replica keeps to its part of them. */
  readonly limits: "shared" | "local";
  /** Money of keys. `local`: a replica spends a small grace, and then nothing. */
  readonly budgets: "shared" | "local";
}
