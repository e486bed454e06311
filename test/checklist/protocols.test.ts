/** Row 10 of the conformance checklist (wire protocols, 10): one answer and one error, by every protocol and in both encodings. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { ChatRequestSchema, ChatResponseSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";
import { Role } from "../../src/core/chat.ts";
import { folded } from "./fixtures.ts";
import { openScene, type Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene[Symbol.asyncDispose]());

const makers = {
  grpc: (baseUrl: string, useBinaryFormat: boolean): Transport =>
    createGrpcTransport({ baseUrl, useBinaryFormat, idleConnectionTimeoutMs: 500 }),
  "grpc-web": (baseUrl: string, useBinaryFormat: boolean): Transport =>
    createGrpcWebTransport({ baseUrl, useBinaryFormat, httpVersion: "1.1" }),
  connect: (baseUrl: string, useBinaryFormat: boolean): Transport =>
    createConnectTransport({ baseUrl, useBinaryFormat, httpVersion: "1.1" }),
} as const;
const protocols = ["grpc", "grpc-web", "connect"] as const;
const ways = protocols.flatMap((protocol) => [true, false].map((binary) => ({ protocol, binary, encoding: binary ? "proto" : "json" })));
const transport = ({ protocol, binary }: (typeof ways)[number]): Transport => makers[protocol](scene.url, binary);

const ask = (model: string) => create(ChatRequestSchema, { model, messages: [{ role: Role.USER, text: "hello" }] });
/** What differs from call to call. */
function same(answer: object): object {
  const { id: _id, createTime: _time, route, ...rest } = structuredClone(answer) as Record<string, unknown>;
  const { provider, upstreamModel, cache } = route as Record<string, unknown>;
  return { ...rest, provider, upstreamModel, cache };
}

test("10.10 Chat and StreamChat give one result by gRPC, gRPC-Web and Connect, in binary and JSON", async () => {
  scene.play(({ say }) => say({ kind: "calls", calls: [{ id: "call_1", name: "f", arguments: '{"b":1,"a":9007199254740993}' }] }));
  const told: object[] = [];
  for (const way of ways) {
    const client = createClient(RouterService, transport(way));
    const whole = await client.chat(ask("chat/gpt-4o"));
    const events = (await Array.fromAsync(client.streamChat(ask("chat/gpt-4o")))).map(({ event }) => event);
    const streamed = folded(events.flatMap((event) => (event.case === undefined ? [] : [event])));
    for (const answer of [whole, streamed]) {
      expect(toBinary(ChatResponseSchema, answer).length).toBeGreaterThan(0);
      told.push(same(toJson(ChatResponseSchema, answer) as object));
    }
  }
  expect(told).toHaveLength(12);
  for (const each of told) expect(each).toEqual(told[0]);
  expect(JSON.stringify(told[0])).toContain("9007199254740993");
});

test("10.10 an error has one code, message and set of details by all of them", async () => {
  scene.play(({ reply }) => reply.error(429, "slow down", { "retry-after": "7" }));
  const told: unknown[] = [];
  for (const way of ways) {
    const client = createClient(RouterService, transport(way));
    // A model of its own each: who is limited is left alone for a while.
    const model = (kind: string) => ask(`chat/limited-${kind}-${way.protocol}-${way.encoding}`);
    for (const asking of [client.chat(model("whole")), Array.fromAsync(client.streamChat(model("stream")))]) {
      const error = ConnectError.from(
        await asking.then(
          () => undefined,
          (thrown: unknown) => thrown,
        ),
      );
      const [info] = error.findDetails(ErrorInfoSchema);
      const {
        decision: _decision,
        attempts: _attempts,
        upstream_status: _status,
        provider: _provider,
        model: _model,
        ...metadata
      } = info?.metadata ?? {};
      expect(error.findDetails(RequestInfoSchema)).toHaveLength(1);
      const [retry] = error.findDetails(RetryInfoSchema);
      expect(error.metadata.get("retry-after")).toBe("7");
      told.push([error.code, error.rawMessage, info?.reason, info?.domain, metadata, retry?.retryDelay?.seconds]);
    }
  }
  expect(told).toHaveLength(12);
  for (const each of told) expect(each).toEqual(told[0]);
  expect(told[0]).toContain("RATE_LIMITED");
});

describe("10.10 tools of other languages", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  test("10.10 buf curl --reflect asks without a .proto file", async () => {
    scene.play(({ say }) => say({ kind: "text", text: "Bonjour" }));
    const data = JSON.stringify({ model: "google/gemini-2.5-flash", messages: [{ role: "ROLE_USER", text: "hello" }] });
    const args = ["curl", "--reflect", "--protocol", "grpc", "--http2-prior-knowledge", "-d", data];
    const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/buf`, [...args, `${scene.url}/semaroute.v1.RouterService/Chat`]);
    expect(JSON.parse(stdout)).toMatchObject({ choices: [{ message: { text: "Bonjour" } }], route: { provider: "google" } });
  });

  test.each(ways)("10.10 health by $protocol in $encoding: Check, and Watch's first word", async (way) => {
    const health = createClient(Health, transport(way));
    for (const service of ["", "semaroute.v1.RouterService", "provider/google"])
      expect((await health.check({ service })).status).toBe(Serving.SERVING);
    await expect(health.check({ service: "nobody" })).rejects.toMatchObject({ code: 5 });
    const leaving = new AbortController();
    for await (const { status } of health.watch({ service: "" }, { signal: leaving.signal })) {
      expect(status).toBe(Serving.SERVING);
      break;
    }
    leaving.abort();
  });
});
