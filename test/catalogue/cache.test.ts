/**
 * The cache by the catalogue (reliability, 6.4), C02 to C09; C01 is beside it. Two replicas over one Redis are in
 * test/e2e/redis.test.ts, by the same numbers.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CacheKey, cacheKey, partsOfCacheKey } from "../../src/core/cache.ts";
import type { KeyId } from "../../src/core/call.ts";
import type { Clock } from "../../src/core/clock.ts";
import { createLruCache } from "../../src/stores/lru-cache.ts";
import { entryPattern, namesOf } from "../../src/stores/redis/names.ts";
import { type House, openHouse } from "../e2e/house.ts";
import { isStreamed, soon, until } from "../e2e/scene.ts";
import { targetOf } from "../stages/support.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import {
  chunk,
  completion,
  createGate,
  createUpstream,
  type Gate,
  streamText,
  type Upstream,
  type UpstreamHandler,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const well: UpstreamHandler = (reply, request) => (isStreamed(request) ? streamText(reply, ["we", "ll"]) : reply.json(completion("well")));

let house: House;
let upstream: Upstream;
let handler: UpstreamHandler = well;

beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => handler(reply, request, ordinal));
  house = await openHouse(`
auth: {keys: [{name: a, key: key-a}, {name: b, key: key-b}, {name: rich, key: key-rich, limits: {requests_per_minute: 100, tokens_per_minute: 100000, budget_usd: 5}}]}
admin: {token: secret}
health: {probe: none}
cache: {mode: all}
resilience: {max_attempts: 1, circuit_breaker: {consecutive_failures: 10000, failure_ratio: 1, min_calls: 100000}}
providers:
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: m, input_price: 1000, output_price: 1000}]}
`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
beforeEach(() => {
  handler = well;
  house.forget();
  return () => expect(house.bugs).toEqual([]);
});

interface Asking {
  readonly key?: string;
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

interface Told {
  readonly status: number;
  readonly cache: string | null;
  readonly headers: Headers;
  readonly text: string;
}

async function ask(content: string, { key = "key-a", stream = false, signal, headers = {}, body = {} }: Asking = {}): Promise<Told> {
  const response = await fetch(`${house.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ model: "up/m", max_tokens: 9, messages: [{ role: "user", content }], ...(stream && { stream }), ...body }),
    ...(signal !== undefined && { signal }),
  });
  const text = await response.text();
  return { status: response.status, cache: response.headers.get("x-semaroute-cache"), headers: response.headers, text };
}

const askedFor = (content: string): number => upstream.requests.filter(({ body }) => JSON.stringify(body).includes(`"${content}"`)).length;
const words = (text: string): string => [...text.matchAll(/"content":"([^"]*)"/g)].map(([, word = ""]) => word).join("");

describe("C02 what one tenant has asked", () => {
  test.each([false, true])("C02 is not known when another asks the same; streamed: %s", async (stream) => {
    const content = `C02 ${stream}`;
    const first = await ask(content, { key: "key-a", stream });
    const other = await ask(content, { key: "key-b", stream });
    expect([first.cache, other.cache, askedFor(content)]).toEqual(["miss", "miss", 2]);
    // A header that only the one answer has would tell that there was another.
    expect([...other.headers.keys()]).toEqual([...first.headers.keys()]);
    for (const name of ["x-semaroute-attempts", "x-semaroute-cost-usd", "x-semaroute-provider"])
      expect(other.headers.get(name)).toBe(first.headers.get(name));
    expect([(await ask(content, { key: "key-b", stream })).cache, (await ask(content, { key: "key-a", stream })).cache]).toEqual([
      "hit",
      "hit",
    ]);
  });

  test("C02 is not shared while it is under way", async () => {
    const gate = createGate();
    handler = async (reply, request, ordinal) => {
      await gate.opened;
      return well(reply, request, ordinal);
    };
    const both = ["key-a", "key-b"].map((key) => ask("C02 at once", { key }));
    await until(() => askedFor("C02 at once") === 2, "both are asked for");
    gate.open();
    expect((await Promise.all(both)).map(({ cache }) => cache)).toEqual(["miss", "miss"]);
  });
});

test("C03 no two tenants have a key in common, whatever they are called, and a purge of one means no other", () => {
  const tenants = [
    "a",
    "a:b",
    "a:b:c",
    ":",
    "",
    "a\0",
    "a\0b",
    "\0",
    "\u00e9",
    "e\u0301",
    "A",
    "a ",
    "*",
    "a*",
    "?",
    "[a]",
    "{a}",
    "cfg_a",
    "a:{h}",
  ];
  const hashes = ["h", "he", "_".repeat(43)];
  const names = new Set<string>();
  for (const tenant of tenants) {
    for (const hash of hashes) {
      const key = cacheKey(tenant as KeyId, hash);
      expect(partsOfCacheKey(key)).toEqual({ tenant, requestHash: hash });
      const { entry, lease, tenantHash } = namesOf(key, false);
      names.add(key).add(entry).add(lease).add(namesOf(key, true).lease);
      // Nothing in it has a meaning to Redis's patterns but our own star.
      expect([tenantHash, entryPattern(tenantHash).slice(0, -1)]).toEqual([
        expect.stringMatching(/^[\w-]{22}$/),
        expect.not.stringMatching(/[*?[\]\\]/),
      ]);
      for (const other of tenants) {
        const prefix = entryPattern(namesOf(cacheKey(other as KeyId, hash), false).tenantHash).slice(0, -1);
        expect(entry.startsWith(prefix)).toBe(other === tenant);
      }
    }
  }
  expect(names.size).toBe(4 * tenants.length * hashes.length);
});

describe("C04 what is not kept", () => {
  const sse =
    (...lines: readonly string[]): UpstreamHandler =>
    async (reply) => {
      const stream = reply.sse();
      for (const line of lines) stream.raw(line);
      stream.end();
    };
  const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  const begun = data(chunk({ role: "assistant", content: "half" }));
  const failed = data({ error: { message: "no more", type: "server_error", code: null, param: null } });
  const done = "data: [DONE]\n\n";
  const whole =
    (finish: string, more: object = {}): UpstreamHandler =>
    (reply) =>
      reply.json(
        completion("half", { choices: [{ index: 0, message: { role: "assistant", content: "half", ...more }, finish_reason: finish }] }),
      );
  const body =
    (text: string, type = "application/json", status = 200): UpstreamHandler =>
    (reply) =>
      reply
        .sse({ "content-type": type, "x-status": String(status) })
        .raw(text)
        .end();
  const toolCalls = [{ id: "c", type: "function", function: { name: "t", arguments: "{}" } }];

  const outcomes: readonly (readonly [string, boolean, UpstreamHandler])[] = [
    [
      "U18 content and a reset",
      true,
      async (reply) => {
        reply.sse().raw(begun);
        await soon();
        reply.reset();
      },
    ],
    [
      "U18 content and the socket's end",
      true,
      async (reply) => {
        reply.sse().raw(begun);
        await soon();
        reply.cut();
      },
    ],
    ["U19 content and a clean end", true, sse(begun)],
    ["U20 [DONE] without a finish reason", true, sse(begun, done)],
    ["U22 the half of an event", true, sse(begun, 'data: {"choices":[{"index":0,"delta":{"con')],
    ["U25 an error as the first event", true, sse(failed, done)],
    ["U26 an error behind content", true, sse(begun, failed, done)],
    ["U26 an error behind a finish reason", true, sse(begun, data(chunk({}, "stop")), failed)],
    ["U27 an error in a body of status 200", false, body('{"error":{"message":"no","type":"server_error","code":null}}')],
    ["U29 a page", false, body("<html>sign in</html>", "text/html")],
    ["U30 null", false, body("null")],
    ["U30 an empty list", false, body("[]")],
    ["U30 nothing", false, body("")],
    ["U31 the half of a body", false, body('{"choices":[{"index":0')],
    ["U33 a finish reason that nobody knows", false, whole("tired")],
    ["U33 no choices", false, body('{"id":"x","object":"chat.completion","choices":[]}')],
    ["U33 a finish reason that nobody knows, in a stream", true, sse(begun, data(chunk({}, "tired")), done)],
    ["an answer cut by its length", false, whole("length")],
    ["a stream cut by its length", true, sse(begun, data(chunk({}, "length")), done)],
    ["a filtered answer", false, whole("content_filter")],
    ["a filtered stream", true, sse(begun, data(chunk({}, "content_filter")), done)],
    ["a call of a tool", false, whole("tool_calls", { content: null, tool_calls: toolCalls })],
    ["a status of 500", false, (reply) => reply.error(500)],
    ["a status of 400", false, (reply) => reply.error(400)],
    [
      "one good choice of two",
      false,
      (reply) =>
        reply.json(
          completion("half", {
            choices: ["stop", "length"].map((finish, index) => ({
              index,
              message: { role: "assistant", content: "half" },
              finish_reason: finish,
            })),
          }),
        ),
    ],
  ];

  test.each(outcomes)("C04 not %s", async (what, stream, play) => {
    handler = play;
    const content = `C04 ${what}`;
    await ask(content, { stream }).catch(() => undefined);
    handler = well;
    for (const other of [stream, !stream]) {
      const told = await ask(content, { stream: other });
      expect([told.status, told.cache, words(told.text)]).toEqual([200, other === stream ? "miss" : "hit", "well"]);
    }
    expect(askedFor(content)).toBe(2);
  });

  test("C04 not what its caller left in the middle (K01)", async () => {
    const gate = createGate();
    handler = async (reply) => {
      const stream = reply.sse().raw(begun);
      await gate.opened;
      stream.raw(data(chunk({}, "stop"))).done();
    };
    const leaving = new AbortController();
    const left = ask("C04 left", { stream: true, signal: leaving.signal }).catch(() => undefined);
    await until(() => askedFor("C04 left") === 1, "it is under way");
    await soon();
    leaving.abort();
    await left;
    // What it did not want to hear ends before it would have ended well.
    await until(() => house.gateway.running() === 0, "it is over");
    gate.open();
    handler = well;
    expect([(await ask("C04 left", { stream: true })).cache, askedFor("C04 left")]).toEqual(["miss", 2]);
  });

  test("C04 not where the caller says so, nor read where it wants a fresh one", async () => {
    const cached = async (control: string | undefined): Promise<string | null> =>
      (await ask("C04 wish", { headers: control === undefined ? {} : { "cache-control": control } })).cache;
    expect([
      await cached("no-store"),
      await cached(undefined),
      await cached("no-store"),
      await cached("no-cache"),
      await cached(undefined),
    ]).toEqual(["bypass", "miss", "bypass", "bypass", "hit"]);
    expect(askedFor("C04 wish")).toBe(4);
  });

  test("C04 not what is not the same twice, where only that is to be kept", async () => {
    await using careful = await openHouse(`
health: {probe: none}
providers: {up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}
`);
    const cached = async (temperature: number | undefined): Promise<string | null> => {
      const response = await fetch(`${careful.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "m", temperature, messages: [{ role: "user", content: `C04 at ${temperature}` }] }),
      });
      await response.text();
      return response.headers.get("x-semaroute-cache");
    };
    for (const temperature of [undefined, 0.1, 1])
      expect([await cached(temperature), await cached(temperature)]).toEqual(["bypass", "bypass"]);
    expect([await cached(0), await cached(0)]).toEqual(["miss", "hit"]);
  });
});

describe("C05 an answer in another shape", () => {
  interface Shape {
    readonly path: string;
    readonly body: (content: string) => object;
    readonly done: RegExp;
    readonly id: RegExp;
  }
  const messages = (content: string) => ({ model: "up/m", max_tokens: 9, messages: [{ role: "user", content }] });
  const chat = { path: "/v1/chat/completions", id: /"id":"(chatcmpl-[^"]+)"/ };
  const anthropic = { path: "/v1/messages", id: /"id":"(msg_[^"]+)"/ };
  const rpc = (content: string) => ({
    model: "up/m",
    maxOutputTokens: 9,
    messages: [{ role: "ROLE_USER", content: [{ text: { text: content } }] }],
  });
  const shapes: Readonly<Record<string, Shape>> = {
    "a whole answer of OpenAI's": { ...chat, body: messages, done: /"finish_reason":"stop"/ },
    "a stream of OpenAI's": { ...chat, body: (content) => ({ ...messages(content), stream: true }), done: /data: \[DONE\]\n\n$/ },
    "a whole answer of Anthropic's": { ...anthropic, body: messages, done: /"stop_reason":"end_turn"/ },
    "a stream of Anthropic's": {
      ...anthropic,
      body: (content) => ({ ...messages(content), stream: true }),
      done: /event: message_stop\n[^]*\n\n$/,
    },
    "a whole answer of our own": {
      path: "/semaroute.v1.RouterService/Chat",
      body: rpc,
      done: /"finishReason":"FINISH_REASON_STOP"/,
      id: /"id":\s*"([^"]+)"/,
    },
  };
  const fetched = async (name: string, content: string) => {
    const shape = shapes[name];
    if (shape === undefined) throw new Error(name);
    const response = await fetch(`${house.url}${shape.path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer key-a", "anthropic-version": "2023-06-01" },
      body: JSON.stringify(shape.body(content)),
    });
    const text = await response.text();
    const [, id] = shape.id.exec(text) ?? [];
    return { status: response.status, headers: response.headers, text, id, isDone: shape.done.test(text.replaceAll(/": "/g, '":"')) };
  };
  const pairs = Object.keys(shapes).flatMap((from) => Object.keys(shapes).map((to) => ({ from, to })));

  test.each(pairs)(
    "C05 $from is $to for whoever asks next, with an id of its own and nothing of the upstream's head",
    async ({ from, to }) => {
      handler = (reply, request) => {
        const head = { "x-upstream-canary": "1", "set-cookie": "canary=1", "openai-organization": "canary" };
        if (!isStreamed(request)) return reply.json(completion("good words"), 200, head);
        const sse = reply.sse(head).data(chunk({ role: "assistant", content: "" }));
        for (const piece of ["good ", "words"]) sse.data(chunk({ content: piece }));
        sse.data(chunk({}, "stop")).done();
      };
      const content = `C05 ${from}, ${to}`;
      const first = await fetched(from, content);
      const second = await fetched(to, content);
      expect([
        first.status,
        first.headers.get("x-semaroute-cache"),
        second.status,
        second.headers.get("x-semaroute-cache"),
        askedFor(content),
      ]).toEqual([200, "miss", 200, "hit", 1]);
      expect([first.isDone, second.isDone]).toEqual([true, true]);
      // Our own says it twice: in short and in its parts.
      const told = second.text.replaceAll(/[^]*?"(?:content|text)":\s*"((?:good |words)+)"|[^]/g, "$1");
      expect(told).toBe(to.endsWith("our own") ? "good wordsgood words" : "good words");
      expect(second.id).toBeDefined();
      expect(second.id).not.toBe(first.id);
      expect(JSON.stringify([...second.headers])).not.toContain("canary");
      expect(second.headers.get("x-semaroute-attempts")).toBe("0");
    },
  );
});

describe.skipIf(!hasRedis)("C06 what is no answer of this tenant's in Redis", () => {
  let redis: RedisServer;
  let one: ServerProcess;
  let two: ServerProcess;
  beforeAll(async () => {
    if (!hasRedis) return;
    redis = await startRedis();
    const config = `
auth: {keys: [{name: a, key: key-a}, {name: b, key: key-b}]}
health: {probe: none}
cache: {mode: all, backend: redis}
redis: {url: "${redis.url}", timeout: 200ms}
providers: {up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}
`;
    [one, two] = await Promise.all([startServer(config), startServer(config)]);
    for (const server of [one, two]) await server.logged(({ message }) => message === "redis is connected and answers");
  });
  afterAll(async () => {
    if (!hasRedis) return;
    await Promise.all([one, two].map((server) => server[Symbol.asyncDispose]()));
    await redis[Symbol.asyncDispose]();
  });

  const asks = async (server: ServerProcess, content: string, key = "key-a"): Promise<Told> => {
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content }] }),
    });
    const text = await response.text();
    return { status: response.status, cache: response.headers.get("x-semaroute-cache"), headers: response.headers, text };
  };
  /** Asks the one replica, and answers where the answer is in Redis. */
  const filed = async (content: string, key?: string): Promise<string> => {
    const before = new Set(await redis.client.keys("semaroute:cache:*"));
    await asks(one, content, key);
    let name: string | undefined;
    await until(
      async () => (name = (await redis.client.keys("semaroute:cache:*")).find((each) => !before.has(each))) !== undefined,
      "it is kept",
    );
    return name ?? "";
  };
  const changed = (bytes: Buffer, at: number): Buffer => {
    const other = Buffer.from(bytes);
    other.writeUInt8((other.at(at) ?? 0) ^ 1, at < 0 ? other.length + at : at);
    return other;
  };

  test.each<{ readonly what: string; readonly spoil: (bytes: Buffer, content: string) => Buffer | Promise<Buffer> }>([
    { what: "bytes of which one is another", spoil: (bytes) => changed(bytes, -1) },
    { what: "an answer that is cut", spoil: (bytes) => bytes.subarray(0, -3) },
    { what: "the beginning of one", spoil: (bytes) => bytes.subarray(0, 10) },
    { what: "one of another version", spoil: (bytes) => changed(bytes, 0) },
    {
      what: "another tenant's",
      spoil: async (_bytes, content) => (await redis.client.getBuffer(await filed(content, "key-b"))) ?? Buffer.alloc(0),
    },
    {
      what: "another question's",
      spoil: async () => (await redis.client.getBuffer(await filed("C06 another question"))) ?? Buffer.alloc(0),
    },
    { what: "nothing", spoil: () => Buffer.alloc(0) },
    { what: "something else", spoil: () => Buffer.from("OK".repeat(500)) },
  ])("C06 is a miss, and is deleted: $what", async ({ what, spoil }) => {
    const content = `C06 ${what}`;
    const name = await filed(content);
    const bytes = (await redis.client.getBuffer(name)) ?? Buffer.alloc(0);
    await redis.client.set(name, await spoil(bytes, content));
    // What comes now is not kept, so that what is gone stays gone.
    handler = (reply) =>
      reply.json(completion("cut", { choices: [{ index: 0, message: { role: "assistant", content: "cut" }, finish_reason: "length" }] }));
    const told = await asks(two, content);
    expect([told.status, told.cache, words(told.text)]).toEqual([200, "miss", "cut"]);
    await until(async () => (await redis.client.exists(name)) === 0, "it is deleted");
  });
});

describe("C07 a hundred equal calls at once", () => {
  const callers = 100;
  let gate: Gate;
  const gated =
    (then: UpstreamHandler): UpstreamHandler =>
    async (reply, request, ordinal) => {
      await gate.opened;
      return then(reply, request, ordinal);
    };
  beforeEach(() => {
    gate = createGate();
    handler = gated(well);
  });
  /** All are there before the upstream says anything. */
  const all = async (content: string, askingOf: (index: number) => Asking = () => ({})) => {
    const signals = Array.from({ length: callers }, () => new AbortController());
    const answers = signals.map(({ signal }, index) =>
      ask(content, { ...askingOf(index), signal }).catch((thrown: unknown) => (thrown instanceof Error ? thrown.name : "unknown")),
    );
    await until(() => house.gateway.running() === callers, "all are there");
    return { signals, answers };
  };
  /** How many answers of each kind there were. */
  const kinds = (answers: readonly (Told | string)[]): Readonly<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const each of answers) {
      const kind = typeof each === "string" ? each : `${each.status} ${each.cache} ${words(each.text)}`;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  };
  /** Nothing is left over: an equal call is answered by whoever has to. */
  const isOver = async (content: string, cache: "hit" | "miss"): Promise<void> => {
    await until(() => house.gateway.running() === 0, "no call runs");
    handler = well;
    const before = askedFor(content);
    expect((await ask(content)).cache).toBe(cache);
    expect(askedFor(content) - before).toBe(cache === "hit" ? 0 : 1);
  };

  test.each([false, true])("C07 ask the upstream once, streamed: %s", async (stream) => {
    const content = `C07 once ${stream}`;
    const { answers } = await all(content, () => ({ stream }));
    gate.open();
    expect(kinds(await Promise.all(answers))).toEqual({ "200 miss well": 1, "200 hit well": callers - 1 });
    expect(askedFor(content)).toBe(1);
    await isOver(content, "hit");
  });

  test("C07 do so, too, when the first of them leaves", async () => {
    const { signals, answers } = await all("C07 leader");
    await until(() => askedFor("C07 leader") === 1, "the upstream is asked");
    const asked = upstream.requests.find(({ body }) => JSON.stringify(body).includes('"C07 leader"'));
    // Whoever was the first: all but one leave.
    for (const controller of signals.slice(1)) {
      controller.abort();
      await soon(1);
    }
    await until(() => house.gateway.running() === 1, "one is left");
    gate.open();
    const { AbortError, ...rest } = kinds(await Promise.all(answers));
    expect([AbortError, Object.values(rest), askedFor("C07 leader")]).toEqual([callers - 1, [1], 1]);
    expect(await asked?.closed).toBe("finished");
    await isOver("C07 leader", "hit");
  });

  test("C07 do so, too, when half of them leave", async () => {
    const { signals, answers } = await all("C07 half");
    for (const [index, controller] of signals.entries()) if (index % 2 === 0) controller.abort();
    gate.open();
    const { AbortError, ...rest } = kinds(await Promise.all(answers));
    expect([AbortError, Object.values(rest).reduce((sum, each) => sum + each, 0), askedFor("C07 half")]).toEqual([
      callers / 2,
      callers / 2,
      1,
    ]);
    await isOver("C07 half", "hit");
  });

  test("C07 leave nothing behind when all of them leave", async () => {
    const { signals, answers } = await all("C07 all");
    await until(() => askedFor("C07 all") === 1, "the upstream is asked");
    for (const controller of signals) controller.abort();
    expect(kinds(await Promise.all(answers))).toEqual({ AbortError: callers });
    const asked = upstream.requests.find(({ body }) => JSON.stringify(body).includes('"C07 all"'));
    expect(await asked?.closed).toBe("cut");
    gate.open();
    await isOver("C07 all", "miss");
  });

  test("C07 end each by its own deadline", async () => {
    const { answers } = await all("C07 deadlines", (index) => ({
      headers: { "x-semaroute-timeout-ms": index % 2 === 0 ? "3000" : "30000" },
    }));
    await until(() => house.gateway.running() === callers / 2, "half of them are over");
    gate.open();
    const counts = kinds(await Promise.all(answers));
    const late = Object.entries(counts).filter(([kind]) => kind.startsWith("504"));
    expect([late.reduce((sum, [, count]) => sum + count, 0), askedFor("C07 deadlines")]).toEqual([callers / 2, 1]);
    await isOver("C07 deadlines", "hit");
  });

  test("C07 all hear of an error, and none hangs", async () => {
    handler = gated((reply) => reply.error(500));
    const { answers } = await all("C07 error");
    gate.open();
    expect(new Set((await Promise.all(answers)).map((each) => (typeof each === "string" ? each : each.status)))).toEqual(new Set([502]));
    expect(askedFor("C07 error")).toBe(1);
    await isOver("C07 error", "miss");
  });

  test("C07 get one answer, too, that is not to be kept, and are not served one after the other", async () => {
    handler = gated((reply) =>
      reply.json(completion("cut", { choices: [{ index: 0, message: { role: "assistant", content: "cut" }, finish_reason: "length" }] })),
    );
    const { answers } = await all("C07 length");
    gate.open();
    expect(kinds(await Promise.all(answers))).toEqual({ "200 miss cut": 1, "200 hit cut": callers - 1 });
    expect(askedFor("C07 length")).toBe(1);
    await isOver("C07 length", "miss");
  });
});

describe("C08 the memory", () => {
  const target = targetOf("up/m");
  const never = new AbortController().signal;
  /** Numbers in [0, 1) that are the same in every run. */
  const dice = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  /** Whose wall goes its own ways. */
  const twoClocks = () => {
    const time = { nowMs: 0, wallMs: Date.UTC(2026, 0, 1) };
    const clock: Clock = { now: () => time.nowMs, wall: () => time.wallMs, after: () => () => undefined };
    return { time, clock };
  };
  const key = (at: number): CacheKey => cacheKey("cfg_a" as KeyId, String(at));

  test("C08 never holds more bytes than it may, whatever ten thousand answers weigh", async () => {
    const { clock, time } = twoClocks();
    const random = dice(8);
    const maxBytes = 4 * 1024 * 1024;
    const cache = createLruCache({ maxBytes, ttlMs: 300_000, clock, random });
    const sizes = new Map<number, number>();
    let most = 0;
    for (let at = 0; at < 10_000; at++) {
      // Most are small, some are larger than one may be, and some have no whole size.
      const bytes = at % 97 === 0 ? random() * 2 * maxBytes : at % 7 === 0 ? random() * 1_200_000 : random() * 20_000;
      sizes.set(at, bytes);
      cache.keep(key(at), { target, batches: [], bytes }, 0);
      time.nowMs += 1;
      if (at % 250 !== 249) continue;
      let sum = 0;
      for (const [each, size] of sizes) {
        if ((await cache.find(key(each), never)) === undefined) sizes.delete(each);
        else sum += size;
      }
      most = Math.max(most, sum);
      expect(sum).toBeLessThanOrEqual(maxBytes);
    }
    // It is not kept by keeping nothing.
    expect(most).toBeGreaterThan(maxBytes / 2);
    for (const size of sizes.values()) expect(size).toBeLessThanOrEqual(1024 * 1024);
  });

  test("C08 does not forget at once what was kept at once", async () => {
    const { clock, time } = twoClocks();
    const cache = createLruCache({ maxBytes: 2 ** 30, ttlMs: 300_000, clock, random: dice(9) });
    const answers = 6000;
    for (let at = 0; at < answers; at++) cache.keep(key(at), { target, batches: [], bytes: 100 }, 0);
    let left = answers;
    const gone: number[] = [];
    for (time.nowMs = 269_000; time.nowMs <= 331_000; time.nowMs += 1000) {
      let now = 0;
      for (let at = 0; at < answers; at++) if ((await cache.find(key(at), never)) !== undefined) now++;
      gone.push(left - now);
      left = now;
    }
    expect([left, gone[0]]).toEqual([0, 0]);
    // Sixty seconds of equal chances.
    expect(Math.max(...gone)).toBeLessThanOrEqual((2 * answers) / 60);
  });

  test("C08 goes by the time that passes, and not by what a clock is set to", async () => {
    const { clock, time } = twoClocks();
    const cache = createLruCache({ maxBytes: 2 ** 20, ttlMs: 300_000, clock, random: () => 0.5 });
    const kept = async (): Promise<boolean> => (await cache.find(key(1), never)) !== undefined;
    cache.keep(key(1), { target, batches: [], bytes: 100 }, 0);
    for (const jump of [3_600_000, -7_200_000, 86_400_000 * 365]) {
      time.wallMs += jump;
      expect(await kept()).toBe(true);
    }
    time.nowMs += 300_001;
    expect(await kept()).toBe(false);
  });
});

test("C09 an answer from the cache costs nothing, is a hit in the books, and counts as a request but not as tokens", async () => {
  const rich = { key: "key-rich" };
  const first = await ask("C09", rich);
  const second = await ask("C09", rich);
  const stream = await ask("C09", { ...rich, stream: true });
  expect([first, second, stream].map(({ cache }) => cache)).toEqual(["miss", "hit", "hit"]);
  // Twelve tokens at a thousandth of a dollar each.
  expect([first, second].map(({ headers }) => Number(headers.get("x-semaroute-cost-usd")))).toEqual([0.012, 0]);
  expect([second, stream].map(({ headers }) => headers.get("x-semaroute-attempts"))).toEqual(["0", "0"]);
  expect([first, second, stream].map(({ headers }) => headers.get("x-ratelimit-remaining-requests"))).toEqual(["99", "98", "97"]);
  expect(stream.headers.get("x-ratelimit-remaining-tokens")).toBe(String(100_000 - 12));
  const usage = /"usage":\{[^}]*\}/.exec(second.text)?.[0];
  expect(usage).toContain('"total_tokens":12');
  const [record] = house.records;
  expect(record && house.gateway.limits.standing(record.call.key)).toEqual({ spentPicoUsd: 12_000_000_000n, reservedPicoUsd: 0n });
  const books = async (path: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }> =>
    (await fetch(`${house.url}/admin/${path}`, { headers: { authorization: "Bearer secret" } })).json() as never;
  const [row] = (await books("usage?groupBy=key&keyId=cfg_rich")).rows;
  expect(row).toMatchObject({ calls: "3", cacheHits: "2", usage: { inputTokens: "10", outputTokens: "2", costMicroUsd: "12000" } });
  expect((await books("ledger?keyId=cfg_rich")).rows).toHaveLength(1);
});
