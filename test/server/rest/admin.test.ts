import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { BreakerState } from "../../../src/core/chat.ts";
import { startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function call(verb: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const init: RequestInit = { method: verb, headers: { authorization: "Bearer admin", "content-type": "application/json", ...headers } };
  if (body !== undefined) init.body = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(server.http1 + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

describe("answers", () => {
  test("are the response message in proto JSON with default values shown", async () => {
    const { status, headers, body } = await call("GET", "/admin/providers/a");
    expect(status).toBe(200);
    expect(body).toEqual({
      provider: {
        id: "a",
        dialect: "PROVIDER_DIALECT_OPENAI_CHAT",
        issuer: "openai",
        baseUrl: "https://a.example",
        state: "PROVIDER_STATE_ENABLED",
        models: ["a-model"],
        credentialSource: "env:KEY",
        labels: {},
      },
    });
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-request-id")).toBe("req-1");
  });
  test("of the RPC door leave default values out", async () => {
    const { body } = await call("POST", "/semaroute.v1.AdminService/ListProviders", { pageSize: 1 });
    expect(body).not.toHaveProperty("providers.0.labels");
  });
  test("of errors are Connect's", async () => {
    const { status, headers, body } = await call("GET", "/admin/providers/nope");
    expect(status).toBe(404);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body).toMatchObject({
      code: "not_found",
      message: 'no provider "nope"; there are a, b, c',
      details: [{ type: "google.rpc.ErrorInfo", debug: { reason: "PROVIDER_NOT_FOUND" } }, { type: "google.rpc.RequestInfo" }],
    });
  });
});

/** A header's value, whose characters are bytes. */
const utf8 = (text: string): string => Buffer.from(text).toString("latin1");

describe("requests", () => {
  test("take scalar fields from the query, in either spelling", async () => {
    for (const query of ["pageSize=2", "page_size=2"]) {
      const { body } = await call("GET", `/admin/providers?${query}`);
      expect(body["providers"]).toHaveLength(2);
      const rest = await call("GET", `/admin/providers?${query}&pageToken=${String(body["nextPageToken"])}`);
      expect(rest.body).toMatchObject({ providers: [{ id: "c" }], nextPageToken: "" });
    }
  });
  test("take path parameters, percent-decoded", async () => {
    expect((await call("GET", "/admin/providers/%61/health")).body).toMatchObject({
      health: [{ provider: "a", status: "HEALTH_STATUS_UNKNOWN" }],
    });
    expect((await call("GET", "/admin/providers/x%2Fy")).body).toMatchObject({ message: expect.stringContaining('no provider "x/y";') });
    expect((await call("GET", "/admin/providers/%ff")).status).toBe(400);
  });
  test("take bodies", async () => {
    server.operations.providers.put("b", { breaker: BreakerState.OPEN });
    const { body } = await call("POST", "/admin/providers/b/state", { state: "PROVIDER_STATE_DISABLED", resetBreaker: true });
    expect(body).toMatchObject({ provider: { id: "b", state: "PROVIDER_STATE_DISABLED" }, health: { breaker: "BREAKER_STATE_CLOSED" } });
  });
  test("take enums and truth values from the query", async () => {
    const { body } = await call("POST", "/admin/providers/b/state?state=PROVIDER_STATE_DRAINING&resetBreaker=true");
    expect(body).toMatchObject({ provider: { state: "PROVIDER_STATE_DRAINING" } });
    expect((await call("POST", "/admin/providers/b/state?state=3")).body).toMatchObject({ provider: { state: "PROVIDER_STATE_DISABLED" } });
    expect((await call("POST", "/admin/providers/b/state?resetBreaker=yes")).status).toBe(400);
  });
  test("swap the policy by PUT", async () => {
    const policy = { leastBusy: {} };
    const swapped = await call("PUT", "/admin/policy", { policy, expectedRevision: "rev-1" }, { "x-semaroute-author": "kim" });
    expect(swapped).toMatchObject({
      status: 200,
      body: { previousRevision: "rev-1", policy: { revision: "rev-2", author: "kim", number: "2" } },
    });
    const lost = await call("PUT", "/admin/policy", { policy, expectedRevision: "rev-1" });
    expect(lost).toMatchObject({ status: 409, body: { code: "aborted" } });
    expect((await call("GET", "/admin/policy")).body).toMatchObject({ policy: { revision: "rev-2", policy: { leastBusy: {} } } });
    expect((await call("GET", "/admin/policy?revision=rev-1")).body).toMatchObject({ policy: { revision: "rev-1" } });
    expect((await call("GET", "/admin/policy/revisions")).body).toMatchObject({ revisions: [{ number: "2" }, { number: "1" }] });
    expect((await call("POST", "/admin/policy/validate", { policy })).body).toMatchObject({ valid: true, issues: [] });
  });
  test.each([
    { of: "control characters", author: "a\u009bhook", told: "a hook" },
    { of: "UTF-8", author: utf8("J\u00f6rg"), told: "J\u00f6rg" },
    { of: "Latin-1", author: "J\u00f6rg", told: "J\u00f6rg" },
    { of: "what turns text around", author: utf8("kim\u202enimda"), told: "kim nimda" },
    { of: "any length", author: "x".repeat(500), told: "x".repeat(128) },
    { of: "nothing one can see", author: utf8("\u200b"), told: "admin" },
  ])("with an author of $of tell it in one short line", async ({ author, told }) => {
    await call("POST", "/admin/providers/b/state?resetBreaker=true", {}, { "x-semaroute-author": author });
    expect(server.operations.audits).toMatchObject([{ author: told }]);
  });
  test("with a comment longer than its revision keeps are refused", async () => {
    const comment = "x".repeat(1025);
    expect((await call("POST", "/admin/policy/rollback", { comment })).body["message"]).toContain("comment: ");
    expect((await call("PUT", "/admin/policy", { policy: { leastBusy: {} }, comment })).body["message"]).toContain("comment: ");
    expect(server.operations.audits).toEqual([]);
  });
  test("reload and count", async () => {
    expect((await call("POST", "/admin/reload")).body).toEqual({ revision: "cfg-1", changed: true, restartNeeded: ["server.port"] });
    expect((await call("GET", "/admin/stats")).body).toMatchObject({ version: "1.2.3", targets: [{ requests: "3" }] });
  });
});

describe("refusals", () => {
  const refused: readonly [verb: string, path: string, body: unknown, status: number, message: string][] = [
    ["GET", "/admin/providers?pagesize=1", undefined, 400, '"pagesize" is not a field of ListProvidersRequest'],
    ["GET", "/admin/providers?pageSize=x", undefined, 400, "cannot decode field semaroute.v1.ListProvidersRequest.page_size from JSON"],
    ["GET", "/admin/providers?pageSize=-1", undefined, 400, "page_size: "],
    ["GET", "/admin/providers?pageSize=1&page_size=2", undefined, 400, "pageSize is said twice, differently"],
    ["PUT", "/admin/policy?policy=x", {}, 400, "policy is not a scalar and belongs into the body"],
    ["POST", "/admin/providers/b/state", { id: "a" }, 400, "id is said twice, differently"],
    ["POST", "/admin/providers/b/state", { stat: 1 }, 400, 'key "stat" is unknown'],
    [
      "POST",
      "/admin/providers/b/state",
      { state: "DISABLED" },
      400,
      "ProviderState from JSON: expected PROVIDER_STATE_UNSPECIFIED, PROVIDER_STATE_",
    ],
    ["POST", "/admin/providers/b/state", "[]", 400, "the body is not a JSON object"],
    ["POST", "/admin/providers/b/state", "{", 400, "the body is not valid JSON"],
    ["PUT", "/admin/policy", {}, 400, "policy: "],
    ["PUT", "/admin/policy", { comment: "x".repeat(5000) }, 429, "message size"],
  ];
  test.each(refused)("%s %s %j", async (verb, path, body, status, message) => {
    const answer = await call(verb, path, body);
    expect(answer.body["message"]).toContain(message);
    expect(answer.status).toBe(status);
    const details = answer.body["details"] as { type: string }[];
    expect(details.map(({ type }) => type)).toEqual(expect.arrayContaining(["google.rpc.ErrorInfo", "google.rpc.RequestInfo"]));
    expect(server.operations.audits).toEqual([]);
  });
  test.each([
    { coding: "gzip", body: new Uint8Array(gzipSync("[]")), message: "the body is not a JSON object" },
    { coding: "gzip", body: "{}", message: "the body is not valid gzip" },
    { coding: "gzip", body: new Uint8Array(gzipSync(" ".repeat(100_000))), message: "the body is larger than 4096 bytes" },
    { coding: "br", body: "{}", message: 'content encoding "br" is not supported; gzip and zstd are' },
  ])("of a compressed body: $message", async ({ coding, body, message }) => {
    expect((await call("POST", "/admin/providers/b/state", body, { "content-encoding": coding })).body["message"]).toBe(message);
  });
  test("of a body that is not UTF-8", async () => {
    const { status, body } = await call("POST", "/admin/providers/b/state", new Uint8Array([0x22, 0xff, 0x22]));
    expect([status, body["message"]]).toEqual([400, "the body is not valid UTF-8"]);
  });
  test.each([
    ["GET", "/admin/providers"],
    ["GET", "/admin/providers?nonsense=1"],
    ["POST", "/admin/reload"],
    ["PUT", "/admin/policy"],
    ["GET", "/admin/keys"],
  ])("%s %s needs the token before anything is read", async (verb, path) => {
    const { status, body } = await call(verb, path, verb === "GET" ? undefined : "{", { authorization: "Bearer wrong" });
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: "unauthenticated", details: [{ debug: { reason: "CALLER_UNAUTHENTICATED" } }, {}] });
  });
  test.each(["/admin", "/admin/", "/admin/providers/", "/admin/provider", "/admin/providers/a/b", "/admin/providers/a/health/x"])(
    "%s is no path",
    async (path) => {
      expect((await call("GET", path)).status).toBe(404);
    },
  );
  test("a path with another verb says which ones it takes", async () => {
    const { status, headers, body } = await call("DELETE", "/admin/policy");
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET, PUT");
    expect(body["message"]).toBe("this path takes GET, PUT");
  });
});
