import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { redisScript } from "./script.ts";

/** The replicas that share a Redis. */
export interface Replicas {
  /** Ours; new with each process. */
  readonly id: string;
  /** Resolves when Redis was heard for the first time, or was not for a second: who cannot wait for it goes without. Never rejects. */
  readonly met: Promise<void>;
  /** How many there are, as far as is known; at least 1. */
  count(this: void): number;
  /** Whether we, and so everybody who lives, had the time to say what is ours since Redis was last away. */
  steady(this: void): boolean;
  /** For how long Redis has remembered what it was told; milliseconds. Undefined: it does not answer. */
  memoryMs(): Promise<number | undefined>;
  close(): void;
}

/** What it needs. */
export interface ReplicasParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  /** Called after every heartbeat; `forgotten`: Redis has lost its memory since the last one. */
  readonly onBeat: (forgotten: boolean) => void;
}

/** Pause between heartbeats. */
export const beatMs = 1000;
/** So long, and looking so often, a process that has just started waits for its connection. */
const startMs = { whole: 1000, look: 20 } as const;
/** Who was not heard of for so long is not counted. */
const absentMs = 10_000;
/** So long after Redis was away nobody is taken for dead: reconnecting takes a few seconds, and longer where the breaker is open. */
const graceMs = 10_000;

const beatScript = redisScript(
  2,
  true,
  `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ${absentMs}, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], ${absentMs})
local born = tonumber(redis.call('GET', KEYS[2])) or now
redis.call('SET', KEYS[2], born, 'PX', 3600000)
return {redis.call('ZCARD', KEYS[1]), now - born}`,
);
const replicasName = "semaroute:{replicas}";
const bornName = "semaroute:{replicas}:born";

/** Begins to say that we are here, once a second. */
export function startReplicas({ redis, clock, onBeat }: ReplicasParts): Replicas {
  const id = randomBytes(9).toString("base64url");
  let count = 1;
  const sinceMs = clock.now();
  let awayMs = sinceMs;
  const { promise: met, resolve: meet } = Promise.withResolvers<void>();
  let bornMs: number | undefined;
  let cancel: (() => void) | undefined;
  let closed = false;

  const beat = async (): Promise<number | undefined> => {
    if (redis.status().state === "away") {
      awayMs = clock.now();
      return undefined;
    }
    try {
      const answer = await redis.run({ use: "replicas", what: beatScript, args: [replicasName, bornName, id] });
      const [others, memoryMs]: readonly unknown[] = Array.isArray(answer) ? answer : [];
      count = Math.max(1, Number(others));
      return Number(memoryMs);
    } catch {
      if (redis.status().state === "silent") awayMs = clock.now();
      return undefined;
    }
  };
  const round = async (): Promise<void> => {
    const memoryMs = await beat();
    const seenMs = memoryMs === undefined ? bornMs : clock.now() - memoryMs;
    const forgotten = bornMs !== undefined && seenMs !== undefined && seenMs > bornMs + beatMs / 2;
    bornMs = seenMs;
    const isStarting = memoryMs === undefined && clock.now() - sinceMs < startMs.whole;
    if (!isStarting) meet();
    if (closed) return;
    onBeat(forgotten);
    cancel = clock.after(isStarting && bornMs === undefined ? startMs.look : beatMs, () => void round());
  };
  void round();
  return {
    id,
    met,
    count: () => count,
    steady: () => clock.now() - awayMs > graceMs,
    memoryMs: beat,
    close() {
      closed = true;
      cancel?.();
      meet();
      // Others need not wait until we are missed.
      void redis.run({ use: "replicas", what: "ZREM", args: [replicasName, id] }).catch(() => undefined);
    },
  };
}
