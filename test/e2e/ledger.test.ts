/** Rows outlast the process, however it ends, and whatever the store makes of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { usageOf } from "../../src/core/chat.ts";
import { entryFrom, noteSettlement } from "../../src/core/ledger.ts";
import type { DecisionRow } from "../../src/core/store.ts";
import { openJournal } from "../../src/stores/journal.ts";
import { createLedgerLog } from "../../src/stores/ledger-log.ts";
import { openSqliteStore } from "../../src/stores/sql/sqlite-store.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { readRows } from "../ledger/books.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { attempt, call, record, target } from "../telemetry/records.ts";
import { doorClient } from "./doors.ts";

const config = `
admin: {token: secret}
providers:
  sim: {type: simulated, first_token: 5ms, tokens_per_second: 100000, models: [{id: m, input_price: 1, output_price: 1}]}
`;

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  path = join(folder, "x.db");
  return () => rmSync(folder, { recursive: true, force: true });
});
const start = (more = ""): Promise<ServerProcess> => startServer(`${config}${more}`, { SEMAROUTE_STORE_URL: `sqlite:${path}` });

/** 10 ms to gather, 50 ms until the journal has them, and much more for a machine that does other things. */
const momentMs = 1500;
/** However slow this machine is: milliseconds. */
const patient = { timeout: 30_000 };

/** Calls by many callers until the server is gone; each that was answered, and when. */
function load(url: string): { readonly answered: ReadonlyMap<string, number>; readonly over: Promise<unknown> } {
  const answered = new Map<string, number>();
  const gone = new AbortController();
  const caller = async (): Promise<void> => {
    while (!gone.signal.aborted) {
      try {
        const { headers } = await doorClient("REST").ask(url, { model: "m" });
        answered.set(headers.get("x-semaroute-decision") ?? "", performance.now());
      } catch {
        gone.abort();
      }
    }
  };
  return { answered, over: Promise.all(Array.from({ length: 16 }, caller)) };
}

const callOf = ({ attempt: id }: { readonly attempt: string }): string => id.slice(0, id.indexOf("."));

describe("a process under load", () => {
  test("that is stopped has the rows of all it answered, each once", async () => {
    let answered: ReadonlyMap<string, number>;
    {
      await using server = await start();
      const calls = load(server.url);
      await expect.poll(() => calls.answered.size, patient).toBeGreaterThan(50);
      expect(await server.stop()).toBe(0);
      await calls.over;
      ({ answered } = calls);
    }
    await using server = await start();
    const rows = await readRows(server.url, "secret");
    const calls = new Set(rows.map(callOf));
    expect(calls.size).toBe(rows.length);
    expect([...answered.keys()].filter((id) => !calls.has(id))).toEqual([]);
  });

  test("that is killed has the rows of all it answered a moment before, each once", async () => {
    let answered: ReadonlyMap<string, number>;
    let killedMs: number;
    {
      await using server = await start();
      const calls = load(server.url);
      await expect.poll(() => calls.answered.size, patient).toBeGreaterThan(50);
      await pause(momentMs);
      killedMs = performance.now();
      await server.stop("SIGKILL");
      await calls.over;
      ({ answered } = calls);
    }
    await using server = await start();
    const rows = await readRows(server.url, "secret");
    const calls = new Set(rows.map(callOf));
    expect(calls.size).toBe(rows.length);
    const before = [...answered].filter(([, atMs]) => atMs <= killedMs - momentMs);
    expect(before.length).toBeGreaterThan(50);
    expect(before.filter(([id]) => !calls.has(id))).toEqual([]);
  });
});

test("a process that is killed while its store hangs has left its rows in the journal, all but those of the last moment", async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL("../ledger/hung-store.ts", import.meta.url)), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const settled: { readonly id: string; readonly atMs: number }[] = [];
  createInterface({ input: child.stdout }).on("line", (id) => settled.push({ id, atMs: performance.now() }));
  await expect.poll(() => settled.length, patient).toBeGreaterThan(50);
  await pause(momentMs);
  const killedMs = performance.now();
  child.kill("SIGKILL");
  await once(child, "exit");
  const journal = await openJournal({ path, onDamage: () => expect.unreachable() });
  onTestFinished(() => journal.close());
  const left = new Set<string>();
  while (journal.pending()) {
    for (const text of await journal.peek(500)) left.add(JSON.parse(text).id);
    await journal.drop();
  }
  const before = settled.filter(({ atMs }) => atMs <= killedMs - momentMs);
  expect(before.length).toBeGreaterThan(50);
  expect(before.filter(({ id }) => !left.has(id))).toEqual([]);
});

const note = (id: string) =>
  noteSettlement(
    record({ call: call({ id }), attempts: [attempt(target("sim", "m"), { id: `${id}.1`, usage: usageOf(10, 1) })] }),
    Date.now(),
  );

test("what an earlier process left in the journal is in the ledger of the next one, also what the store had already", async () => {
  {
    await using server = await start();
    await doorClient("REST").ask(server.url, { model: "m" });
    await server.stop();
  }
  const store = await openSqliteStore({ path });
  await store.ledger?.add([JSON.stringify(entryFrom(note("a")))]);
  await store.close();
  const journal = await openJournal({ path: `${path}.ledger`, onDamage: () => {} });
  await journal.append(["a", "b", "c"].map((id) => JSON.stringify(entryFrom(note(id)))));
  await journal.close();
  await using server = await start();
  expect((await readRows(server.url, "secret")).map(callOf).filter((id) => id.length === 1)).toEqual(["c", "b", "a"]);
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain("semaroute_ledger_journal_bytes 0\n");
});

test("rows that a full disk does not take wait in the journal, and go into the store once it has room", async () => {
  const store = await openSqliteStore({ path, pagesMax: 200 });
  const { ledger: rows, decisions } = store;
  if (rows === undefined || decisions === undefined) throw new Error("nothing lasts");
  const told: string[] = [];
  const log = createLedgerLog({
    clock: systemClock,
    store: rows,
    journal: await openJournal({ path: `${path}.ledger`, onDamage: () => told.push("damage") }),
    keepMs: 1e12,
    onAway: (cause) => told.push(String(cause)),
    onBack: () => told.push("back"),
    onLost: () => told.push("lost"),
    onFound: () => told.push("found"),
  });
  onTestFinished(async () => {
    await log.close();
    await store.close();
  });
  const ended = (id: string): void =>
    log.observer.ended(record({ call: call({ id }), attempts: [attempt(target("sim", "m"), { id: `${id}.1`, usage: usageOf(10, 1) })] }));
  ended("first");
  await log.list({ limit: 1 });
  // Others fill the disk.
  const row = (id: string, size: number): DecisionRow => ({
    id,
    wall: 1,
    key: "k",
    model: "m",
    providers: ",a,",
    failed: false,
    retried: false,
    requestId: id,
    text: "x".repeat(size),
  });
  for (const size of [100_000, 10_000, 1000])
    for (let each = 0; each < 1000; each++)
      if (
        !(await decisions.add([row(`${size}-${each}`, size)]).then(
          () => true,
          () => false,
        ))
      )
        break;
  for (let each = 0; each < 500; each++) ended(`c${each}`);
  await expect.poll(() => log.journalBytes()).toBeGreaterThan(0);
  await expect.poll(() => told).toEqual(["Error: the disk is full"]);
  await decisions.prune(2, 1000);
  await expect.poll(() => told, { timeout: 10_000 }).toEqual(["Error: the disk is full", "back"]);
  expect([await log.list({ limit: 1000 }).then(({ length }) => length), log.lost(), log.journalBytes()]).toEqual([501, 0, 0]);
  expect(await log.usage({ groupBy: [] })).toMatchObject([{ calls: 501, inputTokens: 5010 }]);
});

test("what is older than it is to be kept goes", async () => {
  const keep = "store: {retention: {ledger: 1ms}}\n";
  await using server = await start(keep);
  await doorClient("REST").ask(server.url, { model: "m" });
  expect(await server.stop()).toBe(0);
  await using second = await start(keep);
  await expect.poll(async () => (await readRows(second.url, "secret")).length).toBe(0);
});

test("in memory the ledger ends with its process, and works until then", async () => {
  await using server = await startServer(config, { SEMAROUTE_STORE_URL: "memory:" });
  await doorClient("REST").ask(server.url, { model: "m" });
  expect(await readRows(server.url, "secret")).toMatchObject([{ provider: "sim", kind: "PRIMARY", estimated: false }]);
});
