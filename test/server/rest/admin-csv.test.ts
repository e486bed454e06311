import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { csvLine } from "../../../src/server/rest/csv.ts";
import { ledgerEntries } from "../ledger-entries.ts";
import { startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
  await server.operations.ledger.add(ledgerEntries.map((each) => JSON.stringify(each)));
});
afterEach(() => server[Symbol.asyncDispose]());

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(server.http1 + path, { headers: { authorization: "Bearer admin", ...headers } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const ledgerHead =
  "settle_time,decision_id,key_id,attempt_id,kind,provider,model,won,http_status,error_reason,start_time,latency_ms," +
  "input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,reasoning_tokens,estimated,cost_usd,price_version,upstream_request_id";
const usageHead =
  "calls,failed_calls,cache_hits,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,reasoning_tokens,cost_usd,unpriced_calls,estimated_calls";

describe("a table", () => {
  test.each([
    { how: "by query", path: "/admin/usage?format=csv&groupBy=provider&groupBy=model", headers: {} },
    { how: "by header", path: "/admin/usage?groupBy=provider&groupBy=model", headers: { accept: "text/csv, */*;q=0.1" } },
    { how: "by the proto's names", path: "/admin/usage?format=csv&group_by=provider&group_by=model", headers: {} },
  ])("of sums is asked for $how", async ({ path, headers }) => {
    const answer = await get(path, headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^text\/csv/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.text.split("\r\n")).toEqual([
      `provider,model,${usageHead}`,
      // A model's name that a spreadsheet would take for a formula.
      "q,'=1+2,1,0,0,10,2,0,0,0,0.000002,0,0",
      "p,m,2,1,1,4,0,0,0,0,0.000000,1,1",
      "",
    ]);
  });

  test("of rows has every row and the exact cost, unpriced ones none", async () => {
    const { text } = await get("/admin/ledger?format=csv");
    expect(text.split("\r\n")).toEqual([
      ledgerHead,
      "2026-01-03T00:00:00.000Z,c3,cfg_b,c3.1,PRIMARY,p,m,true,200,,2026-01-01T23:59:59.500Z,12.5,4,0,,,,true,,,",
      "2026-01-02T00:00:00.000Z,c1,cfg_a,c1.2,FAILOVER,q,'=1+2,true,200,,2026-01-01T23:59:59.500Z,12.5,10,2,,,,false,0.000001500001,v1,",
      "2026-01-02T00:00:00.000Z,c1,cfg_a,c1.1,PRIMARY,p,m,false,529,UPSTREAM_UNAVAILABLE,2026-01-01T23:59:59.500Z,12.5,,,,,,,,v1,",
      "",
    ]);
  });

  test("of very many rows comes whole, over as many pages as it takes", async () => {
    const [first] = ledgerEntries;
    const many = Array.from({ length: 2500 }, (_, n) => ({ ...first, id: `x${n}`, attempts: [{ ...first?.attempts[1], id: `x${n}.1` }] }));
    await server.operations.ledger.add(many.map((each) => JSON.stringify(each)));
    const lines = (await get("/admin/ledger?format=csv&keyId=cfg_a")).text.trimEnd().split("\r\n");
    expect(new Set(lines).size).toBe(1 + 2 + 2500);
    expect(lines).toHaveLength(1 + 2 + 2500);
  });

  test("of one page says where it goes on", async () => {
    const first = await get("/admin/ledger?format=csv&pageSize=1");
    expect(first.text.split("\r\n")).toHaveLength(3);
    const token = first.headers.get("x-next-page-token") ?? "";
    const second = await get(`/admin/ledger?format=csv&pageSize=2&pageToken=${token}`);
    expect(second.text).toContain("c1.2");
    expect(second.headers.has("x-next-page-token")).toBe(false);
  });

  test.each([
    { path: "/admin/usage?format=csv", headers: { authorization: "Bearer wrong" }, status: 401 },
    { path: "/admin/usage?format=csv&groupBy=colour", headers: {}, status: 400 },
    { path: "/admin/usage?format=xml", headers: {}, status: 400 },
    { path: "/admin/providers?format=csv", headers: {}, status: 400 },
  ])("$path that is refused is refused in JSON with $status", async ({ path, headers, status }) => {
    const answer = await get(path, headers);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toHaveProperty("code");
  });
});

test("a time that is none is told with its name and an example", async () => {
  for (const path of ["/admin/usage?since=yesterday", "/admin/ledger?since=2026-12-01T00:00:00+01:00"])
    expect(JSON.parse((await get(path)).text)).toMatchObject({ message: "since is no time such as 2026-12-01T00:00:00Z" });
  expect((await get("/admin/usage?since=2026-12-01T00:00:00.5%2B01:00")).status).toBe(200);
});

test("what is asked for as JSON is JSON", async () => {
  for (const path of ["/admin/usage", "/admin/usage?format=json"])
    expect(JSON.parse((await get(path, { accept: "application/json" })).text)).toMatchObject({
      rows: [{ calls: "3", usage: { costMicroUsd: "2" } }],
    });
});

test.each([
  { fields: ["a", 1, 2n, true], line: "a,1,2,true" },
  { fields: ['say "hi", he said', "two\nlines", ""], line: '"say ""hi"", he said","two\nlines",' },
  { fields: ["=cmd", "+1", "-1", "@x", "\tx", -1], line: "'=cmd,'+1,'-1,'@x,'\tx,-1" },
  { fields: ['=a"b'], line: `"'=a""b"` },
])("$fields are written as $line", ({ fields, line }) => {
  expect(csvLine(fields)).toBe(`${line}\r\n`);
});
