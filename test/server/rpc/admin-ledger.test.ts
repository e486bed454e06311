import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import type { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { AttemptKind } from "../../../src/core/chat.ts";
import { ledgerEntries } from "../ledger-entries.ts";
import { adminClient, errorOf, startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
let client: Client<typeof AdminService>;
beforeEach(async () => {
  server = await startServer();
  client = adminClient(server, "grpc");
  await server.operations.ledger.add(ledgerEntries.map((each) => JSON.stringify(each)));
});
afterEach(() => server[Symbol.asyncDispose]());

describe("rows", () => {
  test("are attempts as they were charged, newest first", async () => {
    const { rows, nextPageToken } = await client.listLedger({});
    expect(rows.map(({ attempt }) => attempt?.id)).toEqual(["c3.1", "c1.2", "c1.1"]);
    expect(rows[1]).toMatchObject({
      decisionId: "c1",
      keyId: "cfg_a",
      priceVersion: "v1",
      settleTime: { seconds: 1_767_312_000n },
      attempt: {
        provider: "q",
        kind: AttemptKind.FAILOVER,
        httpStatus: 200,
        won: true,
        usage: { inputTokens: 10, costPicoUsd: 1_500_001n },
      },
    });
    // Unpriced is not free, and an attempt that used nothing has no usage.
    expect(rows[0]?.attempt?.usage).toMatchObject({ inputTokens: 4, estimated: true });
    expect(rows[0]?.attempt?.usage).not.toHaveProperty("costPicoUsd");
    expect(rows[2]?.attempt?.usage).toBeUndefined();
    expect(nextPageToken).toBe("");
  });

  test("come page by page, none twice", async () => {
    const ids: (string | undefined)[] = [];
    let pageToken = "";
    do {
      const page = await client.listLedger({ pageSize: 1, pageToken });
      expect(page.rows).toHaveLength(1);
      ids.push(...page.rows.map(({ attempt }) => attempt?.id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual(["c3.1", "c1.2", "c1.1"]);
  });

  test.each([
    { query: { keyId: "cfg_b" }, ids: ["c3.1"] },
    { query: { decisionId: "c1" }, ids: ["c1.2", "c1.1"] },
    { query: { since: timestampFromMs(Date.UTC(2026, 0, 3)) }, ids: ["c3.1"] },
    { query: { until: timestampFromMs(Date.UTC(2026, 0, 3)) }, ids: ["c1.2", "c1.1"] },
  ])("are found by $query", async ({ query, ids }) => {
    expect((await client.listLedger(query)).rows.map(({ attempt }) => attempt?.id)).toEqual(ids);
  });

  test("a page token of another list is refused", async () => {
    const error = await errorOf(client.listLedger({ pageToken: Buffer.from('["decisions",1,"x"]').toString("base64url") }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field: "page_token" }] }]);
  });
});

describe("sums", () => {
  test("are of everything where nothing is said", async () => {
    const { rows } = await client.getUsage({});
    expect(rows).toMatchObject([
      {
        group: [],
        calls: 3n,
        failedCalls: 1n,
        cacheHits: 1n,
        usage: { inputTokens: 14n, outputTokens: 2n, costMicroUsd: 2n, unpricedCalls: 1n, estimatedCalls: 1n },
      },
    ]);
  });

  test("are told apart in the order asked for, the dearest first", async () => {
    const { rows } = await client.getUsage({ groupBy: ["day", "provider"] });
    expect(rows.map(({ group, calls }) => [...group, calls])).toEqual([
      ["2026-01-02", "q", 1n],
      ["2026-01-03", "p", 2n],
      ["2026-01-02", "p", 0n],
    ]);
  });

  test("are of one key and of a time", async () => {
    const { rows } = await client.getUsage({ keyId: "cfg_b", since: timestampFromMs(Date.UTC(2026, 0, 3)) });
    expect(rows).toMatchObject([{ calls: 2n }]);
  });

  test.each([{ groupBy: ["colour"] }, { groupBy: ["key", "key"] }])("by $groupBy are refused", async ({ groupBy }) => {
    expect((await errorOf(client.getUsage({ groupBy }))).code).toBe(Code.InvalidArgument);
  });
});

test("a store that is away is UNAVAILABLE with a wait, and its words stay inside", async () => {
  server.operations.ledger.list = () => Promise.reject(new Error("password secret refused"));
  const error = await errorOf(client.listLedger({}));
  expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "the store does not answer"]);
  expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "STORE_UNAVAILABLE" }]);
  expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
});

test("nobody reads the ledger without the token, from this machine either", async () => {
  const stranger = adminClient(server, "grpc", { authorization: "" });
  for (const asked of [stranger.listLedger({}), stranger.getUsage({})]) expect((await errorOf(asked)).code).toBe(Code.Unauthenticated);
});
