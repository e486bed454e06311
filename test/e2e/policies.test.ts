/** Every policy as an operator meets it: from a file, through a running server, explained, and swapped while it runs. */
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { ExplainRequestSchema } from "../../gen/semaroute/v1/router_pb.ts";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type ServerProcess, startServer } from "../support/server.ts";
import { routerClient } from "./doors.ts";
import { metricsFrom, until } from "./scene.ts";

const house = `
  one: {type: simulated, models: [{id: m, input_price: 1, output_price: 1}, {id: vip, input_price: 1, output_price: 1}], first_token: 1ms, tokens_per_second: 100000, reply: 'text:"one"'}
  two: {type: simulated, models: [{id: m, input_price: 2, output_price: 2}], first_token: 1ms, tokens_per_second: 100000, reply: 'text:"two"'}
  three: {type: simulated, models: [{id: m, input_price: 3, output_price: 3}, {id: only, input_price: 3, output_price: 3}], first_token: 1ms, tokens_per_second: 100000, reply: 'text:"three"'}`;

const start = (policy: string, more = ""): Promise<ServerProcess> =>
  startServer(`
server: {port: 0, drain_timeout: 1s}
health: {probe: none}
cache: {enabled: false}
routing_policy: ${policy}
providers:${house}
${more}`);

interface Asked {
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

async function ask({ url }: ServerProcess, { model = "m", headers = {}, body = {} }: Asked = {}) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], ...body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    provider: response.headers.get("x-semaroute-provider"),
    model: response.headers.get("x-semaroute-model"),
    text,
  };
}

/** Whom a number of calls went to. */
async function asked(server: ServerProcess, count: number, init: (index: number) => Asked = () => ({})): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { provider, status } = await ask(server, init(i));
    expect(status).toBe(200);
    counts[provider ?? ""] = (counts[provider ?? ""] ?? 0) + 1;
  }
  return counts;
}

function explain(server: ServerProcess, request: JsonValue) {
  return routerClient(server.url, "grpc").explain(fromJson(ExplainRequestSchema, request));
}

const hello = { messages: [{ role: "ROLE_USER", text: "hi" }] };

test("weighted: shares come out by the weights, and a provider that is not named is the last resort", async () => {
  await using server = await start("{type: weighted, config: {weights: {one: 3, two: 1}}}");
  const counts = await asked(server, 40);
  expect(counts["one"]).toBeGreaterThanOrEqual(28);
  expect(counts["one"]).toBeLessThanOrEqual(32);
  expect((counts["one"] ?? 0) + (counts["two"] ?? 0)).toBe(40);
  const { candidates } = await explain(server, { request: { model: "m", ...hello } });
  expect(candidates.at(-1)).toMatchObject({ provider: "three", rank: 3, score: 0 });
  expect(candidates.at(-1)?.terms.map(({ name }) => name)).toContain("not named by the policy");
});

test("latency: the slowest of three gets nothing but its first tries", async () => {
  await using server = await startServer(`
server: {port: 0}
health: {probe: none}
routing_policy: {type: latency, config: {decay: 30s}}
providers:
  quick: {type: simulated, models: [m], first_token: 1ms}
  slow: {type: simulated, models: [m], first_token: 80ms}
`);
  await asked(server, 12);
  expect(await asked(server, 20)).toEqual({ quick: 20 });
  const { candidates } = await explain(server, { request: { model: "m", ...hello } });
  expect(candidates.map(({ provider }) => provider)).toEqual(["quick", "slow"]);
});

test("least_busy: calls that run at the same time are spread", async () => {
  await using server = await startServer(`
server: {port: 0}
health: {probe: none}
routing_policy: {type: least_busy}
providers:
  one: {type: simulated, models: [m], first_token: 300ms}
  two: {type: simulated, models: [m], first_token: 300ms}
  three: {type: simulated, models: [m], first_token: 300ms}
`);
  const answers: Promise<{ provider: string | null }>[] = [];
  for (let i = 0; i < 9; i++) {
    answers.push(ask(server));
    const busy = async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("provider_in_flight");
    await until(async () => (await busy()) > i, `call ${i} is in flight`);
  }
  const providers = (await Promise.all(answers)).map(({ provider }) => provider);
  for (const name of ["one", "two", "three"]) expect(providers.filter((each) => each === name).length).toBe(3);
});

describe("experiment", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    const arm = (name: string, provider: string) =>
      `{name: ${name}, weight: 1, policy: {type: failover, config: {primary_provider: ${provider}, backup_providers: [three]}}}`;
    server = await start(`{type: experiment, config: {experiment: e, arms: [${arm("red", "one")}, ${arm("blue", "two")}]}}`);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("a caller stays in its arm, and both arms have callers", async () => {
    const seen = new Set<string | undefined>();
    for (let user = 0; user < 12; user++) {
      const counts = await asked(server, 3, () => ({ headers: { "x-semaroute-affinity": `user-${user}` } }));
      expect(Object.keys(counts).length).toBe(1);
      seen.add(Object.keys(counts)[0]);
    }
    expect(seen).toEqual(new Set(["one", "two"]));
  });

  test("the arm is told, by the call and beforehand alike", async () => {
    const routing = { affinityKey: "user-1" };
    const { arm, candidates } = await explain(server, { request: { model: "m", routing, ...hello } });
    expect(candidates[0]?.provider).toBe(arm === "red" ? "one" : "two");
    const { route } = await routerClient(server.url, "grpc").chat({ model: "m", routing, messages: [{ role: 2, text: "hi" }] });
    expect(route).toMatchObject({ arm, provider: candidates[0]?.provider });
    expect((await server.logged(({ message, arm: told }) => message === "call" && told === arm))["arm"]).toBe(arm);
  });
});

describe("rules", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    const to = (provider: string) => `{type: weighted, config: {weights: {${provider}: 1}}}`;
    server = await start(
      `
  type: rules
  config:
    rules:
      - {name: tools, when: has_tools, policy: ${to("two")}}
      - {name: vip, when: 'key.name == "gold" && tags.class == "vip"', model: vip}
      - {name: long, when: input_tokens > 1000, model: three/only, policy: ${to("three")}}
    otherwise: ${to("one")}`,
      `auth: {keys: [{name: gold, key: gold-secret, models: [m]}, {name: plain, key: plain-secret}]}`,
    );
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const key = (name: string, tags?: string) => ({
    authorization: `Bearer ${name}-secret`,
    ...(tags !== undefined && { "x-semaroute-tags": tags }),
  });

  test("the first that holds decides, else otherwise", async () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    expect((await ask(server, { headers: key("plain") })).provider).toBe("one");
    expect((await ask(server, { headers: key("plain"), body: { tools } })).provider).toBe("two");
  });

  test("a model of the operator's choice goes beyond the key's list, which still holds for what is asked", async () => {
    expect(await ask(server, { headers: key("gold", "class=vip") })).toMatchObject({ status: 200, provider: "one", model: "vip" });
    expect((await ask(server, { model: "vip", headers: key("gold", "class=vip") })).status).toBe(403);
    expect((await ask(server, { model: "vip", headers: key("gold") })).status).toBe(403);
  });

  test("a model may be asked for that only the rule knows", async () => {
    const content = "word ".repeat(1500);
    expect(await ask(server, { model: "no-such", headers: key("plain"), body: { messages: [{ role: "user", content }] } })).toMatchObject({
      status: 200,
      provider: "three",
      model: "only",
    });
    expect((await ask(server, { model: "no-such", headers: key("plain") })).status).toBe(404);
  });

  test("a rule that cannot be evaluated does not hold, and is told and counted", async () => {
    const errors = async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("policy_rule_errors_total");
    const before = await errors();
    expect((await ask(server, { headers: key("gold") })).provider).toBe("one");
    expect(await errors()).toBe(before + 1);
    expect(await server.logged(({ failed_rules: failed }) => Array.isArray(failed))).toMatchObject({ failed_rules: ["vip"] });
  });
});

describe("shadow", () => {
  test("copies about its share of the calls, apart from all that the callers see", async () => {
    await using server = await start("{type: failover, config: {primary_provider: one}, shadow: {target: three/only, share: 0.5}}");
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(server)));
    expect(answers.every(({ provider, text }) => provider === "one" && text.includes('"one"') && !text.includes("three"))).toBe(true);
    const client = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    const stats = async () => {
      const { targets } = await client.getStats({});
      return { first: targets.find(({ provider }) => provider === "one"), shadow: targets.find(({ provider }) => provider === "three") };
    };
    await until(async () => ((await stats()).shadow?.shadowRequests ?? 0n) >= 15n, "copies were made");
    const { first, shadow } = await stats();
    expect(first).toMatchObject({ requests: 60n, shadowRequests: 0n });
    expect(shadow).toMatchObject({ requests: 0n, usage: { inputTokens: 0n, costMicroUsd: 0n } });
    expect(Number(shadow?.shadowRequests)).toBeLessThan(45);
    expect(Number(shadow?.shadowUsage?.costMicroUsd)).toBeGreaterThan(0);
    const metrics = metricsFrom(await (await fetch(`${server.url}/metrics`)).text());
    expect(metrics.sum("attempts_total", { provider: "three", kind: "shadow", outcome: "ok" })).toBe(Number(shadow?.shadowRequests));
    expect(metrics.sum("shadow_cost_usd_total", { provider: "three" })).toBeGreaterThan(0);
    expect([metrics.sum("cost_usd_total", { provider: "three" }), metrics.sum("tokens_total", { provider: "three" })]).toEqual([0, 0]);
    expect(metrics.sum("calls_total")).toBe(60);
  });

  test("is not waited for, neither by its call nor by the end of the process", async () => {
    const server = await startServer(`
server: {port: 0, drain_timeout: 10s}
health: {probe: none}
routing_policy: {type: failover, config: {primary_provider: one}, shadow: {target: slow/m, share: 1}}
providers:
  one: {type: simulated, models: [m], first_token: 1ms}
  slow: {type: simulated, models: [m], first_token: 60s}
`);
    const startMs = performance.now();
    expect((await ask(server)).provider).toBe("one");
    await server[Symbol.asyncDispose]();
    expect(performance.now() - startMs).toBeLessThan(5000);
  });
});

const swaps: Readonly<Record<string, JsonValue>> = {
  cost_based: { costBased: {} },
  failover: { failover: { primaryProvider: "two", backupProviders: ["one"] } },
  weighted: { weighted: { weights: { three: 1 } } },
  latency: { latency: { decay: "5s" } },
  least_busy: { leastBusy: {} },
  experiment: { experiment: { experiment: "e", arms: ["a", "b"].map((name) => ({ name, weight: 1, policy: { leastBusy: {} } })) } },
  rules: { rules: { rules: [{ name: "r", when: "true", policy: { leastBusy: {} } }], otherwise: { latency: {} } } },
};

describe("a policy is swapped while the server runs", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await start("{type: cost_based}");
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const admin = (path: string, method: string, body: JsonValue) =>
    fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${server.adminToken ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  test.for(Object.entries(swaps))("to %s, by REST", async ([name, policy]) => {
    const answer: unknown = await (await admin("/admin/policy", "PUT", { policy })).json();
    expect(answer).toMatchObject({ policy: { policy: { name } } });
    expect((await ask(server)).status).toBe(200);
    const explained = await explain(server, { request: { model: "m", ...hello } });
    expect(explained.candidates.map(({ rank }) => rank)).toEqual([1, 2, 3]);
  });

  test.for(Object.entries(swaps))("to %s, by gRPC, and Explain tells beforehand what it would do", async ([name, policy]) => {
    const { revision: _, candidates } = { revision: "", ...(await explain(server, { request: { model: "m", ...hello }, policy })) };
    expect(candidates.length).toBe(3);
    const client = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    const headers = { authorization: `Bearer ${server.adminToken ?? ""}` };
    const request = { policy: fromJson(ExplainRequestSchema, { request: { model: "m" }, policy }).policy ?? {} };
    const answer = await client.swapPolicy(request, { headers });
    expect(answer.policy?.policy?.name).toBe(name);
    expect((await ask(server)).status).toBe(200);
  });

  test("not to one that has an error, which is named by its field and place", async () => {
    const rules = [{ name: "r", when: "has_tools &&\n modle == 'x'", policy: { weighted: { weights: { oen: 1 } } } }];
    const policy = { rules: { rules, otherwise: { leastBusy: {} } } };
    const verdict: unknown = await (await admin("/admin/policy/validate", "POST", { policy })).json();
    expect(verdict).toMatchObject({
      valid: false,
      issues: [
        { field: "rules.rules[0].when", message: "line 2, column 2: there is no variable modle" },
        { field: 'rules.rules[0].policy.weighted.weights["oen"]', message: 'there is no provider "oen"; did you mean one?' },
      ],
    });
    expect((await admin("/admin/policy", "PUT", { policy })).status).toBe(400);
    const refused = explain(server, { request: { model: "m", ...hello }, policy });
    await expect(refused).rejects.toSatisfy(
      (thrown) => ConnectError.from(thrown).findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field === "policy.rules.rules[0].when",
    );
  });
});
