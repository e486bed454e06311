/** What the doors say to plain HTTP around calls: browsers, refusals of HTTP itself, health and metrics. */
import { once } from "node:events";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../support/server.ts";

const open = new AsyncDisposableStack();
const friend = "https://app.example.com";
let server: ServerProcess;

beforeAll(async () => {
  server = open.use(
    await startServer(
      `
server: { cors: { allowed_origins: ["${friend}"] }, max_body: 64KiB }
admin: { token: adm-1 }
auth: { keys: [{ name: a, key: sk-a }] }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
`,
    ),
  );
});

afterAll(() => open.disposeAsync());

const completions = "/v1/chat/completions";
const rpc = "/semaroute.v1.RouterService/Chat";
const json = { "content-type": "application/json", authorization: "Bearer sk-a" };
const restBody = JSON.stringify({ model: "sim-chat", messages: [{ role: "user", content: "hi" }] });
const rpcBody = JSON.stringify({ model: "sim-chat", messages: [{ role: "ROLE_USER", text: "hi" }] });

describe("a page of another origin", () => {
  const foreign = { origin: "https://evil.example" };
  const doors = [
    { door: "REST", path: completions, body: restBody, headers: foreign },
    { door: "Connect", path: rpc, body: rpcBody, headers: foreign },
    { door: "gRPC-Web", path: rpc, body: "", headers: { ...foreign, "content-type": "application/grpc-web+proto" } },
    { door: "admin", path: "/semaroute.v1.AdminService/ListProviders", body: "{}", headers: { ...foreign, authorization: "Bearer adm-1" } },
    {
      door: "admin, though it is allowed elsewhere",
      path: "/admin/keys",
      body: "{}",
      headers: { origin: friend, authorization: "Bearer adm-1" },
    },
    { door: "REST, known by its fetch metadata", path: completions, body: restBody, headers: { "sec-fetch-site": "cross-site" } },
  ];
  test.each(doors)("is refused at $door", async ({ path, body, headers }) => {
    const response = await post(path, body, headers);
    expect(response.status).toBe(403);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    // Each door in its own shape: OpenAI's, or Connect's.
    const said = { code: "permission_denied", message: expect.stringContaining("not allowed here") };
    expect(await response.json()).toMatchObject(path === completions ? { error: { ...said, type: "permission_error" } } : said);
  });

  test.each(["/health", "/metrics", "/v1/models", "/admin/stats"])("is refused at GET %s", async (path) => {
    expect((await fetch(server.url + path, { headers: foreign })).status).toBe(403);
  });

  test("gets no preflight", async () => {
    const headers = { ...foreign, "access-control-request-method": "POST" };
    expect((await fetch(server.url + completions, { method: "OPTIONS", headers })).status).toBe(403);
  });
});

describe("a page that is allowed", () => {
  test.each([completions, rpc])("may ask first at %s", async (path) => {
    const asked = "authorization, content-type, x-stainless-lang, connect-timeout-ms";
    const headers = { origin: friend, "access-control-request-method": "POST", "access-control-request-headers": asked };
    const response = await fetch(server.url + path, { method: "OPTIONS", headers });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": friend,
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": asked,
      vary: "Origin",
    });
  });

  test.each([
    { path: completions, body: restBody },
    { path: rpc, body: rpcBody },
  ])("reads the answer of $path", async ({ path, body }) => {
    const response = await post(path, body, { origin: friend });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe(friend);
    const exposed = response.headers.get("access-control-expose-headers")?.toLowerCase();
    for (const name of ["x-request-id", "x-semaroute-provider", "grpc-status"]) expect(exposed).toContain(name);
  });

  test("reads errors, too", async () => {
    const response = await post(completions, "{", { origin: friend });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([400, friend]);
  });

  test("our own origin needs no allowance", async () => {
    expect((await post(completions, restBody, { origin: server.url })).status).toBe(200);
  });
});

const bytes = new TextEncoder().encode(restBody);
const deep = `{"model":"sim-chat","messages":${"[".repeat(70)}${"]".repeat(70)}}`;
const refusals = [
  {
    name: "another content type",
    status: 415,
    code: "unsupported_media_type",
    headers: { "content-type": "text/plain" },
    says: "text/plain",
  },
  {
    name: "no content type from a page",
    status: 415,
    code: "unsupported_media_type",
    body: bytes,
    headers: { origin: friend, "content-type": "" },
  },
  {
    name: "a body in another coding than gzip",
    status: 415,
    code: "unsupported_encoding",
    headers: { "content-encoding": "br" },
    says: "gzip",
  },
  { name: "an unknown path", status: 404, code: "not_found", path: "/v2/nothing", says: "/v2/nothing" },
  { name: "a path with one slash more", status: 404, code: "not_found", path: `${completions}/` },
  { name: "a path without /v1", status: 404, code: "not_found", path: "/chat/completions", says: "/v1/chat/completions" },
  { name: "another method", status: 405, code: "method_not_allowed", verb: "PUT", says: "POST" },
  { name: "no JSON", status: 400, code: "invalid_request", body: "{not json" },
  { name: "JSON that is too deep", status: 400, code: "invalid_request", body: deep },
  { name: "JSON that is no object", status: 400, code: "invalid_request", body: "[]" },
  { name: "a body that is too large", status: 413, code: "request_too_large", body: JSON.stringify({ pad: "x".repeat(70_000) }) },
  { name: "no key", status: 401, code: "invalid_api_key", headers: { authorization: "" } },
  { name: "two different keys", status: 400, code: "invalid_request", headers: { "x-api-key": "sk-b" } },
  {
    name: "a malformed timeout",
    status: 400,
    code: "invalid_request",
    headers: { "x-semaroute-timeout-ms": "soon" },
    says: "x-semaroute-timeout-ms",
  },
  { name: "a malformed trace", status: 400, code: "invalid_request", headers: { traceparent: "00-0" }, says: "traceparent" },
  {
    name: "a cache wish nobody knows",
    status: 400,
    code: "invalid_request",
    headers: { "x-semaroute-cache": "maybe" },
    says: "x-semaroute-cache",
  },
];
const types = new Map([[401, "authentication_error"]]);
test.each(refusals)(
  "$name is $status $code, in OpenAI's shape",
  async ({ status, code, path = completions, body = restBody, headers = {}, verb, says = "" }) => {
    const response = await post(path, body, { "x-request-id": "mine-5", ...headers }, verb);
    expect(response.status).toBe(status);
    expect(response.headers.get("x-request-id")).toBe("mine-5");
    expect(response.headers.get("content-type")).toBe("application/json");
    if (status === 405) expect(response.headers.get("allow")).toBe("POST");
    const type = types.get(status) ?? "invalid_request_error";
    expect(await response.json()).toEqual({
      error: { message: expect.stringContaining(says), type, param: expect.toSatisfy(isParam), code },
    });
  },
);

const accepted = [
  { name: "any charset", headers: { "content-type": "application/json; charset=utf-8" } },
  { name: "no content type, from a program", body: bytes, headers: { "content-type": "" } },
  { name: "the key in x-api-key", headers: { authorization: "", "x-api-key": "sk-a" } },
  { name: "the same key twice", headers: { "x-api-key": "sk-a" } },
];
test.each(accepted)("$name is accepted", async ({ body = restBody, headers }) => {
  expect((await post(completions, body, headers)).status).toBe(200);
});

test("the same port speaks HTTP/2, streams included", async () => {
  const session = connect(server.url);
  const stream = session.request({ ":method": "POST", ":path": completions, ...json, "x-request-id": "mine-2" });
  stream.end(restBody.replace("{", '{"stream":true,'));
  const [headers] = await once(stream, "response");
  expect(headers).toMatchObject({ ":status": 200, "content-type": "text/event-stream; charset=utf-8", "x-request-id": "mine-2" });
  expect(await text(stream)).toMatch(/^data: \{.*\}\n\n.*data: \[DONE\]\n\n$/s);
  session.close();
});

test("health is open, and tells of each provider", async () => {
  const response = await fetch(`${server.url}/health`);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toEqual({
    status: "healthy",
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    uptime_seconds: expect.any(Number),
    providers: { sim: { status: expect.stringMatching(/^(?:healthy|unknown)$/), breaker: "closed" } },
  });
  for (const path of ["/health/live", "/health/ready"]) expect((await fetch(server.url + path)).status).toBe(200);
  expect((await fetch(`${server.url}/health`, { method: "HEAD" })).status).toBe(200);
});

test("metrics are open, and count by door and target", async () => {
  await (await post(completions, restBody)).text();
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  const page = await response.text();
  const families = new Set([...page.matchAll(/^# TYPE semaroute_(\w+) /gm)].map(([, name]) => name));
  for (const name of [
    "calls_total",
    "call_duration_seconds",
    "first_content_seconds",
    "overhead_seconds",
    "tokens_total",
    "cost_usd_total",
    "attempts_total",
    "cache_total",
  ])
    expect(families, name).toContain(name);
  expect(page).toMatch(/^semaroute_calls_total\{(?=[^}]*door="openai")(?=[^}]*provider="sim")(?=[^}]*outcome="ok")[^}]*\} [1-9]/m);
  expect(page).not.toContain("sk-a");
});

test("the admin doors want the token that was configured, from this machine, too", async () => {
  expect((await fetch(`${server.url}/admin/providers`)).status).toBe(401);
  const response = await fetch(`${server.url}/admin/providers`, { headers: { authorization: "Bearer adm-1" } });
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toMatchObject({ providers: [{ id: "sim" }], nextPageToken: "" });
});

test("who tries many wrong keys is slowed down, and a good key from the same address is not", async () => {
  const guesses = await Promise.all(Array.from({ length: 15 }, (_, i) => post(completions, restBody, { authorization: `Bearer sk-${i}` })));
  const statuses = guesses.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
  expect(guesses.find(({ status }) => status === 429)?.headers.get("retry-after")).toMatch(/^[1-9]/);
  expect((await post(completions, restBody)).status).toBe(200);
});

test("no key, prompt or answer is in the log", async () => {
  await post(completions, restBody.replace('"hi"', '"a prompt nobody may read"'), { "x-request-id": "mine-6" });
  await server.logged((line) => line["request_id"] === "mine-6");
  const log = JSON.stringify(server.lines);
  for (const secret of ["sk-a", "adm-1", "nobody may read"]) expect(log).not.toContain(secret);
});

/** An empty header is left out. */
function post(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
  method = "POST",
): Promise<Response> {
  const sent = Object.entries({ ...json, ...headers }).filter(([, value]) => value !== "");
  const init: RequestInit = { method, headers: Object.fromEntries(sent), body };
  return fetch(server.url + path, init);
}

function isParam(value: unknown): boolean {
  return value === null || typeof value === "string";
}
