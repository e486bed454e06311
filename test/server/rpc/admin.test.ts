import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import type { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { BreakerState, PolicyIssue_Severity, ProviderState, RoutingPolicySchema } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { revisionOf } from "../fake-operations.ts";
import { adminClient, errorOf, startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
let client: Client<typeof AdminService>;
/** This server's adapter knows no peer. */
const origin = { address: undefined, requestId: "req-1" };
const policy = create(RoutingPolicySchema, { kind: { case: "leastBusy", value: {} } });

beforeEach(async () => {
  server = await startServer();
  client = adminClient(server, "grpc");
});
afterEach(() => server[Symbol.asyncDispose]());

describe("providers", () => {
  test("are listed in the configuration's order, without secrets", async () => {
    const { providers, nextPageToken } = await client.listProviders({});
    expect(providers.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(providers[0]).toMatchObject({ credentialSource: "env:KEY", models: ["a-model"], state: ProviderState.ENABLED });
    expect(nextPageToken).toBe("");
  });
  test("are listed page by page", async () => {
    const first = await client.listProviders({ pageSize: 2 });
    const second = await client.listProviders({ pageSize: 2, pageToken: first.nextPageToken });
    expect([first, second].map(({ providers }) => providers.map(({ id }) => id))).toEqual([["a", "b"], ["c"]]);
    expect(second.nextPageToken).toBe("");
  });
  test("a page that ends with the list has no next one", async () => {
    expect((await client.listProviders({ pageSize: 3 })).nextPageToken).toBe("");
  });
  test.each(["x", Buffer.from('["revisions","1"]').toString("base64url"), Buffer.from('["providers","gone"]').toString("base64url")])(
    "the page token %s is refused with its field",
    async (pageToken) => {
      const error = await errorOf(client.listProviders({ pageToken }));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field: "page_token" }] }]);
    },
  );
  test("one is found by id, an unknown one is NOT_FOUND", async () => {
    expect((await client.getProvider({ id: "b" })).provider?.id).toBe("b");
    for (const call of [
      client.getProvider({ id: "nope" }),
      client.setProviderState({ id: "nope", state: ProviderState.DISABLED }),
      client.getProviderHealth({ providers: ["a", "nope"] }),
      client.watchProviderHealth({ providers: ["nope"] }),
    ]) {
      const error = await errorOf(call);
      expect(error.code).toBe(Code.NotFound);
      expect(error.rawMessage).toBe('no provider "nope"; there are a, b, c');
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "PROVIDER_NOT_FOUND", domain: "semaroute.dev" }]);
    }
    expect(server.operations.audits).toEqual([]);
  });
  test("health is told of those named, or of all", async () => {
    expect((await client.getProviderHealth({})).health.map(({ provider }) => provider)).toEqual(["a", "b", "c"]);
    expect((await client.getProviderHealth({ providers: ["c", "a"] })).health.map(({ provider }) => provider)).toEqual(["c", "a"]);
  });
  test("a change of state is made, told and audited under its author", async () => {
    const operator = adminClient(server, "grpc", { "x-semaroute-author": "kim" });
    server.operations.providers.put("b", { breaker: BreakerState.OPEN });
    const { provider, health } = await operator.setProviderState({ id: "b", state: ProviderState.DISABLED, resetBreaker: true });
    expect(provider?.state).toBe(ProviderState.DISABLED);
    expect(health?.breaker).toBe(BreakerState.CLOSED);
    expect(server.operations.audits).toEqual([
      { action: "SetProviderState", subject: "b", author: "kim", comment: "state disabled, breaker reset", ...origin },
    ]);
  });
  test("a change of nothing changes nothing and is not audited", async () => {
    expect((await client.setProviderState({ id: "b" })).provider?.state).toBe(ProviderState.ENABLED);
    expect(server.operations.audits).toEqual([]);
  });
});

describe("the health watch", () => {
  test.each(["grpc", "grpc-web", "connect"] as const)(
    "sends a snapshot, then every change, until the caller leaves, over %s",
    async (protocol) => {
      const leave = new AbortController();
      const watch = adminClient(server, protocol).watchProviderHealth({}, { signal: leave.signal })[Symbol.asyncIterator]();
      const first = (await watch.next()).value;
      expect(first?.snapshot).toBe(true);
      expect(first?.health.map(({ provider }: { provider: string }) => provider)).toEqual(["a", "b", "c"]);
      server.operations.providers.put("b", { breaker: BreakerState.OPEN });
      const second = (await watch.next()).value;
      expect(second).toMatchObject({ snapshot: false, health: [{ provider: "b", breaker: BreakerState.OPEN }] });
      leave.abort();
      await expect.poll(() => server.operations.providers.listeners.size).toBe(0);
    },
  );
  test("joins the changes of one provider that nobody has read yet, and leaves out those not asked for", async () => {
    const watch = client.watchProviderHealth({ providers: ["a", "c"] })[Symbol.asyncIterator]();
    expect((await watch.next()).value?.health).toHaveLength(2);
    for (let inFlight = 1; inFlight <= 100; inFlight++) server.operations.providers.put("a", { inFlight });
    server.operations.providers.put("b", { inFlight: 7 });
    server.operations.providers.put("c", { inFlight: 1 });
    expect((await watch.next()).value?.health).toMatchObject([{ provider: "a", inFlight: 100 }]);
    expect((await watch.next()).value?.health).toMatchObject([{ provider: "c" }]);
    await watch.return?.();
  });
  test("ends with DRAINING when the server goes away, and unsubscribes", async () => {
    const watch = client.watchProviderHealth({})[Symbol.asyncIterator]();
    await watch.next();
    server.shutdown.abort(new ChatError("DRAINING", "this replica is going away"));
    const error = await watch.next().then(
      () => undefined,
      (thrown: unknown) => ConnectError.from(thrown),
    );
    expect(error?.code).toBe(Code.Unavailable);
    expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "DRAINING" }]);
    expect(error?.findDetails(RequestInfoSchema)).toMatchObject([{ requestId: "req-1" }]);
    expect(server.operations.providers.listeners.size).toBe(0);
  });
  test("ends at the caller's deadline", async () => {
    const connect = await errorOf(adminClient(server, "connect").watchProviderHealth({}, { timeoutMs: 50 }));
    expect(connect.code).toBe(Code.DeadlineExceeded);
    await expect.poll(() => server.operations.providers.listeners.size).toBe(0);
  });
});

describe("policies", () => {
  test("the active one is told, and an earlier one by its revision", async () => {
    server.operations.history.unshift(revisionOf(2));
    expect((await client.getPolicy({})).policy?.revision).toBe("rev-2");
    expect((await client.getPolicy({ revision: "rev-1" })).policy?.revision).toBe("rev-1");
    expect((await errorOf(client.getPolicy({ revision: "rev-9" }))).code).toBe(Code.NotFound);
  });
  test("a policy with warnings is valid, one with errors is not", async () => {
    const issue = { $typeName: "semaroute.v1.PolicyIssue" as const, field: "weights", message: "adds up to 0" };
    server.operations.next.issues = [{ ...issue, severity: PolicyIssue_Severity.WARNING }];
    expect(await client.validatePolicy({ policy })).toMatchObject({ valid: true, revision: "examined", issues: [{ field: "weights" }] });
    server.operations.next.issues = [{ ...issue, severity: PolicyIssue_Severity.ERROR }];
    expect(await client.validatePolicy({ policy })).toMatchObject({ valid: false });
  });
  test("a swap is made and audited; a dry run is neither", async () => {
    const dry = await client.swapPolicy({ policy, dryRun: true, comment: "try" });
    expect(dry).toMatchObject({ previousRevision: "rev-1", policy: { revision: "rev-2" } });
    expect(server.operations.history).toHaveLength(1);
    expect(server.operations.audits).toEqual([]);
    await client.swapPolicy({ policy, expectedRevision: "rev-1", comment: "faster", share: 1 });
    expect(server.operations.history[0]).toMatchObject({ revision: "rev-2", author: "admin", comment: "faster" });
    expect(server.operations.audits).toEqual([{ action: "SwapPolicy", subject: "rev-2", author: "admin", comment: "faster", ...origin }]);
  });
  test("a lost compare-and-swap is ABORTED and says what is active", async () => {
    const error = await errorOf(client.swapPolicy({ policy, expectedRevision: "rev-0" }));
    expect(error.code).toBe(Code.Aborted);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "REVISION_CONFLICT", metadata: { active_revision: "rev-1" } }]);
    expect(server.operations.audits).toEqual([]);
  });
  test("an invalid policy is refused with the paths of its errors only", async () => {
    const issue = { $typeName: "semaroute.v1.PolicyIssue" as const, message: "no such provider" };
    server.operations.next.verdict = {
      kind: "invalid",
      issues: [
        { ...issue, field: "failover.primary_provider", severity: PolicyIssue_Severity.ERROR },
        { ...issue, field: "name", severity: PolicyIssue_Severity.WARNING },
      ],
    };
    const error = await errorOf(client.swapPolicy({ policy }));
    expect(error.code).toBe(Code.InvalidArgument);
    const [bad] = error.findDetails(BadRequestSchema);
    expect(bad?.fieldViolations).toMatchObject([{ field: "policy.failover.primary_provider", description: "no such provider" }]);
  });
  test("a swap that the store did not take is in force, and says so", async () => {
    server.operations.next.kept = false;
    const { issues } = await client.swapPolicy({ policy });
    expect(issues).toMatchObject([{ severity: PolicyIssue_Severity.WARNING, message: expect.stringContaining("store") }]);
    expect(server.operations.history).toHaveLength(2);
  });
  test.each([
    { number: 0n, code: Code.FailedPrecondition, reason: "NO_EARLIER_POLICY" },
    { number: 9n, code: Code.NotFound, reason: "POLICY_NOT_FOUND" },
  ])("a way back to number $number, which is not there, is $reason", async ({ number, code, reason }) => {
    const error = await errorOf(client.rollbackPolicy({ number }));
    expect(error.code).toBe(code);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason }]);
    expect(server.operations.audits).toEqual([]);
  });
  test("revisions are listed newest first, without documents, and a new one does not disturb the pages", async () => {
    server.operations.history.unshift(revisionOf(3), revisionOf(2));
    const first = await client.listPolicyRevisions({ pageSize: 2 });
    expect(first.revisions.map(({ number, policy: document }) => [number, document])).toEqual([
      [3n, undefined],
      [2n, undefined],
    ]);
    server.operations.history.unshift(revisionOf(4));
    const second = await client.listPolicyRevisions({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.revisions.map(({ number }) => number)).toEqual([1n]);
  });
});

describe("the process", () => {
  test("tells its counters", async () => {
    const stats = await client.getStats({});
    expect(stats).toMatchObject({ version: "1.2.3", startTime: timestampFromMs(1_700_000_000_000) });
    expect(stats.targets).toMatchObject([{ provider: "a", model: "m", requests: 3n, usage: { inputTokens: 10n } }]);
  });
  test("reloads, and audits what changed", async () => {
    expect(await client.reloadConfig({})).toMatchObject({ revision: "cfg-1", changed: true, restartNeeded: ["server.port"] });
    server.operations.next.reload = { kind: "applied", revision: "cfg-1", changed: false, restartNeeded: [] };
    expect(await client.reloadConfig({})).toMatchObject({ changed: false });
    expect(server.operations.audits).toEqual([{ action: "ReloadConfig", subject: "cfg-1", author: "admin", comment: "", ...origin }]);
  });
  test("a bad configuration is FAILED_PRECONDITION with every problem", async () => {
    const problems = [
      { path: "server.port", description: "config.yaml:2:9 must be a number" },
      { path: "modles", description: "config.yaml:7:1 unknown; did you mean models?" },
    ];
    server.operations.next.reload = { kind: "refused", problems };
    const error = await errorOf(client.reloadConfig({}));
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject(
      problems.map(({ path, description }) => ({ field: path, description })),
    );
    expect(server.operations.audits).toEqual([]);
  });
});
