/** Two tenants of one house: nothing that the one does is to be seen or felt by the other. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { completion, createGate, createUpstream, streamText, type Upstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { doorClient, routerClient } from "./doors.ts";
import { type House, openHouse } from "./house.ts";
import { isStreamed, soon, until } from "./scene.ts";

const well: UpstreamHandler = (reply, request) => (isStreamed(request) ? streamText(reply, ["we", "ll"]) : reply.json(completion("well")));

let house: House;
let upstream: Upstream;
/** How provider `first` answers; `second` is always well. */
let first: UpstreamHandler = well;

beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => (request.path.startsWith("/first") ? first : well)(reply, request, ordinal));
  const limits = "{requests_per_minute: 3, tokens_per_minute: 100000, concurrent_calls: 1, budget_usd: 0.02}";
  house = await openHouse(`
admin: {token: secret}
auth:
  keys:
    - {name: a, key: key-a}
    - {name: b, key: key-b, limits: {requests_per_minute: 1000, tokens_per_minute: 1000000, budget_usd: 100}}
    - {name: narrow, key: key-narrow, limits: ${limits}}
    - {name: busy, key: key-busy, limits: {concurrent_calls: 2}}
    - {name: few, key: key-few, models: [m]}
health: {probe: none}
cache: {mode: on_request}
resilience:
  max_attempts: 2
  retry: {base_delay: 1ms, max_delay: 2ms}
  circuit_breaker: {consecutive_failures: 2, failure_ratio: 0.1, min_calls: 5, open: 60s}
routing_policy: {type: failover, config: {primary_provider: first, backup_providers: [second], failover_delay: 1ms}}
models: {hidden: {targets: [second/secret-model]}}
providers:
  first: {type: openai_compatible, base_url: "${upstream.url}/first", models: [{id: m, input_price: 1000, output_price: 1000, context_tokens: 1000}, {id: slow, input_price: 1, output_price: 1}]}
  second: {type: openai_compatible, base_url: "${upstream.url}/second", models: [{id: m, input_price: 2000, output_price: 2000, context_tokens: 1000}, {id: slow, input_price: 1, output_price: 1}, {id: secret-model, input_price: 1, output_price: 1}]}
`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
beforeEach(() => {
  first = well;
  house.forget();
  return () => expect(house.bugs).toEqual([]);
});

interface Asking {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly path?: string;
}

function ask(
  tenant: string,
  content: string,
  { body = {}, headers = {}, signal, path = "chat/completions" }: Asking = {},
): Promise<Response> {
  return fetch(`${house.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer key-${tenant}`, ...headers },
    body: JSON.stringify({ model: "m", max_tokens: 9, messages: [{ role: "user", content }], ...body }),
    ...(signal !== undefined && { signal }),
  });
}

const askedFor = (content: string): number => upstream.requests.filter(({ body }) => JSON.stringify(body).includes(`"${content}"`)).length;
const admin = (path: string, init: RequestInit = {}, token = "secret"): Promise<Response> =>
  fetch(`${house.url}/admin/${path}`, { ...init, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });
const use = { headers: { "x-semaroute-cache": "use" } };
const quiet = () => until(() => house.gateway.running() === 0, "no call runs");

describe("what one has asked", () => {
  const cacheOf = async (tenant: string, content: string): Promise<string | null> => {
    const response = await ask(tenant, content, use);
    await response.text();
    return response.headers.get("x-semaroute-cache");
  };

  test("is asked again for the other, and a purge of the one leaves the other's", async () => {
    expect([await cacheOf("a", "known"), await cacheOf("b", "known"), askedFor("known")]).toEqual(["miss", "miss", 2]);
    expect([await cacheOf("a", "known"), await cacheOf("b", "known"), askedFor("known")]).toEqual(["hit", "hit", 2]);
    expect((await admin("cache/purge", { method: "POST", body: '{"keyId":"cfg_a"}' })).status).toBe(200);
    expect([await cacheOf("b", "known"), await cacheOf("a", "known"), askedFor("known")]).toEqual(["hit", "miss", 3]);
  });

  test("is under way for itself alone: neither joins the other, nor ends with it", async () => {
    const gate = createGate();
    first = async (reply, request, ordinal) => {
      await gate.opened;
      return well(reply, request, ordinal);
    };
    const leaving = new AbortController();
    const left = ask("a", "in flight", { ...use, signal: leaving.signal }).catch(() => "left");
    const stays = ask("b", "in flight", use);
    await until(() => askedFor("in flight") === 2, "both are asked for");
    leaving.abort();
    expect(await left).toBe("left");
    gate.open();
    expect((await stays).headers.get("x-semaroute-cache")).toBe("miss");
  });
});

describe("limits of one", () => {
  const limitsIn = (headers: Headers) => Object.fromEntries([...headers].filter(([name]) => name.includes("ratelimit-remaining")));

  test("are counted for itself, told to itself, and refuse nobody else", async () => {
    const before = limitsIn((await ask("b", "before")).headers);
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const response = await ask("narrow", `narrow ${i}`);
      statuses.push(response.status);
      await response.text();
    }
    expect(statuses.slice(0, 1)).toEqual([200]);
    expect(new Set(statuses.slice(2))).toEqual(new Set([429]));
    const after = await ask("b", "after");
    await after.text();
    expect(after.status).toBe(200);
    // Its own call, and nothing of what the other had.
    expect(Number(limitsIn(after.headers)["x-ratelimit-remaining-requests"])).toBe(Number(before["x-ratelimit-remaining-requests"]) - 1);
    const free = await ask("a", "without limits");
    expect([free.status, limitsIn(free.headers)]).toEqual([200, {}]);
    await quiet();
    const of = (name: string) => house.records.find(({ call }) => call.key.name === name)?.call.key;
    const [b, narrow] = [of("b"), of("narrow")].map((key) => key && house.gateway.limits.standing(key));
    // Two calls of twelve tokens, and one that was all its money.
    expect(b).toMatchObject({ reservedPicoUsd: 0n });
    expect(narrow).toMatchObject({ reservedPicoUsd: 0n });
  });

  test("on calls at a time take no place of another's", async () => {
    const gate = createGate();
    first = async (reply, request, ordinal) => {
      await gate.opened;
      return well(reply, request, ordinal);
    };
    const running = [1, 2].map((at) => ask("busy", `busy ${at}`));
    await until(() => house.gateway.running() === 2, "both run");
    expect((await ask("busy", "busy 3")).status).toBe(429);
    const others = Array.from({ length: 5 }, (_, at) => ask("b", `beside ${at}`));
    await until(() => house.gateway.running() === 7, "the others run, too");
    gate.open();
    for (const each of [...running, ...others]) expect((await each).status).toBe(200);
  });
});

describe("what one brings upon itself", () => {
  /** The first provider is what it was, and the first to be asked. */
  const isUnharmed = async (model: string): Promise<void> => {
    const { providers } = (await (await fetch(`${house.url}/health`)).json()) as { providers: Record<string, unknown> };
    expect(providers["first"]).toMatchObject({ status: "healthy", breaker: "closed" });
    const { health } = (await (await admin("providers/first/health")).json()) as {
      health: readonly { targets: readonly { bars?: readonly unknown[]; model: string }[] }[];
    };
    expect(
      health
        .flatMap(({ targets }) => targets)
        .filter((target) => target.model === model)
        .flatMap((target) => target.bars ?? []),
    ).toEqual([]);
    for (const door of ["REST", "grpc stream"]) {
      const { text, headers } = await doorClient(door).ask(house.url, {
        model,
        content: "mine",
        headers: { authorization: "Bearer key-b" },
      });
      expect([text, headers.get("x-semaroute-provider"), headers.get("x-semaroute-attempts")]).toEqual(["well", "first", "1"]);
    }
  };

  const refuses =
    (status: number, code: string, message: string): UpstreamHandler =>
    (reply) =>
      reply.json({ error: { message, type: "invalid_request_error", param: null, code } }, status);
  const badTool = { tools: [{ type: "function", function: { name: "t", parameters: { type: "nothing" } } }] };
  const causes: readonly (readonly [string, UpstreamHandler, () => Promise<unknown>])[] = [
    ["requests that the vendor finds bad", refuses(400, "invalid_value", "no"), () => ask("a", "bad")],
    [
      "schemas of tools that are none",
      refuses(400, "invalid_function_parameters", "Invalid schema for function 't'"),
      () => ask("a", "tools", { body: badTool }),
    ],
    [
      "prompts that are too long for the vendor",
      refuses(400, "context_length_exceeded", "maximum context length is 10 tokens"),
      () => ask("a", "long"),
    ],
    ["prompts that are too long for every target", well, () => ask("a", "word ".repeat(5000))],
    ["what a vendor's rules forbid", refuses(400, "content_policy_violation", "not this"), () => ask("a", "forbidden")],
    ["bodies of a status that the vendor finds unprocessable", refuses(422, "unprocessable", "no"), () => ask("a", "unprocessable")],
    [
      "leaving before an answer",
      () => {},
      async () => {
        const leaving = new AbortController();
        const left = ask("a", "leaves", { signal: leaving.signal }).catch(() => undefined);
        await until(() => house.gateway.running() > 0, "it runs");
        await soon();
        leaving.abort();
        await left;
        await quiet();
      },
    ],
    [
      "leaving in the middle of a stream",
      (reply) => void reply.sse().data({ choices: [{ index: 0, delta: { role: "assistant", content: "half" } }] }),
      async () => {
        const leaving = new AbortController();
        const response = await ask("a", "leaves", { body: { stream: true }, signal: leaving.signal });
        await response.body?.getReader().read();
        leaving.abort();
        await quiet();
      },
    ],
    ["requests that never were any", well, () => ask("a", "none", { body: { messages: "none" } })],
    ["limits of its own", well, () => ask("narrow", "limited")],
    ["models that nobody has", well, () => ask("a", "x", { body: { model: "nobody-has-it" } })],
  ];

  test.each(causes)("is no other's: %s", async (_what, play, bring) => {
    // Of whom nobody has heard, nobody can say that it is well.
    expect((await ask("b", "before")).status).toBe(200);
    first = play;
    for (let i = 0; i < 12; i++) {
      const outcome = await bring();
      if (outcome instanceof Response) await outcome.text();
    }
    await quiet();
    first = well;
    await isUnharmed("m");
  });

  test("is no other's: deadlines that are shorter than an answer takes", async () => {
    const slowly: UpstreamHandler = async (reply, request, ordinal) => {
      await soon(120);
      return well(reply, request, ordinal);
    };
    first = slowly;
    const slow = { body: { model: "slow" } };
    // So many, and the target has a measure of its own.
    for (let i = 0; i < 12; i++) expect((await ask("b", "usual", slow)).status).toBe(200);
    // Some are over, and some have time left to ask elsewhere.
    for (let i = 0; i < 12; i++) await (await ask("a", "hurry", { ...slow, headers: { "x-semaroute-timeout-ms": "50" } })).text();
    expect(
      new Set(house.records.filter(({ call }) => call.key.name === "a").map(({ attempts }) => attempts[0]?.error?.failure)),
    ).not.toContain(undefined);
    await quiet();
    await isUnharmed("slow");
  });
});

test("is no other's either where the one asks at length, and waits briefly for a target that answers the other", async () => {
  const gate = createGate();
  first = async (reply, request, ordinal) => {
    if (JSON.stringify(request.body).includes("at length")) await gate.opened;
    return well(reply, request, ordinal);
  };
  const others: (string | null)[] = [];
  const asksOn = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      const response = await ask("b", "briefly", { body: { model: "slow" } });
      await response.text();
      others.push(response.headers.get("x-semaroute-provider"));
      await soon(10);
    }
  };
  const hurried = async (): Promise<void> => {
    const response = await ask("a", "at length", { body: { model: "slow" }, headers: { "x-semaroute-timeout-ms": "300" } });
    await response.text();
  };
  await Promise.all([asksOn(), ...Array.from({ length: 30 }, hurried)]);
  gate.open();
  expect(new Set(others)).toEqual(new Set(["first"]));
});

describe("what one may not know", () => {
  test("are the other's decisions, rows and sums, by any door that takes its key", async () => {
    const { headers } = await ask("a", "canary-question");
    const decision = headers.get("x-semaroute-decision") ?? "";
    await quiet();
    expect((await admin(`decisions/${decision}`)).status).toBe(200);
    const paths = [
      "decisions",
      `decisions/${decision}`,
      "ledger",
      "usage",
      "ledger?keyId=cfg_a",
      "keys",
      "stats",
      "providers",
      "policy",
      "policy/revisions",
    ];
    for (const path of paths) {
      const response = await admin(path, {}, "key-b");
      expect([path, response.status, (await response.text()).includes(decision)]).toEqual([path, 401, false]);
    }
    const told = await Promise.all(
      ["models", "models/m"].map(async (path) =>
        (await fetch(`${house.url}/v1/${path}`, { headers: { authorization: "Bearer key-b" } })).text(),
      ),
    );
    const explained = await routerClient(house.url, "grpc").explain(
      { request: { model: "m", messages: [{ role: 2, text: "canary-question" }] } },
      { headers: { authorization: "Bearer key-b" } },
    );
    const open = await Promise.all(["health", "metrics"].map(async (path) => (await fetch(`${house.url}/${path}`)).text()));
    const all = JSON.stringify([told, open, explained], (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
    for (const secret of [decision, "cfg_a", "canary-question", "key-a"]) expect(all).not.toContain(secret);
  });

  test("is whether there is a model that it may not use", async () => {
    const said = async (model: string): Promise<unknown> => {
      const response = await ask("few", "x", { body: { model } });
      return [response.status, (await response.text()).replaceAll(model, "MODEL")];
    };
    const [nobodys, ...others] = await Promise.all(["nobodys", "hidden", "secret-model"].map(said));
    for (const other of others) expect(other).toEqual(nobodys);
    const [nowhere, ...elsewhere] = await Promise.all(["second/nobodys", "second/secret-model", "third/secret-model"].map(said));
    for (const other of elsewhere) expect(other).toEqual(nowhere);
    const listed = async (id: string): Promise<unknown> => {
      const response = await fetch(`${house.url}/v1/models/${id}`, { headers: { authorization: "Bearer key-few" } });
      return [response.status, (await response.text()).replaceAll(id, "MODEL")];
    };
    const unknown = await listed("nobodys");
    for (const id of ["hidden", "secret-model"]) expect(await listed(id)).toEqual(unknown);
    const { data } = (await (await fetch(`${house.url}/v1/models`, { headers: { authorization: "Bearer key-few" } })).json()) as {
      data: readonly { id: string }[];
    };
    expect(data.map(({ id }) => id)).toEqual(["m"]);
  });

  test("is who else has keys: a wrong key is told the same as a stranger's", async () => {
    const said = async (key: string): Promise<unknown> => {
      const response = await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
      return [response.status, await response.text()];
    };
    const [stranger, close] = [await said("nobody"), await said("key-a2")];
    expect(close).toEqual(stranger);
  });
});
