/** What a call costs, wherever it is told; where conversations go; what the list of models says. */
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";
import { completion, createUpstream, type Upstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- JSON of answers, looked at by matchers.
type Json = any;

const usage = { prompt_tokens: 2000, completion_tokens: 512, total_tokens: 2512, prompt_tokens_details: { cached_tokens: 0 } };
const well: UpstreamHandler = (reply) => reply.json(completion("good", { usage }));
const down: UpstreamHandler = (reply) => reply.error(503, "not now");

const upstreams: Record<"cheap" | "dear", { plays: UpstreamHandler; server: Upstream | undefined }> = {
  cheap: { plays: well, server: undefined },
  dear: { plays: well, server: undefined },
};
let server: ServerProcess;

beforeAll(async () => {
  for (const side of [upstreams.cheap, upstreams.dear])
    side.server = await createUpstream((reply, request, ordinal) => side.plays(reply, request, ordinal));
  const models = (input: number, output: number, cached: number): string =>
    `[{id: m, input_price: ${input}, output_price: ${output}, cached_input_price: ${cached}, request_price: 0.0001, context_tokens: 100000}]`;
  server = await startServer(`
server: {port: 0}
health: {probe: none}
cache: {enabled: false}
resilience: {retry: {base_delay: 1ms}, circuit_breaker: {consecutive_failures: 100, failure_ratio: 1}}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
models: {chosen: {targets: [dear/m, cheap/m]}}
providers:
  dear: {type: openai_compatible, base_url: "${upstreams.dear.server?.url}/v1", models: ${models(1, 4, 0.1)}}
  cheap: {type: openai_compatible, base_url: "${upstreams.cheap.server?.url}/v1", models: ${models(0.9, 3.6, 0.09)}}
  bare: {type: openai_compatible, base_url: "${upstreams.cheap.server?.url}/v1", models: [free]}
`);
}, 40_000);

beforeEach(() => {
  upstreams.cheap.plays = well;
  upstreams.dear.plays = well;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  for (const side of [upstreams.cheap, upstreams.dear]) await side.server?.[Symbol.asyncDispose]();
});

const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
/** Estimated at 2000 tokens. */
const prompt = "word".repeat(1993);
const ask = (headers: Readonly<Record<string, string>> = {}, model = "m"): Promise<Response> =>
  post("/v1/chat/completions", { model, messages: [{ role: "user", content: prompt }] }, headers);
const rpc = async (method: string, body: unknown): Promise<Json> => (await post(`/semaroute.v1.RouterService/${method}`, body)).json();
const metric = async (name: string): Promise<number> => {
  const line = (await (await fetch(`${server.url}/metrics`)).text()).split("\n").find((each) => each.startsWith(`semaroute_${name}`));
  return Number(line?.split(" ").at(-1) ?? 0);
};

describe("the cost of a call", () => {
  test("is the same number wherever it is told", async () => {
    const body = { model: "m", messages: [{ role: "ROLE_USER", text: prompt }] };
    // 2000 × 0.90 + 512 × 3.60, in millionths, and the fee.
    const usd = 0.0037432;
    const explained = await rpc("Explain", { request: body });
    const before = await metric('cost_usd_total{provider="cheap"');
    const response = await ask();
    const told = response.headers.get("x-semaroute-cost-usd");
    const line = await server.logged((each) => each["message"] === "call" && each["request_id"] === response.headers.get("x-request-id"));
    const answered = await rpc("Chat", body);
    const [attempt] = answered.route.attempts;
    const stats: Json = await (
      await fetch(`${server.url}/admin/stats`, { headers: { authorization: `Bearer ${server.adminToken ?? ""}` } })
    ).json();

    expect(explained.candidates[0]).toMatchObject({
      provider: "cheap",
      estimatedCostMicroUsd: "3743",
      terms: [{ name: "cost", raw: 3743.2 }, {}, {}],
    });
    expect(explained.priceVersion).toMatch(/^genai-prices@\d+\.\d+\.\d+\+[0-9a-z]+$/);
    expect(told).toBe("0.0037432");
    expect(line).toMatchObject({ cost_usd: "0.0037432", provider: "cheap" });
    expect([answered.usage.costPicoUsd, attempt.usage.costPicoUsd]).toEqual(["3743200000", "3743200000"]);
    expect((await metric('cost_usd_total{provider="cheap"')) - before).toBeCloseTo(2 * usd, 12);
    expect(JSON.stringify(stats)).toContain('"costMicroUsd":"7486"');
  });

  test("is unpriced, and not free, where nobody knows the price", async () => {
    const response = await ask({}, "free");
    expect(response.status).toBe(200);
    expect(response.headers.get("x-semaroute-cost-usd")).toBeNull();
    const line = await server.logged((each) => each["request_id"] === response.headers.get("x-request-id"));
    expect(line).toMatchObject({ unpriced: true });
    const { candidates } = await rpc("Explain", { request: { model: "auto", messages: [{ role: "ROLE_USER", text: prompt }] } });
    expect(candidates.at(-1)).toMatchObject({
      provider: "bare",
      terms: expect.arrayContaining([expect.objectContaining({ name: "unpriced" })]),
    });
  });
});

describe("a conversation", () => {
  for (const [door, asks] of [
    ["x-semaroute-affinity", (id: string) => ask({ "x-semaroute-affinity": id })],
    [
      "prompt_cache_key",
      (id: string) => post("/v1/chat/completions", { model: "m", prompt_cache_key: id, messages: [{ role: "user", content: prompt }] }),
    ],
    [
      "routing.affinity_key",
      (id: string) =>
        post("/semaroute.v1.RouterService/Chat", {
          model: "m",
          routing: { affinityKey: id },
          messages: [{ role: "ROLE_USER", text: prompt }],
        }),
    ],
  ] as const) {
    test(`named by ${door} stays where a failover took it, while others do not`, async () => {
      const who = async (id: string): Promise<string | null> => (await asks(id)).headers.get("x-semaroute-provider");
      upstreams.cheap.plays = down;
      expect(await who(`${door}-1`)).toBe("dear");
      upstreams.cheap.plays = well;
      expect(await who(`${door}-1`)).toBe("dear");
      expect(await who(`${door}-2`)).toBe("cheap");
      // Not over its health: it is handed over, and stays there.
      upstreams.dear.plays = down;
      expect(await who(`${door}-1`)).toBe("cheap");
      upstreams.dear.plays = well;
      expect(await who(`${door}-1`)).toBe("cheap");
    });
  }

  test("is explained", async () => {
    upstreams.cheap.plays = down;
    await ask({ "x-semaroute-affinity": "explained" });
    upstreams.cheap.plays = well;
    const request = { model: "m", routing: { affinityKey: "explained" }, messages: [{ role: "ROLE_USER", text: prompt }] };
    const { candidates } = await rpc("Explain", { request });
    expect(candidates[0].terms.map(({ name }: Json) => name)).toContain("holds about 2000 tokens of this conversation");
    // 2000 × 0.10 + 512 × 4 and the fee, against 2000 × 0.90 + 512 × 3.60 and the fee.
    expect(candidates.map(({ estimatedCostMicroUsd }: Json) => estimatedCostMicroUsd)).toEqual(["2348", "3743"]);
  });
});

describe("the list of models", () => {
  const price = {
    inputMicroUsdPerMillion: "900000",
    outputMicroUsdPerMillion: "3600000",
    cacheReadMicroUsdPerMillion: "90000",
    requestMicroUsd: "100",
  };

  test("tells by RPC who serves a model, what it can hold and costs, and an alias's targets in the policy's order", async () => {
    const { models } = await rpc("ListModels", {});
    expect(models.map(({ id }: Json) => id)).toEqual(["chosen", "free", "m"]);
    const [chosen, free] = models;
    expect(chosen).toMatchObject({
      aliasOf: ["cheap/m", "dear/m"],
      providers: ["dear", "cheap"],
      capabilities: { contextTokens: 100_000 },
    });
    // They cost differently.
    expect(chosen.price).toBeUndefined();
    expect(free).toMatchObject({ providers: ["bare"], ownedBy: "bare" });
    expect(free.price).toBeUndefined();
    expect((await rpc("GetModel", { id: "cheap/m" })).model).toMatchObject({ id: "cheap/m", providers: ["cheap"], price });
  });

  test("tells by gRPC the same", async () => {
    const router = createClient(RouterService, createGrpcTransport({ baseUrl: server.url }));
    const { models } = await router.listModels({});
    expect(models.map(({ id, providers, aliasOf }) => [id, providers, aliasOf])).toEqual([
      ["chosen", ["dear", "cheap"], ["cheap/m", "dear/m"]],
      ["free", ["bare"], []],
      ["m", ["dear", "cheap"], []],
    ]);
    const { model } = await router.getModel({ id: "cheap/m" });
    expect(model?.price).toMatchObject({ inputMicroUsdPerMillion: 900_000n, cacheReadMicroUsdPerMillion: 90_000n, requestMicroUsd: 100n });
    expect(model?.capabilities?.contextTokens).toBe(100_000);
  });

  test("tells by REST the same beside OpenAI's fields", async () => {
    const { data }: Json = await (await fetch(`${server.url}/v1/models`)).json();
    expect(data[0]).toMatchObject({ id: "chosen", object: "model", owned_by: "semaroute" });
    expect(data[0].semaroute).toMatchObject({
      alias_of: ["cheap/m", "dear/m"],
      providers: ["dear", "cheap"],
      capabilities: { context_tokens: 100_000 },
    });
    const one: Json = await (await fetch(`${server.url}/v1/models/cheap/m`)).json();
    expect(one.semaroute.price).toEqual({
      input_micro_usd_per_million: "900000",
      output_micro_usd_per_million: "3600000",
      cache_read_micro_usd_per_million: "90000",
      request_micro_usd: "100",
    });
  });

  test("names as providers only those that can be called", async () => {
    const state = (word: string): Promise<Response> =>
      post("/admin/providers/dear/state", { state: word }, { authorization: `Bearer ${server.adminToken ?? ""}` });
    await state("PROVIDER_STATE_DISABLED");
    expect((await rpc("GetModel", { id: "chosen" })).model.providers).toEqual(["cheap"]);
    await state("PROVIDER_STATE_ENABLED");
    expect((await rpc("GetModel", { id: "chosen" })).model.providers).toEqual(["dear", "cheap"]);
  });
});
