/** Two replicas and one Redis: what one finds out about targets and conversations, and what the other does with it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { completion, createUpstream, type Upstream, type UpstreamHandler, type UpstreamRequest } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { fails, type Metrics, metricsFrom, says, until } from "./scene.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- JSON of answers, looked at by matchers.
type Json = any;

const usage = { prompt_tokens: 2000, completion_tokens: 9, total_tokens: 2009 };
const remembers: UpstreamHandler = (reply) => reply.json(completion("good", { usage }));
const modelOf = ({ body }: UpstreamRequest): string => (body as { readonly model: string }).model;

let redis: RedisServer;
let [one, two]: ServerProcess[] = [];
const plays = new Map<string, UpstreamHandler>();
const upstreams: Partial<Record<"first" | "second", Upstream>> = {};

const models = (price: number): string =>
  ["broken", "limited", "refused"].map((id) => `{id: ${id}, input_price: ${price}, output_price: ${price}}`).join(", ");
const cached = "{id: talk, input_price: 1, output_price: 1, cached_input_price: 0.1}";
const configuration = (key = "shared"): string => `
admin: {token: admin-canary}
auth: {keys: [{name: team-a, key: key-a}, {name: team-b, key: key-b}]}
health: {probe: none}
resilience: {retry: {base_delay: 1ms}}
routing_policy:
  type: rules
  config:
    rules: [{name: talks, when: "model == 'talk'", policy: {type: weighted, config: {weights: {first: 1, second: 1}}}}]
    otherwise: {type: failover, config: {primary_provider: first, backup_providers: [second], failover_delay: 1ms}}
providers:
  first: {type: openai_compatible, base_url: "${upstreams.first?.url}/v1", api_key: ${key}-first, models: [${models(1)}, ${cached}]}
  second: {type: openai_compatible, base_url: "${upstreams.second?.url}/v1", api_key: ${key}-second, models: [${models(2)}, ${cached}]}
# A busy machine must not look like a slow Redis.
redis: {url: "${redis.url}", timeout: 200ms}
`;

function replicas(): [ServerProcess, ServerProcess] {
  if (one === undefined || two === undefined) throw new Error("they did not start");
  return [one, two];
}

async function start(text = configuration()): Promise<ServerProcess> {
  const server = await startServer(text);
  await server.logged(({ message }) => message === "redis is connected and answers");
  return server;
}

const metricsOf = async ({ url }: ServerProcess): Promise<Metrics> => metricsFrom(await (await fetch(`${url}/metrics`)).text());
const post = (url: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<Response> =>
  fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });

interface Question {
  readonly key?: string;
  readonly affinity?: string;
  readonly prompt?: string;
}

/** Who answered. */
async function ask({ url }: ServerProcess, model: string, { key = "key-a", affinity, prompt = "hello" }: Question = {}) {
  const headers = { authorization: `Bearer ${key}`, ...(affinity !== undefined && { "x-semaroute-affinity": affinity }) };
  const body = { model, messages: [{ role: "user", content: prompt }] };
  return (await post(`${url}/v1/chat/completions`, body, headers)).headers.get("x-semaroute-provider");
}

async function explain({ url }: ServerProcess, model: string, more: object = {}): Promise<Json> {
  const request = { model, messages: [{ role: "ROLE_USER", text: "hello" }], ...more };
  const response = await post(`${url}/semaroute.v1.RouterService/Explain`, { request }, { authorization: "Bearer key-a" });
  return response.json();
}

/** What a replica has heard of the first provider's target. */
async function hearsayOf({ url }: ServerProcess, model: string): Promise<Json> {
  const headers = { authorization: "Bearer admin-canary" };
  const { health }: Json = await (await fetch(`${url}/admin/providers/first/health`, { headers })).json();
  return (health ?? [])[0]?.targets.find((each: Json) => each.model === model)?.hearsay;
}

beforeAll(async () => {
  if (!hasRedis) return;
  redis = await startRedis();
  for (const side of ["first", "second"] as const)
    upstreams[side] = await createUpstream((reply, request, ordinal) => {
      const handler = plays.get(`${side} ${modelOf(request)}`) ?? (modelOf(request) === "talk" ? remembers : says("good"));
      return handler(reply, request, ordinal);
    });
  [one, two] = await Promise.all([start(), start()]);
}, 60_000);

afterAll(async () => {
  if (!hasRedis) return;
  await Promise.all(replicas().map((server) => server[Symbol.asyncDispose]()));
  for (const upstream of Object.values(upstreams)) await upstream.close();
  await redis[Symbol.asyncDispose]();
});

describe.skipIf(!hasRedis)("what one replica finds out about a target", () => {
  test("costs the other one call where the breaker opened, and no call fails", async () => {
    const [a, b] = replicas();
    plays.set("first broken", fails(500));
    while ((await metricsOf(a)).sum("target_breaker_open", { provider: "first", model: "broken" }) === 0)
      expect(await ask(a, "broken")).toBe("second");
    await until(async () => (await hearsayOf(b, "broken"))?.axis === "HEALTH_AXIS_BREAKER", "a hint");
    expect((await metricsOf(b)).sum("target_breaker_open", { provider: "first" })).toBe(0);
    const before = upstreams.first?.requests.filter((request) => modelOf(request) === "broken").length ?? 0;
    for (let i = 0; i < 10; i++) expect(await ask(b, "broken")).toBe("second");
    const metrics = await metricsOf(b);
    expect(metrics.sum("target_breaker_open", { provider: "first", model: "broken" })).toBe(1);
    // With the repeat that the call's own attempts may have made of it.
    expect((upstreams.first?.requests.filter((request) => modelOf(request) === "broken").length ?? 0) - before).toBeLessThanOrEqual(2);
    expect(metrics.sum("hints_total", { result: "heard", kind: "failing" })).toBe(1);
    expect(metrics.sum("hints_total", { result: "told" })).toBe(0);
    expect((await metricsOf(a)).sum("hints_total", { result: "told", kind: "failing" })).toBe(1);
  });

  test("sends the other's calls elsewhere first while the upstream wants to be left alone, and says why", async () => {
    const [a, b] = replicas();
    plays.set("first limited", fails(429, { "retry-after": "30" }));
    await ask(a, "limited");
    await until(async () => (await hearsayOf(b, "limited"))?.axis === "HEALTH_AXIS_RATE_LIMIT", "a hint");
    expect(await ask(b, "limited")).toBe("second");
    expect(upstreams.first?.requests.filter((request) => modelOf(request) === "limited")).toHaveLength(1);
    const { candidates } = await explain(b, "limited");
    expect(candidates.map(({ provider, rank }: Json) => [provider, rank])).toEqual([
      ["second", 1],
      ["first", 2],
    ]);
    expect(candidates[1].terms.map(({ name }: Json) => name)).toContain("another replica was told to wait");
    // Who wants the one alone is not kept from it.
    await ask(b, "first/limited");
    expect(upstreams.first?.requests.filter((request) => modelOf(request) === "limited")).toHaveLength(2);
  });

  test("is of no use to one with another credential, but where the host is down", async () => {
    const [a] = replicas();
    await using other = await start(configuration("other"));
    plays.set("first refused", fails(401));
    await ask(a, "refused");
    await until(async () => (await metricsOf(other)).sum("hints_total", { result: "foreign", kind: "refused" }) === 1, "a foreign hint");
    expect(await hearsayOf(other, "refused")).toBeUndefined();
  });

  test("is not believed in any other shape, and does nothing", async () => {
    const [a] = replicas();
    const before = (await metricsOf(a)).sum("hints_total", { result: "malformed" });
    for (const text of [
      "",
      "{",
      "[1]",
      '{"v":1}',
      '{"v":1,"kind":"failing","target":"first/talk","ms":9e99,"from":"x","mark":"y"}',
      "\0\uffff",
    ])
      await redis.client.publish("semaroute:health", text);
    await redis.client.publish("semaroute:health", '{"v":1,"kind":"failing","target":"first/talk","ms":9000,"from":"x","mark":"y"}');
    await until(async () => (await metricsOf(a)).sum("hints_total", { result: "malformed" }) === before + 6, "six messages that are none");
    await until(async () => (await metricsOf(a)).sum("hints_total", { result: "foreign", kind: "failing" }) > 0, "a foreign hint");
    expect(await hearsayOf(a, "talk")).toBeUndefined();
  });
});

describe.skipIf(!hasRedis)("a conversation", () => {
  const affinityKeys = (): Promise<string[]> => redis.client.keys("semaroute:affinity:*");

  test("stays where it began over twenty turns at replicas in turn, whatever lots are drawn", async () => {
    for (const affinity of ["talk-1", "talk-2", "talk-3"]) {
      const sides = new Set<string | null>();
      const known = (await affinityKeys()).length;
      for (let turn = 0; turn < 20; turn++) {
        sides.add(await ask(replicas()[turn % 2 === 0 ? 0 : 1], "talk", { affinity }));
        // The write is nobody's wait.
        if (turn === 0) await until(async () => (await affinityKeys()).length === known + 1, "a holder in Redis");
      }
      expect(sides.size).toBe(1);
    }
  });

  test("is explained by a replica that never saw it", async () => {
    const [a] = replicas();
    const side = await ask(a, "talk", { affinity: "explained" });
    await using third = await start();
    const holders = async (): Promise<Json> => {
      const { candidates } = await explain(third, "talk", { routing: { affinityKey: "explained" } });
      return candidates.filter(({ terms }: Json) => terms.some(({ name }: Json) => String(name).startsWith("holds")));
    };
    await until(async () => (await holders()).length > 0, "an explanation with the holder");
    expect((await holders()).map(({ provider }: Json) => provider)).toEqual([side]);
  });

  test("without a name is known elsewhere by how it began, where a price depends on it", async () => {
    const prompt = `${"word ".repeat(2000)}unnamed`;
    const [a, b] = replicas();
    const reads = async (server: ServerProcess): Promise<number> =>
      (await metricsOf(server)).sum("redis_command_seconds_count", { use: "affinity" });
    const before = [await reads(a), await reads(b)];
    await ask(a, "talk", { prompt });
    // One read, one write.
    await until(async () => (await reads(a)) === (before[0] ?? 0) + 2, "a holder in Redis");
    await ask(b, "talk", { prompt });
    expect(await reads(b)).toBeGreaterThan(before[1] ?? 0);
    const later = await reads(b);
    // Neither a short prompt nor one that no price depends on.
    await ask(b, "talk");
    await ask(b, "limited", { prompt });
    expect(await reads(b)).toBeLessThanOrEqual(later + 1);
  });

  test("of one tenant is not another's, and no key or value in Redis tells who or what", async () => {
    await ask(replicas()[0], "talk", { affinity: "private-canary", key: "key-a" });
    const known = await affinityKeys();
    for (const key of known) {
      expect(key).toMatch(/^semaroute:affinity:1:\{[\w-]{43}\}$/);
      expect(Object.keys(JSON.parse((await redis.client.get(key)) ?? "{}")).toSorted()).toEqual(["target", "tokens", "ttl_ms"]);
    }
    await ask(replicas()[1], "talk", { affinity: "private-canary", key: "key-b" });
    await until(async () => (await affinityKeys()).length === known.length + 1, "a holder of the other tenant");
  });

  test("whose holder in Redis was spoilt has none, and the spoilt one is deleted", async () => {
    const [a] = replicas();
    const before = new Set(await affinityKeys());
    await ask(a, "talk", { affinity: "spoilt" });
    const fresh = async (): Promise<string | undefined> => (await affinityKeys()).find((each) => !before.has(each));
    await until(async () => (await fresh()) !== undefined, "a holder in Redis");
    const name = (await fresh()) ?? "";
    for (const value of ["{", '{"target":"first/talk","tokens":-1,"ttl_ms":9}']) {
      await redis.client.set(name, value);
      await using third = await start();
      await explain(third, "talk", { routing: { affinityKey: "spoilt" } });
      await until(async () => (await redis.client.exists(name)) === 0, `the end of ${value.slice(0, 50)}`);
    }
  }, 60_000);

  test("waits for no Redis that is away", async () => {
    const [a] = replicas();
    await redis.kill();
    await until(async () => (await metricsOf(a)).sum("redis_up") === 0, "Redis that is away");
    expect(await ask(a, "talk", { affinity: "lonely" })).not.toBeNull();
    const side = await ask(a, "talk", { affinity: "lonely" });
    for (let turn = 0; turn < 5; turn++) expect(await ask(a, "talk", { affinity: "lonely" })).toBe(side);
    await redis.restart();
    for (const server of replicas()) await until(async () => (await metricsOf(server)).sum("redis_up") === 1, "Redis that is up", 10_000);
    await ask(a, "talk", { affinity: "lonely" });
    await until(async () => (await affinityKeys()).length === 1, "a holder in Redis");
  }, 30_000);
});
