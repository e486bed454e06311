/** Limits of keys over four replicas and one Redis, each a process of its own; what is lost, lasts, and comes back. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completion, createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { metricsFrom, until } from "./scene.ts";

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
  "frozen-budget": "{budget_usd: 100}",
  flushed: "{requests_per_minute: 40}",
  "flushed-budget": budget,
  killed: "{requests_per_minute: 40}",
  full: "{requests_per_minute: 40, concurrent_calls: 4}",
};

let redis: RedisServer;
let upstream: Upstream;
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

async function ask({ url }: ServerProcess, name: string, model = "sim/m"): Promise<Response> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer key-${name}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] }),
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
  const server = await startServer(configuration());
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
  upstream = await createUpstream(async (reply, { body }) => {
    // Never answers whom we mean to kill.
    if (!JSON.stringify(body).includes("hangs")) reply.json(completion("hello"));
  });
  servers = await Promise.all(Array.from({ length: 4 }, start));
}, 60_000);

afterAll(async () => {
  if (!hasRedis) return;
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  await upstream.close();
  await redis[Symbol.asyncDispose]();
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
      servers.push(await start());
      expect(await flood("requests-again")).toEqual({ ok: 60, rate_limit_exceeded: 140 });

      expect((await ask(first(), "calls")).status).toBe(429);
      await until(async () => (await ask(first(), "calls")).ok, "a place of the dead", 60_000);
      expect(performance.now() - killedMs).toBeLessThan(60_000);
      expect(await flood("budget-again")).toEqual({ ok: 37, insufficient_quota: 163 });
    },
  );
});
