import { randomBytes } from "node:crypto";
import type { CacheKey, Turn, TurnWish } from "../../core/cache.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import type { SharedCacheEvent } from "../../core/redis.ts";
import type { RedisConnection } from "./connection.ts";
import { namesOf } from "./names.ts";
import type { ReplyReader, SharedReply } from "./reply-reader.ts";
import { redisScript } from "./script.ts";

/** Our own turn to ask an upstream. */
type OurTurn = Extract<Turn, { kind: "ours" }>;

/** What a wait for another replica came to: its answer, or our own turn. */
export type SharedTurn = OurTurn | { readonly kind: "known"; readonly shared: SharedReply; readonly waitedMs: number };

/** Whose turn it is, over all replicas. */
export interface SharedFlights {
  /** See `ReplyCache.turn`. */
  turn(key: CacheKey, wish: TurnWish): Promise<SharedTurn>;
}

/** What it needs. */
export interface SharedFlightParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly read: ReplyReader;
  /** Resolves when an answer that is on its way into Redis has arrived, or will not. Never rejects. */
  readonly written: (key: CacheKey) => Promise<void>;
  /** Counts. */
  readonly count: (event: SharedCacheEvent) => void;
}

/** A replica that died asks no upstream any more after so long; who lives says so three times in that time. */
const leaseMs = 3000;
/** Longest wait for another replica's whole answer; who wants a stream must not wait for a whole for so long. */
const waitMsMax = { whole: 5000, streamed: 2000 } as const;
/** Pause between two looks, at first and at most. */
const lookMs = { first: 10, max: 100 } as const;

const held = 0;
const had = 1;
const taken = 2;
/** The answer; else the lease, where nobody has it; else who has it. One round trip, at the start and for each look. */
const turnScript = redisScript(
  2,
  true,
  `local entry = redis.call('GET', KEYS[1])
if entry then return {${had}, entry} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {${taken}, ''} end
return {${held}, redis.call('GET', KEYS[2]) or ''}`,
);
const renewScript = redisScript(
  1,
  true,
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0",
);
const endScript = redisScript(1, true, "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0");

/**
 * One lease for whoever asks an upstream for an answer. Who finds it taken looks again and again for the answer, each time ready to take
 * the lease: that costs only where somebody waits, while messages would go to all replicas for every miss. A lease that changes hands
 * without an answer means that there is none to be kept, and all go on their own.
 */
export function createSharedFlights(parts: SharedFlightParts): SharedFlights {
  const { redis, clock, random, read, count } = parts;
  return {
    async turn(key, wish) {
      const names = namesOf(key, wish.streamed);
      const token = randomBytes(9).toString("base64url");
      const look = { use: "flight", what: turnScript, args: [names.entry, names.lease, token, leaseMs], signal: wish.signal } as const;
      const startMs = clock.now();
      const boundMs = wish.streamed ? waitMsMax.streamed : waitMsMax.whole;
      let holder: string | undefined;
      for (let pauseMs: number = lookMs.first; ; pauseMs = Math.min(pauseMs * 1.5, lookMs.max)) {
        const { kind, bytes } = seenFrom(await redis.run(look).catch(() => undefined));
        const waitedMs = holder === undefined ? 0 : clock.now() - startMs;
        if (kind === had) {
          const shared = read(names, bytes);
          if (shared === undefined) return alone(waitedMs);
          count("flight_joined");
          return { kind: "known", shared, waitedMs };
        }
        if (kind === taken) {
          count("flight_led");
          return leased(parts, { key, lease: names.lease, token, waitedMs });
        }
        const holds = bytes.toString();
        const leftMs = Math.min(boundMs, (wish.deadline - startMs) / 2) - (clock.now() - startMs);
        if (kind !== held || (holder ?? holds) !== holds || leftMs <= 0) {
          count("flight_given_up");
          return alone(waitedMs);
        }
        holder = holds;
        const pause = sleep(clock, Math.min(pauseMs * (0.75 + 0.5 * random()), leftMs), wish.signal);
        const left = await pause.then(
          () => false,
          () => true,
        );
        if (left) return alone(clock.now() - startMs);
      }
    },
  };
}

interface Lease {
  readonly key: CacheKey;
  /** Its name in Redis. */
  readonly lease: string;
  /** Makes it ours. */
  readonly token: string;
  readonly waitedMs: number;
}

/** Our turn, for as long as it takes. */
function leased({ redis, clock, written }: SharedFlightParts, { key, lease, token, waitedMs }: Lease): OurTurn {
  let cancel: (() => void) | undefined;
  // Where that fails, others may ask an upstream, too; the failure is counted by the connection.
  const run = (what: typeof renewScript, ...args: (string | number)[]): void =>
    void redis.run({ use: "flight", what, args: [lease, token, ...args] }).catch(() => undefined);
  const renew = (): void => {
    cancel = clock.after(leaseMs / 3, () => {
      run(renewScript, leaseMs);
      renew();
    });
  };
  renew();
  return {
    kind: "ours",
    waitedMs,
    end() {
      cancel?.();
      // Who waits must find the answer before it finds the lease gone.
      void written(key).then(() => run(endScript));
    },
  };
}

/** Nobody else is asked, and nobody told. */
function alone(waitedMs: number): OurTurn {
  return { kind: "ours", waitedMs, end: () => undefined };
}

function seenFrom(reply: unknown): { readonly kind: number; readonly bytes: Buffer } {
  const [kind, bytes]: readonly unknown[] = Array.isArray(reply) ? reply : [];
  return { kind: typeof kind === "number" ? kind : -1, bytes: bytes instanceof Buffer ? bytes : Buffer.alloc(0) };
}
