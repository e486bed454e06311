import { hash } from "node:crypto";
import type { Affinity, Holding } from "../../core/affinity.ts";
import type { TargetId } from "../../core/catalog.ts";
import { isJsonObject } from "../../core/json-fields.ts";
import type { MemoryAffinity } from "../affinity.ts";
import type { RedisConnection } from "./connection.ts";
import { redisScript } from "./script.ts";

/** Of what is kept; also a part of every key, so that two versions side by side do not meet. */
const version = 1;
/** Longest text that is read. */
const textMax = 1024;
const tokensMax = 100_000_000;
const ttlMsMax = 86_400_000;
/** Nobody waits for a write. */
const writeMs = 250;

/** What is held, and how long it still is by the clock of Redis, so that no other has to be right. */
const readScript = redisScript(1, false, "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}");

/**
 * Holders in this process's memory, and behind it in Redis for all replicas: written beside the calls, and read once for a conversation
 * that is not known here. Where Redis is away, only what is known here is known.
 */
export function createSharedAffinity(memory: MemoryAffinity, redis: RedisConnection): Affinity {
  const discard = (name: string): void => {
    // Nobody waits, and its failure is counted by the connection.
    void redis.run({ use: "affinity", what: "UNLINK", args: [name], timeoutMs: writeMs }).catch(() => undefined);
  };
  return {
    find: memory.find,
    bind(conversation, holding) {
      memory.bind(conversation, holding);
      const lifeMs = Math.max(1, Math.min(Math.round(holding.ttlMs), ttlMsMax));
      const args = [nameOf(conversation), textFrom(holding), "PX", lifeMs];
      void redis.run({ use: "affinity", what: "SET", args, timeoutMs: writeMs }).catch(() => undefined);
    },
    async recollect(conversation, signal) {
      const name = nameOf(conversation);
      const reply = await redis.run({ use: "affinity", what: readScript, args: [name], signal }).catch(() => undefined);
      const [text, leftMs]: readonly unknown[] = Array.isArray(reply) ? reply : [];
      // Whoever has bound it meanwhile knows better.
      if (!(text instanceof Buffer) || memory.find(conversation) !== undefined) return;
      const holding = holdingFrom(text);
      if (holding === undefined) discard(name);
      else if (typeof leftMs === "number" && leftMs > 0) memory.bind(conversation, holding, Math.min(leftMs, holding.ttlMs));
    },
  };
}

/** A conversation's name begins with its tenant, and nobody can tell either from the hash. */
function nameOf(conversation: string): string {
  return `semaroute:affinity:${version}:{${hash("sha256", conversation, "base64url")}}`;
}

function textFrom({ target, tokens, ttlMs }: Holding): string {
  return JSON.stringify({ target, tokens: Math.round(tokens), ttl_ms: Math.round(ttlMs) });
}

/** Undefined: it is none. A target that is not configured here holds nothing that matters here. */
function holdingFrom(bytes: Buffer): Holding | undefined {
  if (bytes.length > textMax) return undefined;
  const read = readJson(bytes.toString());
  if (!isJsonObject(read)) return undefined;
  const { target, tokens, ttl_ms: ttlMs } = read;
  if (typeof target !== "string" || !target.includes("/")) return undefined;
  if (!isWhole(tokens, 0, tokensMax) || !isWhole(ttlMs, 1, ttlMsMax)) return undefined;
  // A brand: it is only ever compared with the ids of targets.
  return { target: target as TargetId, tokens, ttlMs };
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
