/** Limits of keys over four replicas and one Redis, each a process of its own; what is lost, lasts, and comes back. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completion, createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { findPostgres, noPostgres, type TestPostgres } from "../support/postgres.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { metricsFrom, soon, until } from "./scene.ts";

/** Input of `hello` and ten words of an answer, as the simulated provider counts and these prices have it. */
const callUsd = 0.024;
const budget = `{budget_usd: ${37 * callUsd}, budget_period: total}`;
const keys: Readonly<Record<string, string>> = {
  requests: "{requests_per_minute: 100}",
  "requests-again": "{requests_per_minute: 100}",
  calls: "{concurrent_calls: 8}",
  budget,
  "budget-again": budget,
  frozen: "{requests_per_minute: 40}",
  money: "{budget_usd: 100}",
  many: "{requests_per_minute: 1000000, tokens_per_minute: 1000000000, concurrent_calls: 1000}",
  free: "{}",
  flushed: "{requests_per_minute: 40}",
  "flushed-budget": budget,
  killed: "{requests_per_minute: 40}",
  full: "{requests_per_minute: 40, concurrent_calls: 4}",
  slow: "{requests_per_minute: 40}",
};

let redis: RedisServer;
let upstream: Upstream;
let postgres: TestPostgres | undefined;
let storeUrl: string | undefined;
let servers: ServerProcess[] = [];

const configuration = (): string => `
server: {drain_timeout: 1s}
auth: {keys: [${Object.entries(keys)
  .map(([name, limits]) => `{name: ${name}, key: key-${name}, limits: ${limits}}`)
  .join(", ")}]}
health: {probe: none}
providers:
  sim: {type: simulated, models: [{id: m, input_price: 1000, output_price: 2000}], reply: "tokens:10", tokens_per_second: 1e9, first_token: 5ms}
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: hangs, input_price: 1000, output_price: 2000}]}
# A busy machine must not look like a slow Redis.
redis: {url: "${redis.url}", timeout: 300ms}
`;

async function ask({ url }: ServerProcess, name: string, model = "sim/m", more: object = {}): Promise<Response> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer key-${name}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }], ...more }),
  });
  await response.clone().arrayBuffer();
  return response;
}

/** How many of so many calls at once, spread over the replicas, came to what. */
async function flood(name: string, calls = 200, among: readonly ServerProcess[] = servers): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  const one = async (i: number): Promise<void> => {
    const server = among[i % among.length];
    if (server === undefined) throw new Error("no server");
    const response = await ask(server, name);
    const word = response.ok ? "ok" : (/"code":"(\w+)"/.exec(await response.text())?.[1] ?? "none");
    outcomes[word] = (outcomes[word] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: calls }, (_, i) => one(i)));
  return outcomes;
}

const metricsOf = async ({ url }: ServerProcess) => metricsFrom(await (await fetch(`${url}/metrics`)).text());
const healthOf = async ({ url }: ServerProcess): Promise<unknown> => (await fetch(`${url}/health`)).json();
const isUp = ({ message }: Readonly<Record<string, unknown>>): boolean => message === "redis is connected and answers";

async function start(): Promise<ServerProcess> {
  // Where there is none, each has a ledger of its own.
  const server = await startServer(configuration(), storeUrl === undefined ? {} : { SEMAROUTE_STORE_URL: storeUrl });
  await server.logged(isUp);
  return server;
}

function first(): ServerProcess {
  const [server] = servers;
  if (server === undefined) throw new Error("they did not start");
  return server;
}

beforeAll(async () => {
  if (!hasRedis) return;
  redis = await startRedis();
  if (noPostgres === undefined) postgres = await findPostgres();
  storeUrl = await postgres?.createDatabase();
  upstream = await createUpstream(async (reply, { body }) => {
    // Never answers whom we mean to kill.
    if (!JSON.stringify(body).includes("hangs")) reply.json(completion("hello"));
  });
  servers = await Promise.all(Array.from({ length: 4 }, start));
}, 120_000);

afterAll(async () => {
  if (!hasRedis) return;
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  await upstream.close();
  await redis[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

describe.skipIf(!hasRedis)("four replicas on one Redis", () => {
  test("S06: let exactly a hundred of two hundred calls pass", async () => {
    expect(await flood("requests")).toEqual({ ok: 100, rate_limit_exceeded: 100 });
  });

  test("S06: spend exactly the money of an unknown key that is enough for thirty-seven", { timeout: 30_000 }, async () => {
    expect(await flood("budget")).toEqual({ ok: 37, insufficient_quota: 163 });
  });

  test(
    "S07, I2: do the same with a replica killed in between, whose calls and money come back within a minute",
    { timeout: 60_000 },
    async () => {
      const dying = servers.pop();
      if (dying === undefined) throw new Error("they did not start");
      await using _ = {
        async [Symbol.asyncDispose]() {
          await dying.stop("SIGKILL");
          if (servers.length < 4) servers.push(await start());
        },
      };
      // It holds all places of one key, and money of another.
      const lost = [...Array.from({ length: 8 }, () => "calls"), "budget-again", "budget-again"].map((name) =>
        ask(dying, name, "up/hangs").catch(() => undefined),
      );
      const half = await flood("requests-again", 40, [dying, ...servers]);
      expect(half).toEqual({ ok: 40 });
      await until(() => upstream.requests.length >= 9, "calls that hang");
      expect((await ask(first(), "calls")).status).toBe(429);
      const killedMs = performance.now();
      await dying.stop("SIGKILL");
      await Promise.all(lost);
      expect((await ask(first(), "calls")).status).toBe(429);
      servers.push(await start());
      expect(await flood("requests-again")).toEqual({ ok: 60, rate_limit_exceeded: 140 });
      await until(async () => (await ask(first(), "calls")).ok, "a place of the dead", 60_000);
      expect(performance.now() - killedMs).toBeLessThan(60_000);
      expect(await flood("budget-again")).toEqual({ ok: 37, insufficient_quota: 163 });
    },
  );
});

const modes = async (server: ServerProcess): Promise<unknown> => {
  const metrics = await metricsOf(server);
  const isLocal = (part: string): boolean => metrics.sum("shared_mode", { part, mode: "local" }) === 1;
  return { health: await healthOf(server), local: ["limits", "budgets"].filter(isLocal) };
};
const isLocal = { health: { status: "healthy", redis: { limits: "local", budgets: "local" } }, local: ["limits", "budgets"] };
const isShared = { health: { status: "healthy", redis: { limits: "shared", budgets: "shared" } }, local: [] };
const shared = async (): Promise<void> => {
  for (const server of servers) await until(async () => (await metricsOf(server)).sum("redis_up") === 1, "Redis that is up", 20_000);
  // Each says what it has counted alone.
  await soon(1500);
};

/** Redis answers nothing, until this is disposed of and all share again: what fails must not make those behind it fail. */
function frozen(): AsyncDisposable {
  redis.freeze();
  return {
    async [Symbol.asyncDispose]() {
      redis.thaw();
      await shared();
    },
  };
}

/** Redis has another setting meanwhile. */
async function hasSetting(name: string, value: string): Promise<AsyncDisposable> {
  await redis.client.config("SET", name, value);
  return {
    async [Symbol.asyncDispose]() {
      await redis.client.config("SET", name, "0");
      await shared();
    },
  };
}

describe.skipIf(!hasRedis)("with Redis", () => {
  test("S02, S05: frozen, calls go on within their replica's part, at no cost; then the minute goes on", { timeout: 60_000 }, async () => {
    expect(await flood("frozen", 8)).toEqual({ ok: 8 });
    expect((await ask(first(), "money", "sim/m", { max_tokens: 10 })).status).toBe(200);
    await using thawed = frozen();
    const alone = (await flood("frozen", 60))["ok"] ?? 0;
    // A fourth of the limit each; who found Redis silent only now may have been let in by it.
    expect(alone).toBeLessThanOrEqual(32);
    expect(alone).toBeGreaterThanOrEqual(24);
    for (const server of servers)
      await until(async () => (await metricsOf(server)).sum("redis_up") === 0, "a breaker that is open", 10_000);
    expect(await modes(first())).toMatchObject(isLocal);
    // Nobody waits for an answer that will not come: no call sends a command.
    const before = await metricsOf(first());
    for (let i = 0; i < 100; i++) expect((await ask(first(), "many")).status).toBe(200);
    const after = await metricsOf(first());
    const came = (failure: string): number => {
      const [was, is] = [before, after].map((metrics) => metrics.sum("redis_failures_total", { use: "limits", failure }));
      return (is ?? 0) - (was ?? 0);
    };
    expect([came("timeout"), came("lost")]).toEqual([0, 0]);
    expect(came("silent") + came("away")).toBeGreaterThanOrEqual(100);
    // A small grace of the money, and no more.
    expect((await ask(first(), "money", "sim/m", { max_tokens: 10 })).status).toBe(200);
    const dear = await ask(first(), "money", "sim/m", { max_tokens: 4000 });
    expect([dear.status, dear.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await dear.text()).toContain('"code":"store_unavailable"');

    await thawed[Symbol.asyncDispose]();
    expect(await modes(first())).toMatchObject(isShared);
    expect((await flood("frozen", 60))["ok"] ?? 0).toBe(40 - 8 - alone);
  });

  test("S04: flushed, a minute and a budget are what they were", { timeout: 60_000 }, async () => {
    expect(await flood("flushed", 25)).toEqual({ ok: 25 });
    const isOneLedger = noPostgres === undefined;
    if (isOneLedger) for (let i = 0; i < 20; i++) expect((await ask(servers[i % 4] ?? first(), "flushed-budget")).status).toBe(200);
    await soon(300);
    await redis.client.flushall();
    await soon(1500);
    expect(await flood("flushed", 60)).toEqual({ ok: 15, rate_limit_exceeded: 45 });
    if (isOneLedger) expect(await flood("flushed-budget", 60)).toEqual({ ok: 17, insufficient_quota: 43 });
  });

  test("S04: full, read-only or slow, calls go on", { timeout: 60_000 }, async () => {
    expect(await flood("full", 8)).toMatchObject({ ok: expect.any(Number) });
    for (const setting of ["maxmemory", "min-replicas-to-write"]) {
      {
        await using _ = await hasSetting(setting, "1");
        expect((await ask(first(), "full")).status).toBe(200);
        expect(await modes(first())).toMatchObject(isLocal);
      }
      expect(await modes(first())).toMatchObject(isShared);
    }
    await redis.client.call("CLIENT", "PAUSE", "1000", "ALL");
    for (let i = 0; i < 8; i++) expect((await ask(first(), "slow")).status).toBe(200);
    await shared();
    expect((await flood("slow", 60))["ok"]).toBe(32);
  });

  test("S01, S05: killed and back with no memory, nothing is doubled, and what was spent counts", { timeout: 60_000 }, async () => {
    expect(await flood("killed", 20)).toEqual({ ok: 20 });
    await redis.kill();
    for (const server of servers) await until(async () => (await metricsOf(server)).sum("redis_up") === 0, "Redis that is away");
    expect(await flood("killed", 60)).toEqual({ ok: 20, rate_limit_exceeded: 40 });
    await redis.restart();
    await shared();
    expect(await flood("killed", 20)).toEqual({ rate_limit_exceeded: 20 });
    if (noPostgres === undefined) expect(await flood("budget", 20)).toEqual({ insufficient_quota: 20 });
  });
});
