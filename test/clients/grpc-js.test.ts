/** Google's own gRPC for Node, with the .proto files read as they are. */
import { compressionAlgorithms, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chunk, createUpstream, streamText, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { chat, createGrpcClient, detailsOf, type GrpcClient, method, refused, textOf } from "./grpc-client.ts";

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;
let client: GrpcClient;

beforeAll(async () => {
  upstream = open.use(
    await createUpstream((reply, { body }) => {
      const model = typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
      if (model === "endless") reply.sse().data(chunk({ role: "assistant", content: "half" }));
      else if (model === "limited") reply.error(429, "slow down", { "retry-after-ms": "70", "x-request-id": "up-1" });
      else if (model === "broken") reply.error(500, "broken");
      else if (model === "text") streamText(reply, ["two ", "words"]);
    }),
  );
  server = open.use(
    await startServer(`
server: { max_body: 1MiB }
health: { probe: none }
resilience: { max_attempts: 1 }
auth: { keys: [{ name: team, key: sk-good }] }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  host: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [text, endless, limited, silent] }
`),
  );
  client = open.use(createGrpcClient(server.port, "sk-good"));
});

afterAll(() => open.disposeAsync());

test("Chat answers with text, usage and the route", async () => {
  const { response } = await client.unary("Chat", chat("sim-chat", "hello there"));
  expect(response).toMatchObject({
    choices: [
      {
        message: { role: "ROLE_ASSISTANT", text: "hello there", content: [{ text: { text: "hello there" } }] },
        finishReason: "FINISH_REASON_STOP",
      },
    ],
    usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
    route: {
      provider: "sim",
      upstreamModel: "sim-chat",
      cache: "CACHE_STATUS_BYPASS",
      attempts: [{ provider: "sim", won: true, kind: "ATTEMPT_KIND_PRIMARY" }],
    },
  });
});

test("the initial metadata tells the route, and echoes the request id", async () => {
  const { initial, response } = await client.unary("Chat", chat("sim-chat", "hi"), { headers: { "x-request-id": "mine-7" } });
  expect(initial.getMap()).toMatchObject({
    "x-request-id": "mine-7",
    "x-semaroute-provider": "sim",
    "x-semaroute-model": "sim-chat",
    "x-semaroute-attempts": "1",
    "x-semaroute-cache": "bypass",
    "x-semaroute-policy": expect.stringMatching(/./),
    "x-semaroute-decision": expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7/),
    "x-semaroute-cost-usd": expect.stringMatching(/^0\.\d+$/),
    "server-timing": expect.stringMatching(/^semaroute;dur=\d+\.\d{3}$/),
  });
  expect(response).toMatchObject({ route: { requestId: "mine-7", decisionId: initial.get("x-semaroute-decision")[0] } });
});

for (const model of ["sim/sim-chat", "host/text"]) {
  test(`StreamChat over ${model} starts, begins, adds, ends and completes, in this order`, async () => {
    const { events, initial } = await client.stream(chat(model, "two words"));
    const cases = events.map((event) => Object.keys(event)[0] ?? "").filter((name) => name !== "usage");
    expect(cases.filter((name, i) => name !== cases[i - 1])).toEqual([
      "started",
      "partStarted",
      "partDelta",
      "partEnded",
      "choiceEnded",
      "completed",
    ]);
    expect(events.map(textOf).join("")).toBe("two words");
    expect(events[0]).toMatchObject({ started: { route: { provider: model.split("/")[0] } } });
    expect(events.at(-1)).toMatchObject({
      completed: { usage: { outputTokens: expect.any(Number) }, route: { attempts: [{ won: true }] } },
    });
    expect(initial.get("x-semaroute-provider")).toEqual([model.split("/")[0]]);
    expect(initial.get("x-semaroute-cost-usd")).toEqual([]);
  });
}

test("Embed answers with vectors of texts and tokens, usage and the route", async () => {
  const inputs = [{ text: "hello there" }, { tokens: { ids: [1, 2, 3] } }];
  const { response, initial } = await client.unary("Embed", { model: "sim-embed", inputs, dimensions: 4 });
  expect(response).toMatchObject({
    model: "sim-embed",
    embeddings: [{ values: Array.from({ length: 4 }, () => expect.any(Number)) }, { index: 1 }],
    usage: { inputTokens: 5, totalTokens: 5 },
    route: { provider: "sim", upstreamModel: "sim-embed", cache: "CACHE_STATUS_MISS", attempts: [{ won: true }] },
  });
  expect(initial.getMap()).toMatchObject({ "x-semaroute-provider": "sim", "x-semaroute-attempts": "1" });
});

for (const { what, request, code, reason, field } of [
  { what: "no inputs", request: { inputs: [] }, code: status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", field: "inputs" },
  {
    what: "an empty text",
    request: { inputs: [{ text: "" }] },
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_REQUEST",
    field: "inputs[0].text",
  },
  { what: "an empty input", request: { inputs: [{}] }, code: status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", field: "inputs[0].input" },
  { what: "no dimensions", request: { dimensions: 0 }, code: status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", field: "dimensions" },
  { what: "a chat model", request: { model: "sim-chat" }, code: status.NOT_FOUND, reason: "MODEL_NOT_FOUND" },
  {
    what: "an extension that decides",
    request: { extensionsJson: { openai: '{"model":"x"}' } },
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_REQUEST",
    field: "extensions_json.openai.model",
  },
]) {
  test(`Embed refuses ${what}`, async () => {
    const error = await refused(client.unary("Embed", { model: "sim-embed", inputs: [{ text: "a" }], ...request }));
    expect(error.code).toBe(code);
    const details = detailsOf(error);
    expect(details).toContainEqual(expect.objectContaining({ reason }));
    const violations = { fieldViolations: [expect.objectContaining({ field })] };
    if (field !== undefined) expect(details).toContainEqual(expect.objectContaining(violations));
  });
}

test("ListModels and GetModel know the models", async () => {
  const { response } = await client.unary("ListModels", {});
  expect(response).toMatchObject({ models: expect.arrayContaining([expect.objectContaining({ id: "sim-chat", providers: ["sim"] })]) });
  expect((await client.unary("GetModel", { id: "sim-chat" })).response).toMatchObject({ model: { id: "sim-chat" } });
});

test("Explain plans without calling anybody", async () => {
  const before = upstream.requests.length;
  const { response } = await client.unary("Explain", { request: chat("host/text", "hi") });
  expect(response).toMatchObject({ candidates: [{ provider: "host", rank: 1 }], policyRevision: expect.stringMatching(/./) });
  expect(upstream.requests).toHaveLength(before);
});

test("CountTokens estimates", async () => {
  const { response } = await client.unary("CountTokens", { request: chat("sim-chat", "one two three four five six") });
  expect(response).toMatchObject({ inputTokens: expect.any(Number), estimated: true, provider: "sim" });
});

test("a compressed request is read", async () => {
  using zipping = createGrpcClient(server.port, "sk-good", { "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
  const { response } = await zipping.unary("Chat", chat("sim-chat", "a".repeat(5000)));
  expect(response).toMatchObject({ choices: [{ message: { text: "a".repeat(5000) } }] });
});

test("a message that is too large is refused, small as it may be while compressed", async () => {
  for (const compression of [compressionAlgorithms.identity, compressionAlgorithms.gzip]) {
    using sending = createGrpcClient(server.port, "sk-good", { "grpc.default_compression_algorithm": compression });
    const error = await refused(sending.unary("Chat", chat("sim-chat", "a".repeat(2 * 1024 * 1024))));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(detailsOf(error)).toContainEqual(expect.objectContaining({ reason: "REQUEST_TOO_LARGE" }));
  }
});

test("a client with a retry policy of its own heeds the trailers, and does not repeat what was done already", async () => {
  const retryPolicy = {
    maxAttempts: 3,
    initialBackoff: "0.01s",
    maxBackoff: "0.01s",
    backoffMultiplier: 1,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  const config = JSON.stringify({ methodConfig: [{ name: [{}], retryPolicy }] });
  using retrying = createGrpcClient(server.port, "sk-good", { "grpc.service_config": config });
  const error = await refused(retrying.unary("Chat", chat("host/broken", "hi")));
  expect([error.code, error.metadata.get("grpc-retry-pushback-ms")]).toEqual([status.UNAVAILABLE, ["-1"]]);
  expect(upstream.requests.filter(({ body }) => JSON.stringify(body).includes('"model":"broken"'))).toHaveLength(1);
});

test("many calls share one connection", async () => {
  const texts = Array.from({ length: 40 }, (_, i) => `call ${i}`);
  const answers = await Promise.all(texts.map((text) => client.unary("Chat", chat("sim-chat", text))));
  expect(answers.map(({ response }) => response)).toMatchObject(texts.map((text) => ({ choices: [{ message: { text } }] })));
});

test("grpc.health says that it serves, without a key", async () => {
  const check = method("grpc.health.v1.Health", "Check");
  for (const service of ["", "semaroute.v1.RouterService", "provider/sim"]) {
    const answer = await client.unary(check, { service }, { headers: { authorization: "" } });
    expect(answer.response).toEqual({ status: "SERVING" });
  }
});

const refusals = [
  { name: "a wrong key", code: status.UNAUTHENTICATED, reason: "CALLER_UNAUTHENTICATED", metadata: { authorization: "Bearer sk-wrong" } },
  { name: "an unknown model", code: status.NOT_FOUND, reason: "MODEL_NOT_FOUND", model: "nobody/knows" },
  { name: "no messages", code: status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", field: "messages", empty: true },
  {
    name: "a broken rule",
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_REQUEST",
    field: "sampling.temperature",
    more: { sampling: { temperature: 9 } },
  },
  {
    name: "a bad header",
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_REQUEST",
    field: "x-semaroute-tags",
    metadata: { "x-semaroute-tags": "=" },
  },
  {
    name: "a limited upstream",
    code: status.RESOURCE_EXHAUSTED,
    reason: "RATE_LIMITED",
    model: "host/limited",
    wait: { nanos: 70_000_000 },
  },
];
test.each(refusals)(
  "$name is $reason, with its details",
  async ({ code, reason, model = "sim-chat", metadata = {}, more = {}, empty, field, wait }) => {
    const request = { ...chat(model, "hi"), ...(empty && { messages: [] }), ...more };
    const error = await refused(client.unary("Chat", request, { headers: { "x-request-id": "mine-8", ...metadata } }));
    expect(error.code).toBe(code);
    const details = detailsOf(error);
    expect(details).toContainEqual(
      expect.objectContaining({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "semaroute.dev" }),
    );
    expect(details).toContainEqual({ "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId: "mine-8" });
    const violations = { fieldViolations: [expect.objectContaining({ field })] };
    if (field !== undefined) expect(details).toContainEqual(expect.objectContaining(violations));
    if (wait !== undefined) expect(details).toContainEqual({ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: wait });
    expect(error.details).not.toContain("sk-wrong");
  },
);

test("a stream is refused like a unary call", async () => {
  const error = await refused(client.stream(chat("nobody/knows", "hi")));
  expect(error.code).toBe(status.NOT_FOUND);
  expect(detailsOf(error)).toContainEqual(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
});

test("methods and services that are not there are UNIMPLEMENTED", async () => {
  const embed = method("semaroute.v1.RouterService", "Embed");
  for (const path of ["/semaroute.v1.RouterService/Dance", "/some.Other/Service"]) {
    const error = await refused(client.unary({ ...embed, path }, { model: "sim-embed", inputs: [{ text: "a" }] }));
    expect(error.code).toBe(status.UNIMPLEMENTED);
    expect(error.details).toBe(`there is no method at ${path}`);
  }
});

// Whose clock rings first, the client's or the server's, is a race; both must end the upstream call.
for (const wish of ["deadline", "header"] as const) {
  test(`a ${wish} is DEADLINE_EXCEEDED, and ends the upstream call`, async () => {
    const before = upstream.requests.length;
    const extras = wish === "deadline" ? { deadline: Date.now() + 1000 } : { headers: { "x-semaroute-timeout-ms": "1000" } };
    const error = await refused(client.unary("Chat", chat("host/silent", "hi"), extras));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    if (wish === "header") expect(detailsOf(error)).toContainEqual(expect.objectContaining({ reason: "DEADLINE_EXCEEDED" }));
    const ends = await Promise.all(upstream.requests.slice(before).map(({ closed }) => closed));
    expect(new Set(ends)).toEqual(new Set(["cut"]));
  });
}

test("a deadline beyond the longest one is clamped, not refused", async () => {
  const { response } = await client.unary("Chat", chat("sim-chat", "hi"), { deadline: Date.now() + 86_400_000 });
  expect(response).toMatchObject({ choices: [{ message: { text: "hi" } }] });
});

test("cancelling a stream ends the upstream call at once", async () => {
  const before = upstream.requests.length;
  const call = client.startStream(chat("host/endless", "hi"));
  const ended = new Promise<ServiceError>((resolve) => call.once("error", resolve));
  const { closed } = await upstream.request(before);
  await new Promise<void>((resolve) => {
    call.on("data", (event: object) => "partDelta" in event && resolve());
  });
  const cancelledMs = performance.now();
  call.cancel();
  expect(await closed).toBe("cut");
  const tookMs = performance.now() - cancelledMs;
  console.info(`gRPC: from cancel to the upstream's closed socket ${tookMs.toFixed(1)} ms`);
  expect(tookMs).toBeLessThan(1000);
  expect((await ended).code).toBe(status.CANCELLED);
});

test("cancelling a unary call ends the upstream call at once", async () => {
  const before = upstream.requests.length;
  const asking = client.unary("Chat", chat("host/silent", "hi"), {
    async meanwhile(call) {
      await upstream.request(before);
      call.cancel();
    },
  });
  expect((await refused(asking)).code).toBe(status.CANCELLED);
  expect(await (await upstream.request(before)).closed).toBe("cut");
});
