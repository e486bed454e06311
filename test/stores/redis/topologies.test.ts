/** Sentinel and Cluster, and TLS, with processes of redis-server. */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { cacheKey } from "../../../src/core/cache.ts";
import type { Key, KeyId } from "../../../src/core/call.ts";
import { ChatError } from "../../../src/core/error.ts";
import { RedisError } from "../../../src/core/redis.ts";
import { redisAddressFrom } from "../../../src/core/redis-address.ts";
import { createRedisConnection, type RedisConnection } from "../../../src/stores/redis/connection.ts";
import { createPurgeTokens } from "../../../src/stores/redis/purge-tokens.ts";
import { createReplyStore } from "../../../src/stores/redis/reply-store.ts";
import { createSharedLimits } from "../../../src/stores/redis/shared-limits.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { ended, freePort, hasRedis, started } from "../../support/redis.ts";
import { callOf, targetOf, whole } from "../../stages/support.ts";

/** Processes of one test, in a folder of theirs. */
interface Fleet extends AsyncDisposable {
  readonly folder: string;
  /** Starts one, and answers its port. */
  start(...args: readonly string[]): Promise<number>;
  kill(port: number): Promise<void>;
  /** A client of one of them. */
  client(port: number): Redis;
}

async function createFleet(): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-redis-"));
  const children = new Map<number, ChildProcess>();
  const clients: Redis[] = [];
  return {
    folder,
    async start(...args) {
      const port = await freePort();
      children.set(port, await started(folder, port, args));
      return port;
    },
    async kill(port) {
      const child = children.get(port);
      if (child !== undefined) await ended(child, "SIGKILL");
    },
    client(port) {
      const client = new Redis({ port, host: "127.0.0.1" });
      client.on("error", () => undefined);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.disconnect();
      for (const child of children.values()) await ended(child, "SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function connect(url: string): RedisConnection & Disposable {
  const address = redisAddressFrom(url);
  if (typeof address === "string") throw new Error(address);
  const observer = { ran: () => {}, changed: () => {} };
  const connection = createRedisConnection({ address, timeoutMs: 500, clock: systemClock, random: () => 0.5, observer });
  return Object.assign(connection, { [Symbol.dispose]: () => connection.close() });
}

async function until<T>(look: () => Promise<T | undefined>, withinMs = 20_000): Promise<T> {
  const startMs = performance.now();
  for (;;) {
    const found = await look().catch((thrown: unknown) => {
      if (thrown instanceof RedisError) return undefined;
      throw thrown;
    });
    if (found !== undefined) return found;
    if (performance.now() - startMs > withinMs) throw new Error("it did not come to that");
    await sleep(50);
  }
}

const set = (redis: RedisConnection, key: string): Promise<unknown> => redis.run({ use: "cache_write", what: "SET", args: [key, "v"] });

describe.skipIf(!hasRedis)("a fleet of Redis", () => {
  test("by Sentinel: the master is found, and its successor when it dies", { timeout: 60_000 }, async () => {
    await using fleet = await createFleet();
    const master = await fleet.start();
    const replica = await fleet.start("--replicaof", "127.0.0.1", String(master));
    const conf = join(fleet.folder, "sentinel.conf");
    await writeFile(
      conf,
      `sentinel monitor main 127.0.0.1 ${master} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n`,
    );
    const sentinel = await fleet.start(conf, "--sentinel");
    await until(async () => ((await fleet.client(replica).info("replication")).includes("master_link_status:up") ? true : undefined));
    await until(async () => {
      const replicas: unknown = await fleet.client(sentinel).call("SENTINEL", "REPLICAS", "main");
      return Array.isArray(replicas) && replicas.length > 0 ? true : undefined;
    });

    using redis = connect(`redis+sentinel://127.0.0.1:${sentinel},127.0.0.1:1/main/0`);
    const heard: string[] = [];
    redis.listen("news", { said: (text) => heard.push(text), missed: () => {} });
    await until(() => set(redis, "before"));
    expect(await fleet.client(master).get("before")).toBe("v");
    await fleet.kill(master);
    await until(() => set(redis, "after"), 40_000);
    expect(await fleet.client(replica).get("after")).toBe("v");
    await until(async () => {
      await redis.run({ use: "purge", what: "PUBLISH", args: ["news", "still heard"] });
      return heard.length > 0 ? true : undefined;
    });
  });

  test(
    "as a Cluster: answers and limits are spread over its nodes, flights and purges work, and a dead node leaves the others",
    { timeout: 60_000 },
    async () => {
      await using fleet = await createFleet();
      const buses = [await freePort(), await freePort(), await freePort()];
      const ports: number[] = [];
      for (const bus of buses) {
        const options = ["--cluster-enabled", "yes", "--cluster-port", String(bus), "--cluster-config-file", `nodes-${bus}.conf`];
        ports.push(await fleet.start(...options, "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"));
      }
      const nodes = ports.map((port) => fleet.client(port));
      for (const [i, node] of nodes.entries()) {
        await node.call("CLUSTER", "ADDSLOTSRANGE", Math.ceil((16_384 / 3) * i), Math.ceil((16_384 / 3) * (i + 1)) - 1);
        for (const [j, port] of ports.entries()) await node.call("CLUSTER", "MEET", "127.0.0.1", port, buses[j] ?? 0);
      }
      for (const node of nodes)
        await until(async () => (String(await node.call("CLUSTER", "INFO")).includes("cluster_known_nodes:3") ? true : undefined));
      for (const node of nodes)
        await until(async () => (String(await node.call("CLUSTER", "INFO")).includes("cluster_state:ok") ? true : undefined));

      using redis = connect(`redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:1`);
      const purged: unknown[] = [];
      const tokens = createPurgeTokens({ redis, clock: systemClock, onPurged: (tenant) => purged.push(tenant) });
      const target = targetOf("openai/small");
      const store = createReplyStore({
        redis,
        tokens,
        clock: systemClock,
        random: () => 0.5,
        ttlMs: 60_000,
        targetOf: () => target,
        count: () => {},
      });
      await until(() => set(redis, "hello"));
      const never = new AbortController().signal;
      const keys = Array.from({ length: 30 }, (_, i) => cacheKey("cfg_a" as KeyId, `request-${i}`));
      for (const key of keys) {
        const turn = await store.turn(key, { streamed: false, deadline: systemClock.now() + 1000, signal: never });
        expect(turn.kind).toBe("ours");
        await store.keep(key, { target, batches: [[whole("Hello")]], bytes: 100 });
        if (turn.kind === "ours") turn.end();
        expect(await store.find(key, never)).toBeDefined();
      }
      const shares = await Promise.all(nodes.map(async (node) => (await node.keys("semaroute:cache:*")).length));
      expect(shares.every((share) => share > 2)).toBe(true);
      await tokens.purge(undefined);
      expect(await store.find(keys[0] ?? cacheKey("x" as KeyId, "x"), never)).toBeUndefined();
      expect(await redis.sweep("semaroute:cache:*")).toBe(30);

      const limits = createSharedLimits({ redis, clock: systemClock, spentSince: () => Promise.resolve(0n) });
      for (let i = 0; i < 30; i++) {
        const one = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 1, budgetMicroUsd: 0, budgetPeriod: "month" } as const;
        const key: Key = { id: `cfg_${i}` as KeyId, name: `${i}`, models: undefined, priority: 2, limits: one };
        expect(await limits.enter(callOf(undefined, { key }))).not.toBeInstanceOf(ChatError);
        expect(await limits.enter(callOf(undefined, { key }))).toMatchObject({ failure: "CALLER_RATE_LIMITED" });
      }
      await limits.close();
      const limited = await Promise.all(nodes.map(async (node) => (await node.keys("semaroute:limits:*")).length));
      expect(limited.every((share) => share > 2)).toBe(true);

      await fleet.kill(ports[2] ?? 0);
      const answered = await Promise.all(keys.map((key) => store.find(key, never).then(() => true)));
      expect(answered).toHaveLength(30);
      await until(() => set(redis, "{request-0}x").catch(() => set(redis, "{request-1}x")));
      tokens.close();
    },
  );
});
