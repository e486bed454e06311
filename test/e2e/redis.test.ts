/** Two replicas, one Redis, one upstream; all of them real, each a process of its own. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, completion, createGate, createUpstream, embeddings, type Gate, type Upstream } from "../support/scripted-upstream.ts";
import { freePort, hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { isStreamed, type Metrics, metricsFrom, soon, until } from "./scene.ts";

let redis: RedisServer;
let upstream: Upstream;
let [one, two]: ServerProcess[] = [];
/** What the upstream waits for before it answers the prompt. */
const gates = new Map<string, Gate>();

const configuration = (): string => `
server: {drain_timeout: 1s}
admin: {token: admin-canary}
auth: {keys: [{name: team-a, key: key-a}, {name: team-b, key: key-b}]}
health: {probe: none}
providers:
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: m}, {id: e, kind: embedding}]}
cache: {mode: all, backend: redis}
# A busy machine must not look like a slow Redis.
redis: {url: "${redis.url}", timeout: 200ms}
`;

function promptOf(body: unknown): string {
  return /"(?:content|input)":"([^"]*)"/.exec(JSON.stringify(body))?.[1] ?? "";
}

const askedFor = (prompt: string): number => upstream.requests.filter(({ body }) => promptOf(body) === prompt).length;

function replicas(): [ServerProcess, ServerProcess] {
  if (one === undefined || two === undefined) throw new Error("they did not start");
  return [one, two];
}

interface Asked {
  readonly status: number;
  readonly cache: string | null;
  readonly text: string;
}

interface Question {
  readonly stream?: boolean;
  readonly key?: string;
  readonly path?: string;
}

async function ask(
  server: ServerProcess,
  prompt: string,
  { stream = false, key = "key-a", path = "chat/completions" }: Question = {},
): Promise<Asked> {
  const question =
    path === "embeddings"
      ? { model: "e", input: prompt }
      : { model: "m", max_tokens: 9, messages: [{ role: "user", content: prompt }], stream };
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(question),
  });
  return { status: response.status, cache: response.headers.get("x-semaroute-cache"), text: await response.text() };
}

const metricsOf = async ({ url }: ServerProcess): Promise<Metrics> => metricsFrom(await (await fetch(`${url}/metrics`)).text());
const healthOf = async ({ url }: ServerProcess): Promise<unknown> => (await fetch(`${url}/health`)).json();
/** Answers are kept beside the calls. */
const kept = (server: ServerProcess, answers = 1): Promise<number> =>
  until(async () => (await metricsOf(server)).sum("cache_shared_total", { result: "kept" }) >= answers, "an answer that is kept");
const contents = (text: string): string[] => [...text.matchAll(/"content":"([^"]+)"/g)].map((match) => match[1] ?? "");

beforeAll(async () => {
  if (!hasRedis) return;
  redis = await startRedis();
  upstream = await createUpstream(async (reply, { path, body }) => {
    const prompt = promptOf(body);
    if (path.endsWith("/embeddings")) return reply.json(embeddings([[0.25, -1]]));
    if (!isStreamed({ body } as never)) {
      await gates.get(prompt)?.opened;
      return reply.json(completion(`answer to ${prompt}`));
    }
    const sse = reply.sse();
    sse.data(chunk({ role: "assistant", content: "first " }));
    await soon();
    sse.data(chunk({ content: "second " }));
    await gates.get(prompt)?.opened;
    sse.data(chunk({ content: "third" }, "stop")).done();
  });
  [one, two] = await Promise.all([startServer(configuration()), startServer(configuration())]);
  for (const server of replicas()) await server.logged(({ message }) => message === "redis is connected and answers");
}, 60_000);

afterAll(async () => {
  if (!hasRedis) return;
  await Promise.all(replicas().map((server) => server[Symbol.asyncDispose]()));
  await upstream.close();
  await redis[Symbol.asyncDispose]();
});

describe.skipIf(!hasRedis)("two replicas that share a Redis", () => {
  test("an answer of one is a hit in the other: whole, streamed in its pieces, and vectors", async () => {
    const [a, b] = replicas();
    for (const question of [{ stream: false }, { stream: true }, { path: "embeddings" }]) {
      const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
      const prompt = `shared ${JSON.stringify(question).replaceAll('"', "")}`;
      const miss = await ask(a, prompt, question);
      expect([miss.status, miss.cache]).toEqual([200, "miss"]);
      await kept(a, before + 1);
      const hit = await ask(b, prompt, question);
      expect([hit.status, hit.cache]).toEqual([200, "hit"]);
      expect(contents(hit.text)).toEqual(contents(miss.text));
      if (question.stream === true) expect(contents(hit.text)).toEqual(["first ", "second ", "third"]);
      expect(askedFor(prompt)).toBe(1);
      // And now from its memory.
      const commands = (await metricsOf(b)).sum("redis_command_seconds_count", { use: "cache_read" });
      expect((await ask(b, prompt, question)).cache).toBe("hit");
      expect((await metricsOf(b)).sum("redis_command_seconds_count", { use: "cache_read" })).toBe(commands);
    }
  });

  test("C05: what was streamed there is a whole answer here, in another language, with an id of its own", async () => {
    const [a, b] = replicas();
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    const streamed = await ask(a, "any shape", { stream: true });
    await kept(a, before + 1);
    const whole = await ask(b, "any shape");
    expect([whole.cache, askedFor("any shape")]).toEqual(["hit", 1]);
    expect(JSON.parse(whole.text)).toMatchObject({ object: "chat.completion", choices: [{ message: { content: "first second third" } }] });
    const message = await ask(b, "any shape", { path: "messages" });
    expect(message.status).toBe(200);
    const idOf = (text: string): string | undefined => /"id":"([^"]+)"/.exec(text)?.[1];
    expect(idOf(whole.text)).not.toBe(idOf(streamed.text));
  });

  test("C02, C03: the tenants of one do not see each other's answers in the other", async () => {
    const [a, b] = replicas();
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    await ask(a, "private", { key: "key-a" });
    await kept(a, before + 1);
    expect((await ask(b, "private", { key: "key-b" })).cache).toBe("miss");
    expect((await ask(b, "private", { key: "key-a" })).cache).toBe("hit");
    expect(askedFor("private")).toBe(2);
  });

  test("C07: forty equal calls over both are one upstream call", async () => {
    const gate = createGate();
    gates.set("crowd", gate);
    const asked = Array.from({ length: 40 }, (_, i) => ask(replicas()[i % 2 === 0 ? 0 : 1], "crowd"));
    await until(() => askedFor("crowd") > 0, "the upstream's request");
    await soon(300);
    gate.open();
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ status, text }) => `${status} ${contents(text).join()}`))).toEqual(new Set(["200 answer to crowd"]));
    expect(askedFor("crowd")).toBe(1);
    expect(answers.filter(({ cache }) => cache === "miss")).toHaveLength(1);
    expect((await redis.client.keys("semaroute:flight:*")).length).toBe(0);
  });

  test("C07: the same as streams", async () => {
    const gate = createGate();
    gates.set("streams", gate);
    const asked = Array.from({ length: 20 }, (_, i) => ask(replicas()[i % 2 === 0 ? 0 : 1], "streams", { stream: true }));
    await until(() => askedFor("streams") > 0, "the upstream's request");
    await soon(100);
    gate.open();
    for (const { text } of await Promise.all(asked)) {
      expect(contents(text)).toEqual(["first ", "second ", "third"]);
      expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    }
    expect(askedFor("streams")).toBe(1);
  });

  test("C06: bytes that are no entry cost an upstream call and nothing else", async () => {
    const [a, b] = replicas();
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    const known = new Set(await redis.client.keys("semaroute:cache:*"));
    await ask(a, "spoilt");
    await kept(a, before + 1);
    const [name = ""] = (await redis.client.keys("semaroute:cache:*")).filter((each) => !known.has(each));
    const bytes = (await redis.client.getBuffer(name)) ?? Buffer.alloc(0);
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    await redis.client.set(name, bytes);
    expect(await ask(b, "spoilt")).toMatchObject({ status: 200, cache: "miss" });
    expect((await metricsOf(b)).sum("cache_shared_total", { result: "corrupt" })).toBeGreaterThan(0);
  });

  test("a purge of a tenant, and of everybody, reaches Redis and the memory of both, and is audited", async () => {
    const [a, b] = replicas();
    const purge = async (body: object): Promise<Response> =>
      fetch(`${a.url}/admin/cache/purge`, {
        method: "POST",
        headers: { authorization: "Bearer admin-canary", "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    for (const key of ["key-a", "key-b"]) await ask(a, "to purge", { key });
    await kept(a, before + 2);
    for (const key of ["key-a", "key-b"]) expect((await ask(b, "to purge", { key })).cache).toBe("hit");

    const answers = (await redis.client.keys("semaroute:cache:*")).length;
    const { entries } = (await (await purge({ keyId: "cfg_team-b" })).json()) as { entries: string };
    expect(Number(entries)).toBeGreaterThan(0);
    expect((await redis.client.keys("semaroute:cache:*")).length).toBe(answers - Number(entries));
    await until(async () => (await ask(b, "to purge", { key: "key-b" })).cache === "miss", "a miss of team b");
    expect((await ask(b, "to purge", { key: "key-a" })).cache).toBe("hit");
    expect(await a.logged(({ action }) => action === "PurgeCache")).toMatchObject({ subject: "cfg_team-b", message: "audit" });

    await purge({ all: true });
    await until(async () => (await ask(b, "to purge", { key: "key-a" })).cache === "miss", "a miss of team a");
    for (const wrong of [{}, { all: true, keyId: "cfg_team-a" }]) expect((await purge(wrong)).status).toBe(400);
  });

  test("no key in Redis tells who asked or what, and nothing there is a prompt's", async () => {
    await ask(replicas()[0], "prompt-canary-17");
    const keys = await redis.client.keys("*");
    for (const key of keys)
      expect(key).toMatch(/^semaroute:(?:purges|\{replicas\}(?::born)?|(?:cache|flight):1:[\w-]{22}:(?:[su]:)?\{[\w-]{43}e?\})$/);
    for (const server of replicas()) {
      const told = JSON.stringify([server.lines, (await metricsOf(server)).text]);
      for (const secret of ["prompt-canary-17", "admin-canary", "key-a"]) expect(told).not.toContain(`"${secret}"`);
    }
  });

  test("health tells of Redis", async () => {
    expect(await healthOf(replicas()[0])).toMatchObject({ status: "healthy", redis: { status: "up", breaker: "closed", cache: "shared" } });
    const metrics = await metricsOf(replicas()[0]);
    expect([metrics.sum("redis_up"), metrics.sum("shared_mode", { part: "cache", mode: "shared" })]).toEqual([1, 1]);
  });
});

describe.skipIf(!hasRedis)("a Redis in trouble", () => {
  test(
    "S02, S05: one that answers nothing costs the first calls their deadlines and the others nothing; then it is back",
    { timeout: 30_000 },
    async () => {
      const [a] = replicas();
      redis.freeze();
      for (let i = 0; i < 5; i++) expect(await ask(a, `frozen ${i}`)).toMatchObject({ status: 200, cache: "miss" });
      await a.logged(({ message }) => /does not answer in time/.test(String(message)));
      for (let i = 5; i < 40; i++) expect((await ask(a, `frozen ${i}`)).status).toBe(200);
      const later = await metricsOf(a);
      // Five, and the writes beside the calls that were under way by then.
      expect(later.sum("redis_failures_total", { failure: "timeout" })).toBeLessThanOrEqual(12);
      expect(later.sum("redis_failures_total", { failure: "silent" })).toBeGreaterThan(35);
      expect(await healthOf(a)).toMatchObject({ status: "healthy", redis: { breaker: "open", cache: "local" } });
      expect((await fetch(`${a.url}/health/ready`)).status).toBe(200);
      // Its memory still knows.
      expect((await ask(a, "frozen 39")).cache).toBe("hit");
      redis.thaw();
      await until(async () => (await metricsOf(a)).sum("redis_up") === 1, "Redis that is up", 15_000);
      expect(await ask(a, "after the frost")).toMatchObject({ status: 200 });
      const told = a.lines.filter(({ message }) => String(message).startsWith("redis")).map(({ message }) => String(message));
      // One line a change; a connection that was given up meanwhile is a change, too.
      expect(told.length).toBeLessThanOrEqual(8);
    },
  );

  test("S04, S05: one that is killed and comes back empty is away and back, and no call fails", { timeout: 30_000 }, async () => {
    const [a, b] = replicas();
    await redis.kill();
    await until(async () => (await metricsOf(a)).sum("redis_up") === 0, "Redis that is away");
    for (let i = 0; i < 10; i++) expect((await ask(a, `killed ${i}`)).status).toBe(200);
    expect(await healthOf(a)).toMatchObject({ status: "healthy", redis: { status: "away", cache: "local" } });
    const purge = await fetch(`${a.url}/admin/cache/purge`, {
      method: "POST",
      headers: { authorization: "Bearer admin-canary", "content-type": "application/json" },
      body: '{"all":true}',
    });
    expect(purge.status).toBe(503);
    await redis.restart();
    for (const server of [a, b]) await until(async () => (await metricsOf(server)).sum("redis_up") === 1, "Redis that is up", 10_000);
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    await ask(a, "after the death");
    await kept(a, before + 1);
    expect((await ask(b, "after the death")).cache).toBe("hit");
  });

  test("S04: one that is full or read-only keeps nothing and costs nothing, and what it has is read", { timeout: 30_000 }, async () => {
    const [a, b] = replicas();
    const before = (await metricsOf(a)).sum("cache_shared_total", { result: "kept" });
    await ask(a, "before the flood");
    await kept(a, before + 1);
    for (const [setting, bad, good] of [
      ["maxmemory", "1", "0"],
      ["min-replicas-to-write", "1", "0"],
    ] as const) {
      await redis.client.config("SET", setting, bad);
      expect(await ask(a, `with ${setting}`)).toMatchObject({ status: 200, cache: "miss" });
      await until(async () => (await metricsOf(a)).sum("redis_read_only") === 1, "a Redis that is read-only");
      expect(await healthOf(a)).toMatchObject({ redis: { status: "read_only", breaker: "closed", cache: "shared" } });
      await redis.client.config("SET", setting, good);
      await ask(a, `after ${setting}`);
      await until(async () => (await metricsOf(a)).sum("redis_read_only") === 0, "a Redis that writes");
    }
    expect((await ask(b, "before the flood")).cache).toBe("hit");
  });

  test("S03: one that is slow for a while is left alone meanwhile", { timeout: 30_000 }, async () => {
    const [a] = replicas();
    await redis.client.call("CLIENT", "PAUSE", "1500", "ALL");
    for (let i = 0; i < 20; i++) expect((await ask(a, `slow ${i}`)).status).toBe(200);
    await until(async () => (await metricsOf(a)).sum("redis_up") === 1, "Redis that is up", 15_000);
  });

  test("S01: a replica starts and serves without it", { timeout: 30_000 }, async () => {
    await using lone = await startServer(configuration().replace(/redis:\/\/[^"]*/, "redis://127.0.0.1:1"));
    expect((await ask(lone, "alone")).status).toBe(200);
    expect((await ask(lone, "alone")).cache).toBe("hit");
    expect(await healthOf(lone)).toMatchObject({ redis: { status: "away", breaker: "closed", cache: "local" } });
    expect(await lone.stop()).toBe(0);
  });

  test("S07: a replica that is killed while it asks leaves the others to ask for themselves", { timeout: 30_000 }, async () => {
    const [a] = replicas();
    await using dying = await startServer(configuration());
    await dying.logged(({ message }) => message === "redis is connected and answers");
    gates.set("dying", createGate());
    const lost = ask(dying, "dying").catch(() => undefined);
    await until(() => askedFor("dying") === 1, "the upstream's request");
    const waiting = ask(a, "dying");
    await until(async () => (await metricsOf(a)).sum("redis_command_seconds_count", { use: "flight" }) > 0, "a wait");
    await dying.stop("SIGKILL");
    await lost;
    gates.get("dying")?.open();
    expect(await waiting).toMatchObject({ status: 200 });
    expect(askedFor("dying")).toBe(2);
  });

  test("one behind TLS is used where its certificate is vouched for, and left where it is not", { timeout: 30_000 }, async () => {
    const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
    const tlsPort = await freePort();
    const files = ["--tls-cert-file", fixture("cert.pem"), "--tls-key-file", fixture("key.pem"), "--tls-ca-cert-file", fixture("cert.pem")];
    await using guarded = await startRedis(
      "--tls-port",
      String(tlsPort),
      ...files,
      "--tls-auth-clients",
      "no",
      "--requirepass",
      "tls-canary",
    );
    const behindTls = configuration().replace(/redis:\/\/[^"]*/, `rediss://:tls-canary@localhost:${tlsPort}`);
    await using trusting = await startServer(behindTls, { NODE_EXTRA_CA_CERTS: fixture("cert.pem") });
    await trusting.logged(({ message }) => message === "redis is connected and answers");
    await ask(trusting, "by TLS");
    await kept(trusting);
    expect(await guarded.client.keys("semaroute:cache:*")).toHaveLength(1);
    await using doubting = await startServer(behindTls);
    const { reason } = await doubting.logged(({ message }) => String(message).startsWith("redis is away"));
    expect(reason).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    expect((await ask(doubting, "by TLS")).cache).toBe("miss");
    const elsewherePort = await freePort();
    const elsewhere = [
      "--tls-cert-file",
      fixture("issued-elsewhere.pem"),
      "--tls-key-file",
      fixture("key.pem"),
      "--tls-ca-cert-file",
      fixture("ca.pem"),
    ];
    await using another = await startRedis("--tls-port", String(elsewherePort), ...elsewhere, "--tls-auth-clients", "no");
    await using careful = await startServer(behindTls.replace(/rediss:\/\/[^"]*/, `rediss://127.0.0.1:${elsewherePort}`), {
      NODE_EXTRA_CA_CERTS: fixture("ca.pem"),
    });
    const { reason: why } = await careful.logged(({ message }) => String(message).startsWith("redis is away"));
    expect([why, another.client.status]).toEqual(["ERR_TLS_CERT_ALTNAME_INVALID", "ready"]);
    for (const server of [trusting, doubting, careful])
      expect(JSON.stringify(server.lines) + server.complaints()).not.toContain("tls-canary");
  });
});
