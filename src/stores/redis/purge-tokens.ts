import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { redisScript } from "./script.ts";

/** The purges of a fleet, as this replica knows them. */
export interface PurgeTokens {
  /** What an answer that is kept now must have been kept under. */
  of(tenantHash: string): string;
  /** Looks for purges that were not heard of; at most once a second. */
  refresh(): void;
  /** Purges a tenant, or everybody, in all replicas; what was kept before is void from then on. Rejects with a RedisError. */
  purge(tenantHash: string | undefined): Promise<void>;
  close(): void;
}

/** What it needs. */
export interface PurgeTokenParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  /** A tenant, or everybody, was purged by another replica. */
  readonly onPurged: (tenantHash: string | undefined) => void;
}

const hashName = "semaroute:purges";
const everybody = "*";
/** A purge whose message was lost is known after so long. */
const pollMs = 30_000;
const refreshMs = 1000;
/** Purges that are kept apart; more become a purge of everybody. */
const tenantsMax = 1000;
/** After a week without a purge no answer of before is left. */
const keepSeconds = 7 * 86_400;
/** Nobody's call waits for it. */
const timeoutMs = 1000;

const purgeScript = redisScript(
  1,
  true,
  `local field = ARGV[1]
if redis.call('HLEN', KEYS[1]) >= ${tenantsMax} then field = '${everybody}' end
if field == '${everybody}' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], field, ARGV[2])
redis.call('EXPIRE', KEYS[1], ${keepSeconds})
redis.call('PUBLISH', KEYS[1], field .. ' ' .. ARGV[2])
return field`,
);

/**
 * Every purge is a new random word, of a tenant or of everybody, and an answer is valid under the words it was kept under: so one that a
 * late replica keeps behind a purge is void, too, and a Redis that lost everything needs no care. Words are told by publish/subscribe, and
 * read every half a minute, for messages can be lost.
 */
export function createPurgeTokens({ redis, clock, onPurged }: PurgeTokenParts): PurgeTokens {
  let words: ReadonlyMap<string, string> = new Map();
  let cancel: (() => void) | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  /** Words that were told. */
  let heard = 0;
  let closed = false;

  /** Takes over one word, or finds that it is known. */
  const take = (field: string, word: string): void => {
    if (words.get(field) === word) return;
    heard += 1;
    words = new Map([...(field === everybody ? [] : words), [field, word]]);
    onPurged(field === everybody ? undefined : field);
  };
  const takeAll = (next: ReadonlyMap<string, string>): void => {
    const before = words;
    words = next;
    if (before.get(everybody) !== next.get(everybody)) return onPurged(undefined);
    for (const field of new Set([...before.keys(), ...next.keys()])) if (before.get(field) !== next.get(field)) onPurged(field);
  };
  const look = async (): Promise<void> => {
    askedMs = clock.now();
    const heardBefore = heard;
    try {
      const known = wordsFrom(await redis.run({ use: "purge", what: "HGETALL", args: [hashName], timeoutMs }));
      // What was told meanwhile may be newer than what was read.
      if (heard === heardBefore) takeAll(known);
      else askedMs = Number.NEGATIVE_INFINITY;
    } catch {
      // Away: there is nothing to be read that could be void, and the connection tells when it is back.
    }
  };
  const poll = (): void => {
    cancel?.();
    if (closed) return;
    cancel = clock.after(pollMs, () => void look().then(poll));
  };
  redis.listen(hashName, {
    said(text) {
      const [field, word] = text.split(" ");
      if (field !== undefined && word !== undefined) take(field, word);
    },
    missed: () => void look(),
  });
  poll();

  return {
    of: (tenantHash) => `${words.get(everybody) ?? ""}.${words.get(tenantHash) ?? ""}`,
    refresh() {
      if (clock.now() - askedMs >= refreshMs) void look();
    },
    async purge(tenantHash) {
      const word = randomBytes(9).toString("base64url");
      const field = await redis.run({ use: "purge", what: purgeScript, args: [hashName, tenantHash ?? everybody, word], timeoutMs });
      take(String(field), word);
    },
    close() {
      closed = true;
      cancel?.();
    },
  };
}

/** A hash comes as name, value, name, value. */
function wordsFrom(reply: unknown): ReadonlyMap<string, string> {
  const texts = Array.isArray(reply) ? reply.map(String) : [];
  const words = new Map<string, string>();
  for (let i = 0; i + 1 < texts.length; i += 2) words.set(texts[i] ?? "", texts[i + 1] ?? "");
  return words;
}
