/** The vendors' own books against the ledger: each request they got is one row, and says what they told. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../support/server.ts";
import { type Comparison, compare, quiet, readRows } from "./books.ts";
import { createMeter } from "./meter.ts";
import { meteredConfig } from "./metered-server.ts";
import { mixedCalls } from "./mixed-calls.ts";

interface Books {
  readonly server: ServerProcess;
  readonly found: Comparison;
  readonly endings: ReadonlyMap<string, number>;
}

/** A busy hour, and what it left on either side. */
async function booksOf(calls: number, restless: boolean): Promise<Books> {
  const meters = await Promise.all([createMeter("one", 0.25, 1), createMeter("two", 0.1, 2), createMeter("copies", 0.1, 3)]);
  const server = await startServer(meteredConfig(meters, restless));
  running.push(server, ...meters);
  const endings = await mixedCalls({ url: server.url, calls, callers: 24, seed: 4, leavers: restless });
  await quiet(server.url);
  return { server, endings, found: compare(meters, await readRows(server.url, "secret")) };
}

const running: AsyncDisposable[] = [];
afterAll(async () => {
  for (const each of running) await each[Symbol.asyncDispose]();
});

test("where nobody leaves and nothing is hedged, vendors and ledger agree row by row", async () => {
  const { found } = await booksOf(200, false);
  expect(found.faults).toEqual([]);
  expect(found).toMatchObject({ rows: found.requests, unsent: 0, crossed: 0, booked: found.told });
});

let server: ServerProcess;
let found: Comparison;
let endings: ReadonlyMap<string, number>;
const calls = 300;
beforeAll(async () => {
  ({ server, found, endings } = await booksOf(calls, true));
});

test("every request has one row, with what was told of it or an estimate that says so", () => {
  expect(found.faults).toEqual([]);
  expect(found.rows).toBe(found.requests + found.unsent);
});

test("the sums are the vendors' to the last token and to the last of 10^-12 dollars", () => {
  expect(found.booked).toEqual(found.told);
  expect(found.told.pico).toBeGreaterThan(0n);
  expect(found.crossed).toBeLessThan(0.05 * found.requests);
});

test("there was something of everything", () => {
  for (const kind of ["PRIMARY", "RETRY", "FAILOVER", "HEDGE", "SHADOW"]) expect(found.kinds.get(kind), kind).toBeGreaterThan(0);
  expect(found.estimated).toBeGreaterThan(0);
  for (const ending of ["answered", "left", "interrupted"]) expect(endings.get(ending), ending).toBeGreaterThan(0);
});

interface UsageJson {
  readonly calls: string;
  readonly cacheHits: string;
  readonly usage: Readonly<Record<string, string>>;
}

describe("GetUsage", () => {
  const usage = async (query = ""): Promise<readonly UsageJson[]> => {
    const response = await fetch(`${server.url}/admin/usage?${query}`, { headers: { authorization: "Bearer secret" } });
    const { rows } = JSON.parse(await response.text());
    return rows;
  };
  const sum = (numbers: readonly (string | number | undefined)[]): number =>
    numbers.reduce<number>((total, each) => total + Number(each), 0);

  test("sums the same rows, and counts the calls and the hits among them", async () => {
    const [all] = await usage();
    const rows = await readRows(server.url, "secret");
    const pico = rows.reduce((total, row) => total + (row.pico ?? 0n), 0n);
    expect(all?.usage).toMatchObject({
      costMicroUsd: String((pico + 500_000n) / 1_000_000n),
      inputTokens: String(sum(rows.map(({ used }) => used?.input ?? 0))),
      estimatedCalls: String(found.estimated),
      unpricedCalls: "0",
    });
    expect(Number(all?.calls)).toBeLessThanOrEqual(calls);
    expect(Number(all?.calls)).toBeGreaterThanOrEqual(calls - (endings.get("left") ?? 0));
    expect(Number(all?.cacheHits)).toBeGreaterThan(0);
  });

  test.each(["key", "model", "provider", "day"])("adds up, grouped by %s", async (groupBy) => {
    const [all] = await usage();
    const rows = await usage(`groupBy=${groupBy}`);
    expect(sum(rows.map((row) => row.calls))).toBe(Number(all?.calls));
    expect(sum(rows.map((row) => row.usage["outputTokens"]))).toBe(Number(all?.usage["outputTokens"]));
  });
});
