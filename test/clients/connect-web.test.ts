/** The browser's clients of Connect, with generated code, over Node's fetch: HTTP/1.1. */
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { CacheStatus, ChatRequestSchema, FinishReason, Role, type StreamChatResponse } from "../../gen/semaroute/v1/chat_pb.ts";
import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";
import { chunk, createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const transports: readonly { readonly name: string; readonly connect: (baseUrl: string) => Transport }[] = [
  { name: "Connect JSON", connect: (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: false }) },
  { name: "Connect binary", connect: (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: true }) },
  { name: "gRPC-Web JSON", connect: (baseUrl) => createGrpcWebTransport({ baseUrl, useBinaryFormat: false }) },
  { name: "gRPC-Web binary", connect: (baseUrl) => createGrpcWebTransport({ baseUrl, useBinaryFormat: true }) },
];

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;

beforeAll(async () => {
  upstream = open.use(
    await createUpstream((reply, { body }) => {
      const text = JSON.stringify(body);
      if (text.includes("be limited")) reply.error(429, "slow down", { "retry-after-ms": "1" });
      else if (text.includes("be cut")) {
        reply.sse().data(chunk({ role: "assistant", content: "half" }));
        reply.cut();
      } else if (text.includes("go on")) reply.sse().data(chunk({ role: "assistant", content: "half" }));
    }),
  );
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  host: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [m] }
`),
  );
});

afterAll(() => open.disposeAsync());

function chat(model: string, text: string) {
  return create(ChatRequestSchema, { model, messages: [{ role: Role.USER, text }] });
}

describe.each(transports)("$name", ({ connect }) => {
  let router: Client<typeof RouterService>;
  beforeAll(() => {
    router = createClient(RouterService, connect(server.url));
  });

  test("embed answers, with the route in the message and in the headers", async () => {
    let headers = new Headers();
    const answer = await router.embed(
      { model: "sim/sim-embed", inputs: [{ input: { case: "text", value: "hello there" } }], dimensions: 3 },
      { onHeader: (received) => (headers = received) },
    );
    expect(answer.embeddings).toMatchObject([{ index: 0, values: [expect.any(Number), expect.any(Number), expect.any(Number)] }]);
    expect(answer).toMatchObject({ model: "sim-embed", usage: { inputTokens: 2 }, route: { provider: "sim", upstreamModel: "sim-embed" } });
    expect(headers.get("x-semaroute-provider")).toBe("sim");
  });

  test("chat answers, with the route in the message and in the headers", async () => {
    let headers = new Headers();
    const answer = await router.chat(chat("sim/sim-chat", "hello there"), {
      headers: { "x-request-id": "mine-3" },
      onHeader: (received) => {
        headers = received;
      },
    });
    expect(answer.choices[0]).toMatchObject({ finishReason: FinishReason.STOP, message: { role: Role.ASSISTANT, text: "hello there" } });
    expect(answer.usage?.totalTokens).toBe((answer.usage?.inputTokens ?? 0) + (answer.usage?.outputTokens ?? 0));
    expect(answer.route).toMatchObject({ provider: "sim", requestId: "mine-3", cache: CacheStatus.BYPASS });
    expect(headers.get("x-request-id")).toBe("mine-3");
    expect(headers.get("x-semaroute-provider")).toBe("sim");
    expect(headers.get("x-semaroute-decision")).toBe(answer.route?.decisionId);
  });

  test("streamChat goes from started to completed", async () => {
    const events = await Array.fromAsync(router.streamChat(chat("sim/sim-chat", "hello over there")));
    const cases = events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-1)]).toEqual(["started", "completed"]);
    expect(cases.filter((name) => name === "completed")).toHaveLength(1);
    expect(events.map(textOf).join("")).toBe("hello over there");
  });

  test("models are listed, and health is served", async () => {
    const { models } = await router.listModels({ pageSize: 1 });
    expect(models).toHaveLength(1);
    const health = createClient(Health, connect(server.url));
    expect((await health.check({ service: "provider/sim" })).status).toBe(ServingStatus.SERVING);
  });

  test("an error has its details", async () => {
    const asking = router.chat(chat("nobody/knows", "hi"), { headers: { "x-request-id": "mine-4" } });
    const error = await refused(asking);
    expect(error.code).toBe(Code.NotFound);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "MODEL_NOT_FOUND", domain: "semaroute.dev" }]);
    expect(error.findDetails(RequestInfoSchema)).toMatchObject([{ requestId: "mine-4" }]);
    expect(error.findDetails(BadRequestSchema)).toEqual([]);
    expect(error.metadata.get("x-request-id")).toBe("mine-4");
  });

  test("a broken rule names the field", async () => {
    const error = await refused(router.chat({ model: "", messages: [{ role: Role.USER, text: "hi" }] }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field: "model" }] }]);
  });

  test("a path where nothing is, is UNIMPLEMENTED", async () => {
    const lost = createClient(RouterService, connect(`${server.url}/nowhere`));
    const error = await refused(lost.chat(chat("sim/sim-chat", "hi"), { headers: { "x-request-id": "mine-9" } }));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.metadata.get("x-request-id")).toBe("mine-9");
  });

  test("an upstream's limit says how long to wait", async () => {
    const error = await refused(Array.fromAsync(router.streamChat(chat("host/m", "be limited"))));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([{ retryDelay: { seconds: 0n, nanos: 1_000_000 } }]);
    expect(error.metadata.get("retry-after-ms")).toBe("1");
  });

  test("a stream that breaks off gives what came, then its error, and never completes", async () => {
    const seen: StreamChatResponse[] = [];
    const error = await refused(collect(router.streamChat(chat("host/m", "be cut")), seen));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "STREAM_INTERRUPTED" }]);
    expect(seen.map(textOf).join("")).toBe("half");
    expect(seen.map(({ event }) => event.case)).not.toContain("completed");
  });

  test("a deadline is DEADLINE_EXCEEDED", async () => {
    const error = await refused(router.chat(chat("host/m", "wait"), { timeoutMs: 150 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
  });

  test("leaving a stream ends the upstream call at once", async () => {
    const before = upstream.requests.length;
    const leave = new AbortController();
    const stream = router.streamChat(chat("host/m", "go on"), { signal: leave.signal });
    const { closed } = await upstream.request(before);
    let leftMs = 0;
    const reading = (async () => {
      for await (const event of stream) {
        if (textOf(event) === "") continue;
        leftMs = performance.now();
        leave.abort();
      }
    })();
    expect((await refused(reading)).code).toBe(Code.Canceled);
    expect(await closed).toBe("cut");
    const tookMs = performance.now() - leftMs;
    console.info(`from leaving to the upstream's closed socket ${tookMs.toFixed(1)} ms`);
    expect(tookMs).toBeLessThan(1000);
  });
});

function textOf({ event }: StreamChatResponse): string {
  return event.case === "partDelta" && event.value.delta.case === "text" ? event.value.delta.value : "";
}

async function collect(stream: AsyncIterable<StreamChatResponse>, seen: StreamChatResponse[]): Promise<void> {
  for await (const event of stream) seen.push(event);
}

async function refused(asking: Promise<unknown>): Promise<ConnectError> {
  try {
    await asking;
  } catch (thrown) {
    if (thrown instanceof ConnectError) return thrown;
    throw thrown;
  }
  throw new Error("this was meant to fail");
}
