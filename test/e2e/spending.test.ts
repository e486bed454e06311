/** What keys have spent, over restarts, changes and a database that goes away: no call forgotten, none counted twice. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type BookRow, quiet, readRows } from "../ledger/books.ts";
import { adminClient } from "../support/admin-client.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../support/postgres.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, Refused } from "./doors.ts";
import { until } from "./scene.ts";

/** Input of `hello` and ten words of an answer: 0.024 dollars. */
const callMicroUsd = 24_000;
const callPico = BigInt(callMicroUsd) * 1_000_000n;
const models = (id: string) => `models: [{id: ${id}, input_price: 1000, output_price: 2000}], reply: "tokens:10"`;
const config = `
admin: {token: secret}
health: {probe: none}
routing_policy: {type: cost_based, shadow: {target: copies/c, share: 1}}
providers:
  sim: {type: simulated, ${models("m")}, tokens_per_second: 1e9, first_token: 5ms}
  slow: {type: simulated, ${models("s")}, tokens_per_second: 1e9, first_token: 1200ms}
  slower: {type: simulated, ${models("l")}, tokens_per_second: 1e9, first_token: 2s}
  endless: {type: simulated, models: [{id: e, input_price: 1000, output_price: 2000}], reply: "tokens:1000000", tokens_per_second: 2000}
  copies: {type: simulated, ${models("c")}, tokens_per_second: 1e9}
`;

const rest = doorClient("REST");
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A key with money for so many calls. */
async function issue(server: ServerProcess, calls: number, budgetPeriod = "total") {
  const limits = { budgetMicroUsd: BigInt(calls * callMicroUsd), budgetPeriod };
  const { key, secret } = await adminClient(server).createKey({ name: "team", limits });
  return { id: key?.id ?? "", secret };
}

async function outcome(server: ServerProcess, secret: string, model = "sim/m"): Promise<string> {
  try {
    await rest.ask(server.url, { model, headers: bearer(secret) });
    return "ok";
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.word;
    throw thrown;
  }
}

/** How many of each outcome of calls at once. */
async function flood(server: ServerProcess, secret: string, calls: number, model?: string): Promise<object> {
  const words = await Promise.all(Array.from({ length: calls }, () => outcome(server, secret, model)));
  return Object.fromEntries(Object.entries(Object.groupBy(words, (word) => word)).map(([word, all]) => [word, all?.length]));
}

async function standing(server: ServerProcess, id: string) {
  const { keys } = await adminClient(server).listKeys({});
  const { spentMicroUsd, reservedMicroUsd } = keys.find((key) => key.id === id) ?? {};
  return [spentMicroUsd, reservedMicroUsd];
}

async function callsRun({ url }: ServerProcess, calls: number): Promise<boolean> {
  return (await (await fetch(`${url}/metrics`)).text()).includes(`semaroute_calls_in_flight{door="openai"} ${calls}\n`);
}

const spentFor = (calls: number) => [BigInt(calls * callMicroUsd), 0n];

/** What the rows of the only key's calls add up to, without copies. */
function charged(rows: readonly BookRow[]): bigint {
  expect(new Set(rows.map(({ attempt }) => attempt)).size).toBe(rows.length);
  return rows.filter(({ kind }) => !isCopy(kind)).reduce((sum, { pico }) => sum + (pico ?? 0n), 0n);
}
const isCopy = (kind: string): boolean => /shadow/i.test(kind);

describe("a key's money over a restart", () => {
  test("is what is left of it, also where calls ran when the process was told to stop, and copies are not the key's to pay", async () => {
    const path = join(folder(), "x.db");
    const start = () => startServer(config, { SEMAROUTE_STORE_URL: `sqlite:${path}` });
    let key: Awaited<ReturnType<typeof issue>>;
    {
      await using server = await start();
      key = await issue(server, 37);
      expect(await flood(server, key.secret, 6)).toEqual({ ok: 6 });
      const running = flood(server, key.secret, 4, "slow/s");
      await until(async () => ((await standing(server, key.id))[1] ?? 0n) > 0n, "they run");
      expect((await standing(server, key.id))[0]).toBe(BigInt(6 * callMicroUsd));
      expect(await server.stop()).toBe(0);
      expect(await running).toEqual({ ok: 4 });
    }
    await using server = await start();
    expect(await standing(server, key.id)).toEqual(spentFor(10));
    expect(await flood(server, key.secret, 200)).toEqual({ ok: 27, insufficient_quota: 173 });
    expect(await standing(server, key.id)).toEqual(spentFor(37));
    await quiet(server.url);
    const rows = await readRows(server.url, "secret");
    expect(charged(rows)).toBe(37n * callPico);
    const copies = rows.filter(({ kind }) => isCopy(kind));
    expect(copies).not.toEqual([]);
    // The operator's books have everything.
    const usage = await adminClient(server).getUsage({ groupBy: ["key", "provider"], keyId: key.id });
    const costs = new Map(usage.rows.map(({ group, usage: sums }) => [group[1], sums?.costMicroUsd]));
    expect(costs.get("sim")).toBe(BigInt(33 * callMicroUsd));
    expect(costs.get("slow")).toBe(BigInt(4 * callMicroUsd));
    expect(costs.get("copies")).toBe(BigInt(copies.length * callMicroUsd));
    const calls = await adminClient(server).getUsage({ groupBy: ["key"], keyId: key.id });
    // What is refused before it is read is no call.
    expect((calls.rows[0]?.calls ?? 0n) - (calls.rows[0]?.failedCalls ?? 0n)).toBe(37n);
  });
});

describe("a change of a key", () => {
  test("raises and lowers the money of calls that run, and what was spent without a budget counts in the next one", async () => {
    await using server = await startServer(config, { SEMAROUTE_STORE_URL: `sqlite:${join(folder(), "x.db")}` });
    const { id, secret } = await issue(server, 1);
    const change = (calls: number, budgetPeriod = "total") =>
      adminClient(server).updateKey({ id, limits: { budgetMicroUsd: BigInt(calls * callMicroUsd), budgetPeriod } });
    // All the money is set aside for the first; the second waits for it until there is more.
    const ends: string[] = [];
    const first = outcome(server, secret, "slower/l").finally(() => ends.push("first"));
    await until(async () => ((await standing(server, id))[1] ?? 0n) > 0n, "the first runs");
    const second = outcome(server, secret).finally(() => ends.push("second"));
    await until(() => callsRun(server, 2), "the second waits");
    await change(1000);
    expect([await second, ends]).toEqual(["ok", ["second"]]);
    expect(await first).toBe("ok");
    expect(await standing(server, id)).toEqual(spentFor(2));
    await change(0);
    expect(await flood(server, secret, 10)).toEqual({ ok: 10 });
    expect(await standing(server, id)).toEqual(spentFor(12));
    await change(20, "day");
    expect(await flood(server, secret, 20)).toEqual({ ok: 8, insufficient_quota: 12 });
    await change(21, "month");
    expect(await flood(server, secret, 5)).toEqual({ ok: 1, insufficient_quota: 4 });
    expect(await standing(server, id)).toEqual(spentFor(21));
    // A stream of a rich key ends where its key is poor.
    await change(1000);
    const stream = doorClient("SSE").ask(server.url, { model: "endless/e", headers: bearer(secret) });
    const ended = stream.catch((thrown: unknown) => thrown);
    await until(async () => ((await standing(server, id))[1] ?? 0n) > 0n, "the stream runs");
    await change(22);
    expect(await ended).toMatchObject({ word: "insufficient_quota" });
  }, 60_000);

  test("that revokes it ends those who wait for its money", async () => {
    await using server = await startServer(config, { SEMAROUTE_STORE_URL: `sqlite:${join(folder(), "x.db")}` });
    const { id, secret } = await issue(server, 1);
    const first = outcome(server, secret, "slow/s");
    await until(async () => ((await standing(server, id))[1] ?? 0n) > 0n, "the first runs");
    const waiting = flood(server, secret, 5);
    await until(() => callsRun(server, 6), "they wait");
    const startMs = performance.now();
    await adminClient(server).revokeKey({ id });
    expect([await first, await waiting]).toEqual(["invalid_api_key", { invalid_api_key: 5 }]);
    expect(performance.now() - startMs).toBeLessThan(1000);
    await until(async () => (await standing(server, id))[1] === 0n, "nothing is set aside");
    await quiet(server.url);
    expect((await standing(server, id))[0]).toBe(charged(await readRows(server.url, "secret")) / 1_000_000n);
  });
});

describe.skipIf(noOwnPostgres !== undefined)("a key's money in a database that goes away", () => {
  let postgres: OwnPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  test("is neither forgotten nor counted twice, and nobody guesses meanwhile", async () => {
    const url = await postgres.createDatabase();
    const data = folder();
    const start = () => startServer(config, { SEMAROUTE_STORE_URL: url }, { prelude: `ln -s ${data} data` });
    let used: Awaited<ReturnType<typeof issue>>;
    let fresh: Awaited<ReturnType<typeof issue>>;
    {
      await using server = await start();
      [used, fresh] = [await issue(server, 37), await issue(server, 5)];
      expect(await flood(server, used.secret, 4)).toEqual({ ok: 4 });
      await postgres.crash();
      // What this process knows, it goes on to count; what it would have to look up, nobody tells it.
      expect(await flood(server, used.secret, 6)).toEqual({ ok: 6 });
      expect(await flood(server, fresh.secret, 2)).toEqual({ store_unavailable: 2 });
      const asked = [adminClient(server).getUsage({}), adminClient(server).listLedger({}), adminClient(server).listKeys({})];
      for (const each of await Promise.allSettled(asked)) expect(each).toMatchObject({ reason: { code: Code.Unavailable } });
      await quiet(server.url);
      // Until the last rows are in the journal.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await server.stop("SIGKILL");
      expect(existsSync(join(dirname(server.configFile), "postgres:"))).toBe(false);
    }
    await postgres.restart();
    await using server = await start();
    expect(await flood(server, used.secret, 200)).toEqual({ ok: 27, insufficient_quota: 173 });
    expect(await flood(server, fresh.secret, 10)).toEqual({ ok: 5, insufficient_quota: 5 });
    expect(await standing(server, used.id)).toEqual(spentFor(37));
    await quiet(server.url);
    expect(charged(await readRows(server.url, "secret"))).toBe(42n * callPico);
    const [sum] = await postgres.run(url, `select sum(micro_usd) as micro from ledger_days where key_id = '${used.id}'`);
    expect(Number(sum?.["micro"])).toBe(37 * callMicroUsd);
  }, 60_000);

  test("that stands still under load is right in the end", async () => {
    const url = await postgres.createDatabase();
    await using server = await startServer(config, { SEMAROUTE_STORE_URL: url });
    const { id, secret } = await issue(server, 100_000);
    expect(await outcome(server, secret)).toBe("ok");
    let answered = 1;
    const over = new AbortController();
    const caller = async (): Promise<void> => {
      while (!over.signal.aborted) if ((await outcome(server, secret)) === "ok") answered += 1;
    };
    const load = Promise.all(Array.from({ length: 8 }, caller));
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(300);
    postgres.freeze();
    await pause(1500);
    postgres.thaw();
    await pause(300);
    over.abort();
    await load;
    expect(answered).toBeGreaterThan(50);
    await quiet(server.url);
    const calls = BigInt(answered);
    await expect.poll(async () => charged(await readRows(server.url, "secret")), { timeout: 20_000, interval: 300 }).toBe(calls * callPico);
    const [sum] = await postgres.run(url, `select sum(micro_usd) as micro from ledger_days where key_id = '${id}'`);
    expect(Number(sum?.["micro"])).toBe(answered * callMicroUsd);
    expect((await standing(server, id))[0]).toBe(calls * BigInt(callMicroUsd));
  }, 60_000);
});
