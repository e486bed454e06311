/** Google's own gRPC for Node, with the .proto files read as they are. */
import { fileURLToPath } from "node:url";
import { type CallOptions, Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type MethodDefinition } from "@grpc/proto-loader";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chunk, createUpstream, streamText, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const definitions = loadSync(
  ["semaroute/v1/router.proto", "grpc/health/v1/health.proto", "google/rpc/error_details.proto", "status.proto"],
  { includeDirs: [folder("../../proto"), folder("../../third_party"), folder(".")], enums: String, json: true, oneofs: true },
);

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;
let client: Client;

beforeAll(async () => {
  upstream = open.use(
    await createUpstream((reply, { body }) => {
      const { model } = body as { model: string };
      if (model === "endless") reply.sse().data(chunk({ role: "assistant", content: "half" }));
      else if (model === "limited") reply.error(429, "slow down", { "retry-after-ms": "70", "x-request-id": "up-1" });
      else if (model === "text") streamText(reply, ["two ", "words"]);
    }),
  );
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
auth: { keys: [{ name: team, key: sk-good }] }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  host: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [text, endless, limited, silent] }
`),
  );
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  open.defer(() => client.close());
});

afterAll(() => open.disposeAsync());

test("Chat answers with text, usage and the route", async () => {
  const { response } = await unary("Chat", chat("sim-chat", "hello there"));
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
  const { initial, response } = await unary("Chat", chat("sim-chat", "hi"), { "x-request-id": "mine-7" });
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
    const { events, initial } = await stream(chat(model, "two words"));
    const cases = events.map((event) => Object.keys(event)[0] ?? "");
    expect(cases.filter((name, i) => name !== cases[i - 1])).toEqual([
      "started",
      "partStarted",
      "partDelta",
      "partEnded",
      "choiceEnded",
      "usage",
      "completed",
    ]);
    expect(events.map((event) => event["partDelta"]?.["text"] ?? "").join("")).toBe("two words");
    expect(events[0]).toMatchObject({ started: { route: { provider: model.split("/")[0] } } });
    expect(events.at(-1)).toMatchObject({
      completed: { usage: { outputTokens: expect.any(Number) }, route: { attempts: [{ won: true }] } },
    });
    expect(initial.get("x-semaroute-provider")).toEqual([model.split("/")[0]]);
    expect(initial.get("x-semaroute-cost-usd")).toEqual([]);
  });
}

test("ListModels and GetModel know the models", async () => {
  const { response } = await unary("ListModels", {});
  expect(response).toMatchObject({ models: expect.arrayContaining([expect.objectContaining({ id: "sim-chat", providers: ["sim"] })]) });
  expect((await unary("GetModel", { id: "sim-chat" })).response).toMatchObject({ model: { id: "sim-chat" } });
});

test("Explain plans without calling anybody", async () => {
  const before = upstream.requests.length;
  const { response } = await unary("Explain", { request: chat("host/text", "hi") });
  expect(response).toMatchObject({ candidates: [{ provider: "host", rank: 1 }], policyRevision: expect.stringMatching(/./) });
  expect(upstream.requests).toHaveLength(before);
});

test("CountTokens estimates", async () => {
  const { response } = await unary("CountTokens", { request: chat("sim-chat", "one two three four five six") });
  expect(response).toMatchObject({ inputTokens: expect.any(Number), estimated: true, provider: "sim" });
});

test("a compressed request is read", async () => {
  const zipping = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure(), { "grpc.default_compression_algorithm": 2 });
  const { response } = await unary("Chat", chat("sim-chat", "a".repeat(5000)), {}, {}, zipping);
  zipping.close();
  expect(response).toMatchObject({ choices: [{ message: { text: "a".repeat(5000) } }] });
});

test("many calls share one connection", async () => {
  const texts = Array.from({ length: 40 }, (_, i) => `call ${i}`);
  const answers = await Promise.all(texts.map((text) => unary("Chat", chat("sim-chat", text))));
  expect(answers.map(({ response }) => response)).toMatchObject(texts.map((text) => ({ choices: [{ message: { text } }] })));
});

test("grpc.health says that it serves, without a key", async () => {
  const check = method("grpc.health.v1.Health", "Check");
  for (const service of ["", "semaroute.v1.RouterService", "provider/sim"]) {
    const answer = await unary(check, { service }, { authorization: "" });
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
    wait: { seconds: "0", nanos: 70_000_000 },
  },
];
test.each(refusals)(
  "$name is $reason, with its details",
  async ({ code, reason, model = "sim-chat", metadata = {}, more = {}, empty, field, wait }) => {
    const request = { ...chat(model, "hi"), ...(empty && { messages: [] }), ...more };
    const error = await refused(unary("Chat", request, { "x-request-id": "mine-8", ...metadata }));
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
  const error = await refused(stream(chat("nobody/knows", "hi")));
  expect(error.code).toBe(status.NOT_FOUND);
  expect(detailsOf(error)).toContainEqual(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
});

test("methods and services that are not there are UNIMPLEMENTED", async () => {
  const embed = method("semaroute.v1.RouterService", "Embed");
  for (const path of [embed.path, "/semaroute.v1.RouterService/Dance", "/some.Other/Service"]) {
    expect((await refused(unary({ ...embed, path }, { model: "sim-embed", inputs: [{ text: "a" }] }))).code).toBe(status.UNIMPLEMENTED);
  }
});

test("a deadline is DEADLINE_EXCEEDED, and ends the upstream call", async () => {
  const before = upstream.requests.length;
  const asking = unary("Chat", chat("host/silent", "hi"), { "x-request-id": "late-1" }, { deadline: Date.now() + 400 });
  const error = await refused(asking);
  expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  expect(await (await upstream.request(before)).closed).toBe("cut");
  await server.logged((line) => line["request_id"] === "late-1" && line["failure"] === "DEADLINE_EXCEEDED");
});

test("a deadline beyond the longest one is clamped, not refused", async () => {
  const { response } = await unary("Chat", chat("sim-chat", "hi"), {}, { deadline: Date.now() + 86_400_000 });
  expect(response).toMatchObject({ choices: [{ message: { text: "hi" } }] });
});

test("cancelling a stream ends the upstream call at once", async () => {
  const before = upstream.requests.length;
  const call = startStream(chat("host/endless", "hi"));
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
  const asking = unary("Chat", chat("host/silent", "hi"), {}, {}, client, async (call) => {
    await upstream.request(before);
    call.cancel();
  });
  expect((await refused(asking)).code).toBe(status.CANCELLED);
  expect(await (await upstream.request(before)).closed).toBe("cut");
});

type Method = MethodDefinition<object, object>;
type Event = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

function chat(model: string, text: string): object {
  return { model, messages: [{ role: "ROLE_USER", text }] };
}

function method(service: string, name: string): Method {
  const definition = definitions[service];
  const found = definition === undefined || "format" in definition ? undefined : definition[name];
  if (found === undefined) throw new Error(`no ${service}/${name}`);
  return found;
}

function metadataFrom(more: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries({ authorization: "Bearer sk-good", ...more })) if (value !== "") metadata.set(name, value);
  return metadata;
}

function unary(
  which: Method | string,
  request: object,
  more: Readonly<Record<string, string>> = {},
  options: CallOptions = {},
  through: Client = client,
  meanwhile: (call: { cancel(): void }) => Promise<void> = async () => {},
): Promise<{ readonly response: object; readonly initial: Metadata }> {
  const { path, requestSerialize, responseDeserialize } = typeof which === "string" ? method("semaroute.v1.RouterService", which) : which;
  return new Promise((resolve, reject) => {
    let initial = new Metadata();
    const call = through.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataFrom(more),
      options,
      (error, response) => {
        if (error !== null) reject(error);
        else resolve({ response: response ?? {}, initial });
      },
    );
    call.on("metadata", (received) => {
      initial = received;
    });
    meanwhile(call).catch(reject);
  });
}

function startStream(request: object) {
  const { path, requestSerialize, responseDeserialize } = method("semaroute.v1.RouterService", "StreamChat");
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadataFrom({}));
}

async function stream(request: object): Promise<{ readonly events: Event[]; readonly initial: Metadata }> {
  const call = startStream(request);
  let initial = new Metadata();
  call.on("metadata", (received) => {
    initial = received;
  });
  const events: Event[] = [];
  for await (const event of call) events.push(event);
  return { events, initial };
}

async function refused(asking: Promise<unknown>): Promise<ServiceError> {
  const error: unknown = await asking.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Error && "code" in error && "metadata" in error) return error as ServiceError;
  throw error instanceof Error ? error : new Error("this was meant to fail");
}

/** `google.rpc.Status`, as any gRPC client finds it. */
function detailsOf({ metadata }: ServiceError): readonly unknown[] {
  const [bytes] = metadata.get("grpc-status-details-bin");
  const { deserialize } = definitions["google.rpc.Status"] as MessageTypeDefinition<object, { details: readonly unknown[] }>;
  return bytes instanceof Buffer ? deserialize(bytes).details : [];
}
