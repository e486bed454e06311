import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RedisError, type RedisFailure, type RedisObserver, type RedisStatus } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { redisScript } from "../../../src/stores/redis/script.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

/** A connection, and what it told. */
interface Watched {
  readonly connection: RedisConnection;
  readonly states: RedisStatus[];
  readonly failures: (RedisFailure | undefined)[];
  /** Resolves when the state is another. */
  readonly becomes: (state: RedisStatus["state"]) => Promise<RedisStatus>;
}

const open: RedisConnection[] = [];
let redis: RedisServer;

function connect(url: string, timeoutMs = 50): Watched {
  const address = redisAddressFrom(url);
  if (typeof address === "string") throw new Error(address);
  const states: RedisStatus[] = [];
  const failures: (RedisFailure | undefined)[] = [];
  const waiting = new Set<() => void>();
  const observer: RedisObserver = {
    ran: (_use, _ms, failure) => void failures.push(failure),
    changed(status) {
      states.push(status);
      for (const look of waiting) look();
    },
  };
  const connection = createRedisConnection({ address, timeoutMs, clock: systemClock, random: () => 0.5, observer });
  open.push(connection);
  const becomes = (state: RedisStatus["state"]): Promise<RedisStatus> =>
    new Promise((resolve) => {
      const look = (): void => {
        const last = states.at(-1);
        if (last?.state !== state) return;
        waiting.delete(look);
        resolve(last);
      };
      waiting.add(look);
      look();
    });
  return { connection, states, failures, becomes };
}

const get = (connection: RedisConnection, key = "k", signal?: AbortSignal): Promise<unknown> =>
  connection.run({ use: "cache_read", what: "GET", args: [key], ...(signal && { signal }) });
const set = (connection: RedisConnection, key: string, value: string): Promise<unknown> =>
  connection.run({ use: "cache_write", what: "SET", args: [key, value] });

async function failureOf(promise: Promise<unknown>): Promise<RedisFailure | "none"> {
  try {
    await promise;
    return "none";
  } catch (thrown) {
    if (thrown instanceof RedisError) return thrown.failure;
    throw thrown;
  }
}

describe.skipIf(!hasRedis)("a connection to Redis", () => {
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const connection of open.splice(0)) connection.close();
    await redis[Symbol.asyncDispose]();
  });

  test("says why it is away each time, and not why it was before", async () => {
    await redis.kill();
    const { becomes } = connect(redis.url);
    expect(await becomes("away")).toMatchObject({ reason: "ECONNREFUSED" });
    await redis.restart();
    expect(await becomes("up")).toMatchObject({ reason: undefined });
    await redis.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await becomes("away")).toMatchObject({ reason: "closed" });
    await becomes("up");
  });

  test("carries out commands and scripts, also one that the server has forgotten", async () => {
    const { connection, becomes } = connect(redis.url);
    await becomes("up");
    const script = redisScript(1, false, "return redis.call('GET', KEYS[1])");
    await set(connection, "k", "value");
    expect(String(await get(connection))).toBe("value");
    for (let i = 0; i < 2; i++) {
      expect(String(await connection.run({ use: "flight", what: script, args: ["k"] }))).toBe("value");
      await redis.client.script("FLUSH");
    }
  });

  test("fails at once where there is no Redis, and goes on when it comes", async () => {
    const { port } = redis;
    await redis.kill();
    const { connection, states, becomes } = connect(redis.url);
    expect(await failureOf(get(connection))).toBe("away");
    expect((await becomes("away")).reason).toBe("ECONNREFUSED");
    await redis.restart();
    await becomes("up");
    expect(await failureOf(get(connection))).toBe("none");
    expect(states.map(({ state }) => state)).toEqual(["away", "up"]);
    expect(redis.port).toBe(port);
  });

  test("leaves a Redis alone that answers nothing, which costs five commands their deadline and others nothing, and tells so once", async () => {
    const { connection, states, failures, becomes } = connect(redis.url);
    await becomes("up");
    redis.freeze();
    for (let i = 0; i < 20; i++) await failureOf(get(connection));
    expect(failures).toEqual([...Array<string>(5).fill("timeout"), ...Array<string>(15).fill("silent")]);
    expect(states.map(({ state }) => state)).toEqual(["up", "silent"]);
    expect(connection.status()).toMatchObject({ state: "silent", breaker: "open", reason: "timeout" });
  });

  test("comes back without a caller's help after its breaker opened", { timeout: 20_000 }, async () => {
    const { connection, becomes } = connect(redis.url);
    await becomes("up");
    redis.freeze();
    for (let i = 0; i < 5; i++) await failureOf(get(connection));
    await becomes("silent");
    redis.thaw();
    await becomes("up");
    expect(connection.status()).toEqual({ state: "up", breaker: "closed", reason: undefined });
    expect(await failureOf(get(connection))).toBe("none");
  });

  test("is left by whoever does not wait any more, and that says nothing of Redis", async () => {
    const { connection, becomes } = connect(redis.url, 60_000);
    await becomes("up");
    redis.freeze();
    for (let i = 0; i < 10; i++) {
      const leaving = new AbortController();
      const asked = failureOf(get(connection, "k", leaving.signal));
      leaving.abort();
      expect(await asked).toBe("left");
    }
    expect(connection.status().state).toBe("up");
    redis.thaw();
  });

  test("S09: does not blame Redis for a time in which this process was at work itself", async () => {
    const { connection, failures, becomes } = connect(redis.url, 20);
    await becomes("up");
    for (let i = 0; i < 10; i++) {
      const asked = get(connection);
      const untilMs = performance.now() + 60;
      while (performance.now() < untilMs);
      await asked;
    }
    expect(failures).toEqual(Array(10).fill(undefined));
  });

  test("takes an error for an answer, and tells by its state that nothing can be written", async () => {
    const { connection, states, becomes } = connect(redis.url);
    await becomes("up");
    await redis.client.lpush("list", "x");
    for (let i = 0; i < 10; i++) expect(await failureOf(get(connection, "list"))).toBe("refused");
    expect(connection.status().state).toBe("up");
    await redis.client.config("SET", "min-replicas-to-write", "1");
    for (let i = 0; i < 10; i++) expect(await failureOf(set(connection, "k", "v"))).toBe("refused");
    expect(await failureOf(get(connection))).toBe("none");
    expect(connection.status()).toEqual({ state: "read_only", breaker: "closed", reason: "NOREPLICAS" });
    await redis.client.config("SET", "min-replicas-to-write", "0");
    expect(await failureOf(set(connection, "k", "v"))).toBe("none");
    expect(states.map(({ state }) => state)).toEqual(["up", "read_only", "up"]);
  });

  test("looks for another master where it finds a replica, but once and not again and again", async () => {
    const { connection, becomes } = connect(redis.url);
    await becomes("up");
    await set(connection, "k", "v");
    const connected = async (): Promise<number> => Number(/total_connections_received:(\d+)/.exec(await redis.client.info("stats"))?.[1]);
    const before = await connected();
    await redis.client.replicaof("127.0.0.1", 1);
    expect(await failureOf(set(connection, "k", "v"))).toBe("refused");
    await becomes("away");
    await becomes("read_only");
    for (let i = 0; i < 20; i++) expect(await failureOf(set(connection, "k", "v"))).toBe("refused");
    expect(String(await get(connection))).toBe("v");
    expect(await connected()).toBe(before + 1);
    await redis.client.replicaof("NO", "ONE");
    expect(await failureOf(set(connection, "k", "v"))).toBe("none");
    expect(connection.status().state).toBe("up");
  });

  test("has no more than a thousand commands under way", async () => {
    const { connection, failures, becomes } = connect(redis.url, 1000);
    await becomes("up");
    redis.freeze();
    const asked = Array.from({ length: 1100 }, () => failureOf(get(connection)));
    expect(await Promise.all(asked.slice(1000))).toEqual(Array(100).fill("full"));
    expect(failures).toEqual(Array(100).fill("full"));
    redis.thaw();
    await Promise.all(asked);
  });

  test("hears what is said on a channel, also on a new connection, and that it may have missed something", async () => {
    const { connection, becomes } = connect(redis.url);
    const heard = new Set<string>();
    let missed = 0;
    connection.listen("news", { said: (text) => void heard.add(text), missed: () => void missed++ });
    await becomes("up");
    const hears = async (text: string): Promise<void> => {
      while (!heard.has(text)) {
        await redis.client.publish("news", text);
        await sleep(10);
      }
    };
    await hears("one");
    expect(missed).toBeGreaterThan(0);
    missed = 0;
    await redis.restart();
    await hears("two");
    expect(missed).toBeGreaterThan(0);
  });

  test("sweeps the keys of a pattern and no others", async () => {
    const { connection, becomes } = connect(redis.url);
    await becomes("up");
    const pipeline = redis.client.pipeline();
    for (let i = 0; i < 3000; i++) pipeline.set(`mine:${i}`, "x").set(`other:${i}`, "x");
    await pipeline.exec();
    expect(await connection.sweep("mine:*")).toBe(3000);
    expect(await redis.client.dbsize()).toBe(3000);
  });
});

test.skipIf(!hasRedis)("a wrong password is named by its word, and shown nowhere", async () => {
  await using guarded = await startRedis("--requirepass", "right-canary");
  const wrong = connect(guarded.url.replace("right", "wrong"));
  const { reason } = await wrong.becomes("away");
  expect(reason).toBe("WRONGPASS");
  expect(JSON.stringify(wrong.states)).not.toContain("canary");
  wrong.connection.close();
  const right = connect(guarded.url);
  await right.becomes("up");
  right.connection.close();
});
