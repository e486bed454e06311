/** Limits of keys, to the call: what comes of many calls at once, by real sockets. `limits-over-redis.test.ts` does all of it once more. */
import { writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { spendOf } from "../../src/stages/spending-tap.ts";
import { chunk, completion, createUpstream, streamText, type Upstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";
import { type DoorClient, doorClient, doorClients, refusal } from "./doors.ts";
import { type House, openHouse } from "./house.ts";
import { messagesDoors } from "./messages-door.ts";
import { sharing } from "./limits-sharing.ts";
import { type Answer, type Question, Refused } from "./question.ts";
import { isStreamed, metricsFrom, soon, until } from "./scene.ts";

/** Input of `hello` and ten words of an answer, as the simulated provider counts and these prices have it: 0.024 dollars. */
const callUsd = 0.024;
const prices = "input_price: 1000, output_price: 2000";

/** By OpenAI's other API, which has no client here. */
const responsesDoor: DoorClient = { name: "Responses SSE", door: "openai", streamed: true, rest: true, ask: askResponses };
const streams = [...doorClients, ...messagesDoors, responsesDoor].filter(({ streamed }) => streamed);

const keys: Readonly<Record<string, string>> = {
  requests: "{requests_per_minute: 100}",
  calls: "{concurrent_calls: 10}",
  budget: `{budget_usd: ${37 * callUsd}, budget_period: day}`,
  "budget-stream": `{budget_usd: ${37 * callUsd}, budget_period: month}`,
  "budget-long": `{budget_usd: ${37 * callUsd}, budget_period: total}`,
  "budget-failover": `{budget_usd: ${37 * callUsd}}`,
  "budget-truncate": `{budget_usd: ${37 * callUsd}}`,
  "budget-aborts": "{budget_usd: 2}",
  "budget-cache": `{budget_usd: ${2 * callUsd}}`,
  "budget-small": "{budget_usd: 0.001}",
  unpriced: "{budget_usd: 1}",
  tokens: "{tokens_per_minute: 1000000}",
  "few-tokens": "{tokens_per_minute: 1000}",
  few: "{requests_per_minute: 3, tokens_per_minute: 100000}",
  free: "{}",
  ...Object.fromEntries(streams.map(({ name }) => [keyOf(name), "{budget_usd: 0.1}"])),
};

let house: House;
let upstream: Upstream;
let handler: UpstreamHandler = (reply) => reply.json(completion("hello"));

beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => handler(reply, request, ordinal));
  const listed = Object.entries(keys).map(([name, limits]) => `{name: ${name}, key: key-${name}, limits: ${limits}}`);
  const fast = `reply: "tokens:10", tokens_per_second: 1e9`;
  house = await openHouse(`
${sharing.setting}
auth: {keys: [${listed.join(", ")}]}
health: {probe: none}
resilience: {retry: {base_delay: 1ms}, circuit_breaker: {consecutive_failures: 1000, failure_ratio: 1}}
models: {both: {targets: [fails/m, sim/m]}, broken: {targets: [breaks/m]}}
routing_policy: {type: failover, config: {primary_provider: fails, backup_providers: [sim, up], failover_delay: 1ms}}
providers:
  sim: {type: simulated, models: [{id: m, ${prices}}], ${fast}, first_token: 5ms}
  slow: {type: simulated, models: [{id: slow, ${prices}}], ${fast}, first_token: 300ms}
  fails: {type: simulated, models: [{id: m, ${prices}}], ${fast}, first_token: 1ms, failure_ratio: 0.5, failure: "500"}
  breaks: {type: simulated, models: [{id: m, ${prices}}], ${fast}, first_token: 5ms, failure_ratio: 0.5, failure: truncate}
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: up, ${prices}}, {id: unpriced}]}
`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
afterEach(() => {
  expect(house.bugs).toEqual([]);
  house.forget();
});

const bearer = (name: string) => ({ authorization: `Bearer key-${name}` });
const rest = doorClient("REST");

/** As keys may be named. */
function keyOf(door: string): string {
  return door.replaceAll(" ", "-");
}

interface Flood {
  /** Hears of each call that is over. */
  readonly onOver?: (word: string) => void;
  readonly calls?: number;
  readonly door?: DoorClient;
  readonly question?: (index: number) => Partial<Question>;
}

/** What came of so many calls at once: how many of each outcome. */
async function flood(
  name: string,
  model: string,
  { calls = 200, door = rest, question = () => ({}), onOver }: Flood = {},
): Promise<object> {
  const outcomes: Record<string, number> = {};
  const one = async (index: number): Promise<void> => {
    let word = "ok";
    try {
      await door.ask(house.url, { model, headers: bearer(name), ...question(index) });
    } catch (thrown) {
      if (thrown instanceof Refused) ({ word } = thrown);
      else word = thrown instanceof Error ? thrown.name : "unknown";
    }
    outcomes[word] = (outcomes[word] ?? 0) + 1;
    onOver?.(word);
  };
  await Promise.all(Array.from({ length: calls }, (_, index) => one(index)));
  return outcomes;
}

/** An upstream that answers nobody until each of so many calls is with it, or refused: a slow machine ends no call too soon. */
function holding(calls: number) {
  let [waiting, over] = [0, 0];
  const all = Promise.withResolvers<void>();
  const look = (): void => {
    if (waiting + over >= calls) all.resolve();
  };
  handler = async (reply) => {
    waiting += 1;
    look();
    await all.promise;
    reply.json(completion("hello"));
  };
  return {
    over: (): void => {
      over += 1;
      look();
    },
    /** Calls that were there at once. */
    most: () => waiting,
  };
}

const pico = (usd: number) => BigInt(Math.round(usd * 1e6)) * 1_000_000n;

async function standing(name: string) {
  const own = house.records.find(({ call }) => call.key.name === name);
  return own && house.gateway.limits.standing(own.call.key);
}

/** What the records of a key's calls say that it spent. */
function recorded(name: string): bigint {
  const own = house.records.filter(({ call }) => call.key.name === name);
  return own.reduce((sum, { attempts }) => sum + spendOf(attempts).picoUsd, 0n);
}

async function askResponses(url: string, { model, headers, onText }: Question): Promise<Answer> {
  const response = await fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, input: "hello", stream: true }),
  });
  const body = await response.text();
  if (response.status !== 200)
    throw new Refused({ status: response.status, word: JSON.parse(body).error.code, text: "", headers: response.headers, body });
  const events = body.split("\n").flatMap((line) => (line.startsWith("data: ") ? [JSON.parse(line.slice(6))] : []));
  const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
  onText?.(text);
  const last = events.at(-1);
  if (last.type === "response.completed") return { text, headers: response.headers };
  throw new Refused({ status: 200, word: last.error.code, text, headers: response.headers, body });
}

describe("of two hundred calls at once are served", () => {
  test("a hundred, where the key has a hundred requests a minute", async () => {
    expect(await flood("requests", "sim/m")).toEqual({ ok: 100, rate_limit_exceeded: 100 });
  });

  test("ten, where the key may have ten at a time; and as many again when they are over", async () => {
    for (const calls of [200, 10]) {
      const held = holding(calls);
      expect(await flood("calls", "up/up", { calls, onOver: held.over })).toEqual(
        calls === 10 ? { ok: 10 } : { ok: 10, rate_limit_exceeded: 190 },
      );
      expect(held.most()).toBe(10);
    }
  });

  test.each([
    { name: "budget", model: "sim/m", door: "REST", what: "whole answers" },
    { name: "budget-stream", model: "sim/m", door: "SSE", what: "streams" },
    { name: "budget-long", model: "slow/slow", door: "REST", what: "answers that take their time" },
    { name: "budget-failover", model: "both", door: "REST", what: "half of the first attempts fail" },
  ])("thirty-seven, where the key has the money for so many: $what", async ({ name, model, door }) => {
    expect(await flood(name, model, { door: doorClient(door) })).toEqual({ ok: 37, insufficient_quota: 163 });
    expect(await standing(name)).toEqual({ spentPicoUsd: pico(37 * callUsd), reservedPicoUsd: 0n });
    expect(recorded(name)).toBe(pico(37 * callUsd));
  });
});

describe("what was spent is what the attempts used, and nothing stays set aside", () => {
  test("where streams break off in their middle", async () => {
    const outcomes = await flood("budget-truncate", "broken", { door: doorClient("SSE") });
    expect(Object.keys(outcomes).toSorted()).toEqual(["insufficient_quota", "ok", "stream_interrupted"]);
    expect(await standing("budget-truncate")).toEqual({ spentPicoUsd: recorded("budget-truncate"), reservedPicoUsd: 0n });
    // The last one is stopped where the money is; what nobody could know beforehand is less than one call.
    expect(recorded("budget-truncate")).toBeLessThan(pico(38 * callUsd));
  });

  test("where callers leave", async () => {
    handler = async (reply) => {
      const sse = reply.sse().data(chunk({ role: "assistant", content: "" }));
      for (let i = 0; i < 5; i++) {
        sse.data(chunk({ content: "four char" }));
        await soon(10);
      }
      sse.data(chunk({}, "stop")).done();
    };
    const leaving = (index: number): Partial<Question> => {
      const controller = new AbortController();
      let pieces = 0;
      const onText = (): void => {
        if (pieces++ === index % 6) controller.abort();
      };
      return { signal: controller.signal, onText };
    };
    expect(await flood("budget-aborts", "up/up", { calls: 30, door: doorClient("SSE"), question: leaving })).toEqual({
      AbortError: 25,
      ok: 5,
    });
    await until(() => house.gateway.running() === 0, "no call runs");
    expect(await standing("budget-aborts")).toEqual({ spentPicoUsd: recorded("budget-aborts"), reservedPicoUsd: 0n });
    expect(recorded("budget-aborts")).toBeGreaterThan(0n);
    expect(recorded("budget-aborts")).toBeLessThanOrEqual(pico(2));
  });

  test("where a hedge wins the race, and the loser is paid for", async () => {
    await using hedging = await openHouse(`
${sharing.setting}
auth: {keys: [{name: a, key: key-a, limits: {budget_usd: 5}}]}
health: {probe: none}
resilience: {hedge: {enabled: true, max_extra_cost_ratio: 1}}
routing_policy: {type: failover, config: {primary_provider: falters, backup_providers: [up], failover_delay: 1ms}}
providers:
  falters: {type: openai_compatible, base_url: "${upstream.url}/falters", models: [{id: h, ${prices}}]}
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: h, ${prices}}]}
`);
    let asked = 0;
    handler = (reply, request) => {
      if (!request.path.startsWith("/falters") || asked++ < 12) reply.json(completion("hello"));
    };
    for (let i = 0; i < 12; i++) await rest.ask(hedging.url, { model: "h", headers: bearer("a") });
    await Promise.all(Array.from({ length: 20 }, () => rest.ask(hedging.url, { model: "h", headers: bearer("a") })));
    await until(() => hedging.records.length === 32, "all calls are over");
    const raced = hedging.records.filter(({ attempts }) => attempts.length === 2);
    expect(raced).not.toEqual([]);
    // A vendor that was left charges what it was sent.
    expect(raced.flatMap(({ attempts }) => attempts).every(({ usage }) => (usage?.inputTokens ?? 0) > 0)).toBe(true);
    const [key] = hedging.records.map(({ call }) => call.key);
    const spent = hedging.records.reduce((sum, { attempts }) => sum + spendOf(attempts).picoUsd, 0n);
    expect(key && (await hedging.gateway.limits.standing(key))).toEqual({ spentPicoUsd: spent, reservedPicoUsd: 0n });
  });

  test("where an answer comes from the cache, which costs nothing", async () => {
    const question = () => ({ temperature: 0 });
    expect(await flood("budget-cache", "sim/m", { calls: 50, question })).toEqual({ ok: 50 });
    expect(await standing("budget-cache")).toEqual({ spentPicoUsd: pico(callUsd), reservedPicoUsd: 0n });
  });
});

describe("a stream that has no money left is stopped, and its upstream with it", () => {
  test.each(streams)("$name", async (door) => {
    const name = keyOf(door.name);
    handler = async (reply, request) => {
      const sse = reply.sse().data(chunk({ role: "assistant", content: "" }));
      for (let closed = false; !closed; await soon(1)) {
        sse.data(chunk({ content: "some words more " }));
        closed = (await Promise.race([request.closed, soon(2)])) !== undefined;
      }
    };
    const asked = upstream.requests.length;
    const error = await refusal(door.ask(house.url, { model: "up/up", headers: bearer(name) }));
    expect([error.status, error.word]).toEqual(
      door.name === "Messages SSE" ? [200, "rate_limit_error"] : door.rest ? [200, "insufficient_quota"] : [8, "BUDGET_EXHAUSTED"],
    );
    expect(error.body).toMatch(
      /the budget of key \S+ was spent while this answer came, which used \d+ input and \d+ output tokens, 0\.\d+ US dollars/,
    );
    expect(await upstream.requests[asked]?.closed).toBe("cut");
    await until(() => house.records.length > 0, "the record is there");
    const [record] = house.records;
    expect([record?.error?.failure, record?.attempts[0]?.error?.failure]).toEqual(["BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"]);
    // What was told is what is settled; one piece more than there was money for at most.
    const spent = recorded(name);
    expect(await standing(name)).toEqual({ spentPicoUsd: spent, reservedPicoUsd: 0n });
    expect(spent).toBeGreaterThanOrEqual(pico(0.1));
    expect(spent).toBeLessThan(pico(0.115));
    const next = await refusal(door.ask(house.url, { model: "up/up", headers: bearer(name) }));
    expect([next.text, next.headers.get("x-should-retry"), next.headers.get("retry-after")]).toEqual(["", "false", null]);
    expect(next.body).toMatch(
      /the budget of key \S+ is spent: 0\.1 US dollars a month; the next month begins \d{4}-\d\d-01T00:00:00\.000Z/,
    );
  });
});

test("a call that may cost more than is left is let through alone, and the next is refused", async () => {
  const outcomes = await flood("budget-small", "sim/m", { calls: 20 });
  expect(outcomes).toEqual({ ok: 1, insufficient_quota: 19 });
});

describe("a key with a budget may use no model whose price nobody knows", () => {
  test.each([doorClient("REST"), doorClient("grpc stream")])("$name", async (door) => {
    handler = (reply, request) => (isStreamed(request) ? streamText(reply, ["hello"]) : reply.json(completion("hello")));
    const error = await refusal(door.ask(house.url, { model: "up/unpriced", headers: bearer("unpriced") }));
    expect([error.status, error.word]).toEqual(door.rest ? [400, "invalid_request"] : [3, "INVALID_REQUEST"]);
    expect(error.body).toContain("unpriced, and the key has a budget");
    expect((await door.ask(house.url, { model: "up/unpriced", headers: bearer("free") })).text).not.toBe("");
    expect((await door.ask(house.url, { model: "sim/m", headers: bearer("unpriced") })).text).not.toBe("");
  });
});

describe("how the limits stand is told", () => {
  const limitNames = (headers: Headers) => [...headers.keys()].filter((name) => name.includes("ratelimit"));

  test("with answers and refusals, in OpenAI's words", async () => {
    for (let left = 2; left >= 0; left--) {
      const { headers } = await rest.ask(house.url, { model: "sim/m", headers: bearer("few") });
      expect([headers.get("x-ratelimit-limit-requests"), headers.get("x-ratelimit-remaining-requests")]).toEqual(["3", String(left)]);
      expect(headers.get("x-ratelimit-reset-requests")).toMatch(/^1m0(?:\.\d+)?s$|^1m1s$|^59(?:\.\d+)?s$/);
      expect(headers.get("x-ratelimit-limit-tokens")).toBe("100000");
    }
    const error = await refusal(rest.ask(house.url, { model: "sim/m", headers: bearer("few") }));
    expect([error.status, error.word]).toEqual([429, "rate_limit_exceeded"]);
    expect([error.headers.get("x-ratelimit-remaining-requests"), error.headers.get("x-should-retry")]).toEqual(["0", null]);
    expect(Number(error.headers.get("retry-after"))).toBeGreaterThan(30);
    // What was used, and not what was set aside: fourteen tokens a call.
    expect(error.headers.get("x-ratelimit-remaining-tokens")).toBe(String(100_000 - 3 * 14));
    expect(house.refused).toMatchObject([{ failure: "CALLER_RATE_LIMITED", key: "cfg_few", door: "openai" }]);
  });

  test.each([...doorClients, ...messagesDoors])("with the refusal by $name", async (door) => {
    const error = await refusal(door.ask(house.url, { model: "sim/m", headers: bearer("few") }));
    expect(error.status).toBe(door.rest ? 429 : 8);
    if (door.door === "websocket") return;
    expect(error.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    if (!door.rest) expect(error.retryMs).toBeGreaterThan(30_000);
    const [reset, limit] = ["reset", "limit"].map((what) => error.headers.get(`anthropic-ratelimit-requests-${what}`));
    if (door.door === "anthropic") expect(reset).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(limit).toBe(door.door === "anthropic" ? "3" : null);
  });

  test.each([...doorClients, ...messagesDoors])("and nothing is to a key that has none ($name)", async (door) => {
    const { headers } = await door.ask(house.url, { model: "sim/m", headers: bearer("free") });
    expect(limitNames(headers)).toEqual([]);
  });

  test.each([...doorClients, ...messagesDoors].filter(({ door }) => door !== "websocket"))("with the answer by $name", async (door) => {
    const { headers } = await door.ask(house.url, { model: "sim/m", headers: bearer("tokens") });
    expect(headers.get("x-ratelimit-limit-tokens")).toBe("1000000");
    expect(headers.get("x-ratelimit-limit-requests")).toBeNull();
    expect(headers.get("anthropic-ratelimit-tokens-limit")).toBe(door.door === "anthropic" ? "1000000" : null);
  });
});

describe("tokens a minute", () => {
  test("a call that needs more than a minute has can never pass, and is told so", async () => {
    const response = await fetch(`${house.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer("few-tokens") },
      body: JSON.stringify({ model: "sim/m", max_tokens: 2000, messages: [{ role: "user", content: "hello" }] }),
    });
    // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by matchers.
    const { error }: any = await response.json();
    expect([response.status, error.code, response.headers.get("retry-after")]).toEqual([413, "request_too_large", null]);
    expect(error.message).toMatch(/^key few-tokens may use 1000 tokens a minute, and this call alone may need 20\d\d$/);
  });

  test("calls are served until their tokens are used up, and refused with the wait then", async () => {
    const outcomes: string[] = [];
    let waitMs = 0;
    for (let i = 0; i < 80; i++) {
      try {
        await rest.ask(house.url, { model: "sim/m", headers: bearer("few-tokens") });
        outcomes.push("ok");
      } catch (thrown) {
        if (!(thrown instanceof Refused)) throw thrown;
        outcomes.push(thrown.word);
        waitMs = Number(thrown.headers.get("retry-after-ms"));
      }
    }
    // 14 tokens each, and what is set aside for one at the end.
    const served = outcomes.filter((word) => word === "ok").length;
    expect(served).toBeGreaterThan(1000 / 14 - 3);
    expect(served).toBeLessThanOrEqual(1000 / 14);
    expect(outcomes.at(-1)).toBe("rate_limit_exceeded");
    expect(waitMs).toBeGreaterThan(30_000);
    // A refused call is no request: nothing of it is counted.
    expect(house.records.filter(({ error }) => error === undefined)).toHaveLength(served);
  });
});

test("a reload changes limits at once, and forgets nothing that was counted", async () => {
  const config = (perMinute: number): string => `
auth: {keys: [{name: a, key: key-a, limits: {requests_per_minute: ${perMinute}}}]}
providers: {sim: {type: simulated, models: [m], first_token: 1ms}}
`;
  await using server = await startServer(config(2));
  const ask = async (): Promise<string> => {
    const answer = rest.ask(server.url, { model: "m", headers: bearer("a") });
    return answer.then(
      () => "ok",
      (thrown: unknown) => (thrown instanceof Refused ? thrown.word : "unknown"),
    );
  };
  expect([await ask(), await ask(), await ask()]).toEqual(["ok", "ok", "rate_limit_exceeded"]);
  await writeFile(server.configFile, config(3));
  await fetch(`${server.url}/admin/reload`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.adminToken ?? ""}`, "content-type": "application/json" },
    body: "{}",
  });
  expect([await ask(), await ask()]).toEqual(["ok", "rate_limit_exceeded"]);
  const metrics = metricsFrom(await (await fetch(`${server.url}/metrics`)).text());
  expect(metrics.sum("limit_refusals_total", { kind: "requests" })).toBe(2);
  expect(metrics.text).not.toContain("cfg_a");
  // Who is known guesses no keys: nothing to warn of.
  expect(await server.logged(({ message }) => message === "refused")).toMatchObject({ level: "info", key: "cfg_a", status: 429 });
});
