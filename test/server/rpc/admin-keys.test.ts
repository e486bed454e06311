import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { CreateKeyRequestSchema } from "../../../gen/semaroute/v1/admin_pb.ts";
import { Priority } from "../../../src/core/chat.ts";
import { adminClient, errorOf, startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server[Symbol.asyncDispose]());
const admin = () => adminClient(server, "grpc", { "x-semaroute-author": "ann" });
const reasonOf = async (call: Promise<unknown>): Promise<unknown> => {
  const error = await errorOf(call);
  return [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason];
};

describe("CreateKey", () => {
  test("answers with all that was said, and the secret", async () => {
    const expireTime = timestampFromMs(1_900_000_000_123);
    const limits = { requestsPerMinute: 5, tokensPerMinute: 6n, concurrentCalls: 7, budgetMicroUsd: 8n };
    const { key, secret } = await admin().createKey({
      name: "Team Ä",
      models: ["m", "p/x"],
      limits,
      expireTime,
      labels: { tier: "gold" },
      priority: Priority.LOW,
    });
    expect(key).toMatchObject({
      id: expect.stringMatching(/^key_[0-9a-f]{24}$/),
      prefix: secret.slice(0, 9),
      name: "Team Ä",
      models: ["m", "p/x"],
      limits: { ...limits, budgetPeriod: "month" },
      expireTime,
      labels: { tier: "gold" },
      priority: Priority.LOW,
      spentMicroUsd: 12n,
      reservedMicroUsd: 3n,
    });
    expect(secret).toMatch(/^sr_[\w-]{49}$/);
    expect(server.operations.audits).toEqual([
      {
        action: "CreateKey",
        subject: key?.id,
        author: "ann",
        comment: `Team Ä, ${key?.prefix}…; not known here: p/x`,
        address: undefined,
        requestId: "req-1",
      },
    ]);
    expect(JSON.stringify(server.operations.audits)).not.toContain(secret);
  });
  test("of a request that was made before answers with its key and no secret, and leaves no second line", async () => {
    const first = await admin().createKey({ name: "a", requestId: "r" });
    const again = await admin().createKey({ name: "b", requestId: "r" });
    expect([again.key, again.secret]).toEqual([first.key, ""]);
    expect(server.operations.audits).toHaveLength(1);
  });
  test.for([
    { what: "no name", init: { name: "" }, field: "name" },
    { what: "a long name", init: { name: "x".repeat(129) }, field: "name" },
    { what: "a name of two lines", init: { name: "a\nb" }, field: "name" },
    { what: "a model without a name", init: { models: [""] }, field: "models[0]" },
    { what: "a model twice", init: { models: ["m", "m"] }, field: "models" },
    { what: "a bad label", init: { labels: { "a b": "" } }, field: 'labels["a b"]' },
    { what: "a long label", init: { labels: { a: "x".repeat(257) } }, field: 'labels["a"]' },
    { what: "no priority of ours", init: { priority: 9 as Priority }, field: "priority" },
    { what: "a period of its own", init: { limits: { budgetPeriod: "week" } }, field: "limits.budget_period" },
    { what: "too much money", init: { limits: { budgetMicroUsd: 10n ** 15n + 1n } }, field: "limits.budget_micro_usd" },
    { what: "a time in the past", init: { expireTime: timestampFromMs(0) }, field: "expire_time" },
    { what: "a time behind all years", init: { expireTime: { seconds: 253_402_300_800n, nanos: 0 } }, field: "expire_time" },
    { what: "a long id", init: { requestId: "x".repeat(129) }, field: "request_id" },
  ])("with $what is refused by its field", async ({ init, field }) => {
    const error = await errorOf(admin().createKey(create(CreateKeyRequestSchema, { name: "n", ...init })));
    expect([error.code, error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field]).toEqual([Code.InvalidArgument, field]);
    expect(server.operations.audits).toEqual([]);
  });
});

describe("ListKeys", () => {
  test("shows the configuration's keys, then all that were issued, by pages", async () => {
    const ids: (string | undefined)[] = [];
    for (const name of ["a", "b", "c"]) ids.push((await admin().createKey({ name })).key?.id);
    await admin().revokeKey({ id: ids[0] ?? "" });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await admin().listKeys({ pageSize: 2, pageToken });
      seen.push(...page.keys.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen[0]).toBe("cfg_file");
    expect(new Set(seen.slice(1))).toEqual(new Set(ids));
    expect(seen).toHaveLength(4);
    const { keys } = await admin().listKeys({});
    expect(keys[0]).toMatchObject({ id: "cfg_file", prefix: "", name: "file", models: ["m"], spentMicroUsd: 12n });
    expect(keys.find(({ id }) => id === ids[0])?.revokeTime).toBeDefined();
  });
});

describe("UpdateKey", () => {
  test("changes what is said, and nothing else", async () => {
    const expireTime = timestampFromMs(1_900_000_000_000);
    const made = { name: "a", models: ["m"], limits: { concurrentCalls: 1 }, expireTime, labels: { a: "1" }, priority: Priority.HIGH };
    const { key } = await admin().createKey(made);
    const id = key?.id ?? "";
    expect((await admin().updateKey({ id, name: "b" })).key).toEqual({ ...key, name: "b" });
    const all = { models: { models: [] }, limits: {}, neverExpires: true, labels: { labels: {} }, priority: Priority.UNSPECIFIED };
    const changed = (await admin().updateKey({ id, ...all })).key;
    expect(changed).toMatchObject({ name: "b", models: [], labels: {}, priority: Priority.NORMAL });
    expect([changed?.limits, changed?.expireTime]).toEqual([undefined, undefined]);
    expect(server.operations.audits.slice(1).map(({ action, comment }) => [action, comment])).toEqual([
      ["UpdateKey", "name"],
      ["UpdateKey", "models, limits, expiry, priority, labels"],
    ]);
  });
  test("refuses what makes no sense", async () => {
    const { key } = await admin().createKey({ name: "a" });
    const id = key?.id ?? "";
    const expireTime = timestampFromMs(1);
    expect(await reasonOf(admin().updateKey({ id }))).toEqual([Code.InvalidArgument, "INVALID_REQUEST"]);
    expect(await reasonOf(admin().updateKey({ id, name: "" }))).toEqual([Code.InvalidArgument, "INVALID_REQUEST"]);
    expect(await reasonOf(admin().updateKey({ id, expireTime, neverExpires: true }))).toEqual([Code.InvalidArgument, "INVALID_REQUEST"]);
    expect(await reasonOf(admin().updateKey({ id: "key_none", name: "b" }))).toEqual([Code.NotFound, "KEY_NOT_FOUND"]);
    expect(await reasonOf(admin().updateKey({ id: "cfg_none", name: "b" }))).toEqual([Code.NotFound, "KEY_NOT_FOUND"]);
    expect(await reasonOf(admin().updateKey({ id: "cfg_file", name: "b" }))).toEqual([Code.FailedPrecondition, "KEY_OF_CONFIGURATION"]);
    await admin().revokeKey({ id });
    expect(await reasonOf(admin().updateKey({ id, name: "b" }))).toEqual([Code.FailedPrecondition, "KEY_REVOKED"]);
  });
});

describe("RevokeKey", () => {
  test("happens once, however often it is asked for", async () => {
    const { key } = await admin().createKey({ name: "a" });
    const id = key?.id ?? "";
    const first = await admin().revokeKey({ id });
    expect(first.key).toMatchObject({ id, revokeTime: { seconds: 0n } });
    expect(await admin().revokeKey({ id })).toEqual(first);
    expect(server.operations.audits.map(({ action }) => action)).toEqual(["CreateKey", "RevokeKey"]);
  });
  test("refuses a key that is not there, and one of the configuration", async () => {
    expect(await reasonOf(admin().revokeKey({ id: "key_none" }))).toEqual([Code.NotFound, "KEY_NOT_FOUND"]);
    expect(await reasonOf(admin().revokeKey({ id: "cfg_file" }))).toEqual([Code.FailedPrecondition, "KEY_OF_CONFIGURATION"]);
  });
});

test("over REST the same is GET and POST /admin/keys, PATCH and DELETE /admin/keys/{id}", async () => {
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: "Bearer admin", "content-type": "application/json" };
    const response = await fetch(server.http1 + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    return { status: response.status, body: (await response.json()) as Record<string, Record<string, unknown> & string> };
  };
  const made = await ask("POST", "/admin/keys", { name: "a", models: ["m"], expireTime: "2030-01-01T00:00:00Z", labels: { tier: "gold" } });
  const id = String(made.body["key"]?.["id"]);
  expect(made).toMatchObject({
    status: 200,
    body: { key: { name: "a", priority: "PRIORITY_NORMAL", spentMicroUsd: "12" }, secret: expect.stringMatching(/^sr_/) },
  });
  expect((await ask("PATCH", `/admin/keys/${id}`, { models: { models: [] } })).body["key"]).toMatchObject({ name: "a", models: [] });
  expect((await ask("GET", "/admin/keys?pageSize=5")).body["keys"]).toMatchObject([{ id: "cfg_file" }, { id }]);
  expect((await ask("DELETE", `/admin/keys/${id}`)).body["key"]).toMatchObject({ id, revokeTime: "1970-01-01T00:00:00Z" });
  expect((await ask("DELETE", "/admin/keys/key_none")).status).toBe(404);
  expect(JSON.stringify(await ask("GET", "/admin/keys"))).not.toContain(made.body["secret"]);
});
