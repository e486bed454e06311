/** The control plane on a listener of its own: every method by every protocol there, an audit line for each change, and no secret anywhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  create,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection, ServerReflectionResponseSchema } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { adminRoutes } from "../../src/server/rest/admin.ts";
import { adminService } from "../../src/server/rpc/admin.ts";
import { fakeOperations } from "../server/fake-operations.ts";
import { type LogLine, type ServerProcess, startServer } from "../support/server.ts";
import { until } from "./scene.ts";
import { frame, grpc } from "./wire.ts";

const secrets = {
  admin: "admin-token-canary-71d2",
  caller: "caller-key-canary-0be4",
  provider: "provider-key-canary-93aa",
  replaced: "provider-key-canary-55cf",
  guessed: "guess-canary-2f60",
};
const policy = { leastBusy: {} };
/** A chat that was answered before all else. */
const decision: JsonObject = {};
/** The key that was issued last. */
const issued: JsonObject = {};
const issuedSecrets: string[] = [];
/** A request that goes well, for every method that there is; in this order. */
const requests: Readonly<Record<string, JsonObject>> = {
  ListProviders: { pageSize: 1 },
  GetProvider: { id: "real" },
  GetProviderHealth: { providers: ["real"] },
  WatchProviderHealth: {},
  SetProviderState: { id: "two", state: "PROVIDER_STATE_DRAINING", resetBreaker: true },
  GetPolicy: {},
  ValidatePolicy: { policy },
  SimulatePolicy: { policy },
  SwapPolicy: { policy, comment: "try" },
  RollbackPolicy: { number: "1", comment: "back" },
  ListPolicyRevisions: { pageSize: 1 },
  ListDecisions: { model: "sim-chat" },
  GetDecision: decision,
  WatchDecisions: {},
  CreateKey: { name: "issued" },
  ListKeys: {},
  UpdateKey: issued,
  RevokeKey: issued,
  GetUsage: { groupBy: ["key"] },
  ListLedger: { pageSize: 1 },
  PurgeCache: { all: true },
  ReloadConfig: {},
  GetStats: {},
};
const changes = ["SetProviderState", "SwapPolicy", "RollbackPolicy", "CreateKey", "UpdateKey", "RevokeKey", "PurgeCache", "ReloadConfig"];
const names = Object.keys(adminService(fakeOperations()));
const methods = AdminService.methods.filter(({ localName }) => names.includes(localName));

const folder = mkdtempSync(join(tmpdir(), "semaroute-admin-"));
const keyFile = join(folder, "key");
let server: ServerProcess;
let admin: string;
/** All that was ever answered. */
let heard = "";

beforeAll(async () => {
  writeFileSync(keyFile, secrets.provider);
  server = await startServer(
    `
admin: {token: "\${ADMIN}", port: 0}
auth: {keys: [{name: team-a, key: "\${CALLER}"}]}
health: {probe: none}
routing_policy: {type: failover, config: {primary_provider: one, backup_providers: [two]}}
providers:
  one: {type: simulated, first_token: 1ms}
  two: {type: simulated, first_token: 1ms}
  real: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", api_key_file: "${keyFile}", models: [m]}
`,
    { ADMIN: secrets.admin, CALLER: secrets.caller },
  );
  const line = await server.logged(({ message, doors }) => message === "listening" && String(doors) === "admin");
  admin = String(line["url"]);
  decision["id"] = await ask();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A chat; its decision's id. */
async function ask(): Promise<string> {
  const answer = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secrets.caller}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-chat", messages: [{ role: "user", content: "hi" }] }),
  });
  await answer.text();
  return answer.headers.get("x-semaroute-decision") ?? "";
}

const protocols: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  grpc: (baseUrl) => createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 500 }),
  "grpc-web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
};

const bearer = (token: string) => ({ authorization: `Bearer ${token}`, "x-semaroute-author": "maria" });

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isWatch(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

/** The answer, of streams the first one, as JSON; or the error. What comes is heard. */
async function call(transport: Transport, method: DescMethod, token: string = secrets.admin): Promise<unknown> {
  const leave = new AbortController();
  const input = fromJson(method.input, requestOf(method));
  try {
    let message: MessageShape<typeof method.output> | undefined;
    if (isUnary(method)) {
      const answer = await transport.unary(method, leave.signal, undefined, bearer(token), input);
      heard += JSON.stringify([...answer.header, ...answer.trailer]);
      message = answer.message;
    } else if (isWatch(method)) {
      const answer = await transport.stream(method, leave.signal, undefined, bearer(token), once(input));
      for await (message of answer.message) break;
    }
    const json = message === undefined ? undefined : toJson(method.output, message);
    heard += JSON.stringify(json);
    noteIssued(json);
    return json;
  } catch (thrown) {
    if (!(thrown instanceof ConnectError)) throw thrown;
    heard += thrown.message + JSON.stringify([...thrown.metadata, thrown.details]);
    return thrown;
  } finally {
    leave.abort();
  }
}

function requestOf({ name }: DescMethod): JsonObject {
  const request = requests[name] ?? {};
  return name === "UpdateKey" ? { ...request, name: "renamed" } : request;
}

/** Remembers what `CreateKey` answered. */
function noteIssued(answer: unknown): void {
  const { key, secret = "" } = answer as { key?: { id: string }; secret?: string };
  if (key === undefined || secret === "") return;
  issued["id"] = key.id;
  issuedSecrets.push(secret);
}

async function* once<T>(item: T): AsyncIterable<T> {
  yield item;
}

/** While a method waits for something to happen, chats happen. */
async function callWhileChatting(transport: Transport, method: DescMethod): Promise<unknown> {
  let done = false;
  const called = call(transport, method).finally(() => (done = true));
  if (method.name === "WatchDecisions") await until(async () => (await ask(), done), "a decision was told");
  return called;
}

function rest(url: string, route: (typeof adminRoutes)[number], token: string = secrets.admin): Promise<Response> {
  const request: JsonObject = { ...requestOf(route.method) };
  const id = typeof request["id"] === "string" ? request["id"] : "real";
  delete request["id"];
  const path = route.path.replace(/\{\w+\}/, id);
  const init = { method: route.verb, headers: { ...bearer(token), "content-type": "application/json" } };
  return fetch(url + path, route.verb === "GET" ? init : { ...init, body: JSON.stringify(request) });
}

const routes = adminRoutes.filter((route) => methods.includes(route.method));
const auditsSince = (count: number): readonly LogLine[] => server.lines.slice(count).filter(({ message }) => message === "audit");

test("there is a request here for every method", () => {
  expect(Object.keys(requests).toSorted()).toEqual(methods.map(({ name }) => name).toSorted());
  expect(routes.length).toBe(methods.filter(({ methodKind }) => methodKind === "unary").length);
});

describe.each(Object.keys(protocols))("by %s", (protocol) => {
  const transport = (url: string): Transport => {
    const make = protocols[protocol];
    if (make === undefined) throw new Error(protocol);
    return make(url);
  };
  test("every method answers on admin's own listener, and each change leaves one audit line", async () => {
    for (const method of methods) {
      if (method.name === "ReloadConfig") writeFileSync(keyFile, `${secrets.replaced}-${protocol}`);
      const before = server.lines.length;
      const answer = await callWhileChatting(transport(admin), method);
      expect(answer, method.name).not.toBeInstanceOf(ConnectError);
      expect(answer, method.name).toBeDefined();
      if (changes.includes(method.name)) await until(() => auditsSince(before).length > 0, `the audit line of ${method.name}`);
      expect(auditsSince(before), method.name).toEqual(
        changes.includes(method.name)
          ? [
              expect.objectContaining({
                action: method.name,
                author: "maria",
                address: "127.0.0.1",
                request_id: expect.stringMatching(/./),
              }),
            ]
          : [],
      );
    }
  });
  test("no method answers on the main listener, and what is said there names the other one", async () => {
    for (const method of AdminService.methods) {
      // Of a stream that is refused by its status, Connect's own client reads nothing else.
      const message = protocol === "connect" && isWatch(method) ? "HTTP 404" : "admin.port";
      expect(await call(transport(server.url), method), method.name).toMatchObject({ code: 12, message: expect.stringContaining(message) });
    }
  });
  test("a wrong token changes nothing, and its address and method are told", async () => {
    for (const method of methods) {
      const before = server.lines.length;
      const error = await call(transport(admin), method, secrets.guessed);
      // Ten guesses are free; then they are slowed down.
      expect([16, 8], method.name).toContain(error instanceof ConnectError ? error.code : undefined);
      await until(() => server.lines.length > before, `the line of ${method.name}`);
      expect(server.lines.slice(before)).toEqual([
        expect.objectContaining({ level: "warn", message: "refused", door: "admin", action: method.name, address: "127.0.0.1" }),
      ]);
    }
  });
});

describe("by REST", () => {
  test("every path answers on admin's own listener, and each change leaves one audit line", async () => {
    for (const route of routes) {
      if (route.method.name === "ReloadConfig") writeFileSync(keyFile, `${secrets.replaced}-rest`);
      const before = server.lines.length;
      const answer = await rest(admin, route);
      const text = await answer.text();
      heard += JSON.stringify([...answer.headers]) + text;
      expect(answer.status, route.path).toBe(200);
      noteIssued(JSON.parse(text));
      if (changes.includes(route.method.name)) await until(() => auditsSince(before).length > 0, `the audit line of ${route.path}`);
      expect(auditsSince(before).map(({ action }) => action)).toEqual(changes.includes(route.method.name) ? [route.method.name] : []);
    }
  });
  test("no path answers on the main listener, and what is said there names the other one", async () => {
    for (const route of adminRoutes) {
      const answer = await rest(server.url, route);
      expect([answer.status, await answer.text()], route.path).toEqual([404, expect.stringContaining("admin.port")]);
    }
  });
  test("a wrong token is told with the method it was shown to", async () => {
    const before = server.lines.length;
    const [route] = routes.filter(({ method }) => method.name === "SwapPolicy");
    const answer = route && (await rest(admin, route, secrets.guessed));
    heard += await answer?.text();
    expect([401, 429]).toContain(answer?.status);
    await until(() => server.lines.length > before, "the line of the refusal");
    expect(server.lines.slice(before)).toMatchObject([{ message: "refused", door: "admin", action: "SwapPolicy" }]);
  });
});

test("a watch that ends by its caller's deadline is no refused request", async () => {
  const before = server.lines.length;
  const watch = async (url: string, path: string): Promise<string> =>
    (await grpc(url, path, frame(""), { authorization: `Bearer ${secrets.admin}`, "grpc-timeout": "50m" })).code;
  const deadlineExceeded = "4";
  expect(await watch(admin, "/semaroute.v1.AdminService/WatchProviderHealth")).toBe(deadlineExceeded);
  expect(await watch(admin, "/semaroute.v1.AdminService/WatchDecisions")).toBe(deadlineExceeded);
  expect(await watch(server.url, "/grpc.health.v1.Health/Watch")).toBe(deadlineExceeded);
  // Lines come in order: once this one is there, none of the watches has one.
  await grpc(admin, "/semaroute.v1.AdminService/GetStats", frame(""));
  await until(() => server.lines.length > before, "the line of the refusal");
  expect(server.lines.slice(before)).toMatchObject([{ message: "refused", action: "GetStats" }]);
});

test("each listener's reflection tells its own services", async () => {
  const told = async (url: string): Promise<unknown> => {
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: url, idleConnectionTimeoutMs: 500 }));
    const question = { messageRequest: { case: "listServices", value: "" } } as const;
    for await (const answer of client.serverReflectionInfo(once(question))) {
      heard += Buffer.from(toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer))).toString("latin1");
      return answer.messageResponse.case === "listServicesResponse" ? answer.messageResponse.value.service.map(({ name }) => name) : answer;
    }
    return undefined;
  };
  const common = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
  expect(await told(admin)).toEqual(["semaroute.v1.AdminService", ...common]);
  expect(await told(server.url)).toEqual(["semaroute.v1.RouterService", ...common]);
});

test("no secret was in any answer, error or line of all this", () => {
  expect(heard.length).toBeGreaterThan(10_000);
  // The name of the place where a key comes from is told; the key is not.
  expect(heard).toContain(`file:`);
  const everything = heard + JSON.stringify(server.lines) + server.complaints();
  for (const [name, secret] of Object.entries(secrets)) expect(everything.includes(secret), name).toBe(false);
  // Each of them was told once, to whom it was issued.
  expect(issuedSecrets).toHaveLength(4);
  for (const secret of issuedSecrets) expect(everything.split(secret)).toHaveLength(2);
});
