/** Disks that are full, here and at the database: calls go on, an alarm is heard, and in the end every row is there once. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, chownSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readRows } from "../ledger/books.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres, unprivileged } from "../support/postgres.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { mountSmallDisk, noSmallDisk } from "../support/small-disk.ts";
import { doorClient, Refused } from "./doors.ts";
import { type Metrics, metricsFrom, until } from "./scene.ts";

/** Input of `hello` and ten words: 0.024 dollars. */
const callMicroUsd = 24_000;
const config = `
admin: {token: secret}
auth: {keys: [{name: plain, key: key-plain}, {name: rich, key: key-rich, limits: {budget_usd: 1000, budget_period: total}}]}
health: {probe: none}
providers:
  sim: {type: simulated, models: [{id: m, input_price: 1000, output_price: 2000}], reply: "tokens:10", tokens_per_second: 1e9, first_token: 1ms}
`;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const rest = doorClient("REST");
async function ask({ url }: ServerProcess, key = "plain"): Promise<string> {
  try {
    await rest.ask(url, { model: "m", headers: { authorization: `Bearer key-${key}` } });
    return "ok";
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.word;
    throw thrown;
  }
}

const metricsOf = async ({ url }: ServerProcess): Promise<Metrics> => metricsFrom(await (await fetch(`${url}/metrics`)).text());
const said = (server: ServerProcess, text: string): boolean => server.lines.some(({ message }) => String(message).startsWith(text));
const soon = { timeout: 20_000, interval: 100 };

/** Asks until a line says so; all of it is answered. */
async function askUntil(server: ServerProcess, text: string): Promise<number> {
  let calls = 0;
  for (; !said(server, text); calls++) {
    if (calls > 5000) throw new Error(`after ${calls} calls nobody said: ${text}`);
    expect(await ask(server)).toBe("ok");
  }
  return calls;
}

/** Our own disk, on which everything of ours is. */
interface OwnDisk {
  readonly folder: string;
  /** What a shell does before the process begins. */
  readonly prelude: string;
  fill(): void;
  free(): void;
}

const ownDisks: readonly { readonly what: string; readonly missing: string | undefined; readonly open: () => OwnDisk }[] = [
  {
    what: "has no room (ENOSPC)",
    missing: noSmallDisk,
    open() {
      const disk = mountSmallDisk("16m");
      onTestFinished(() => disk[Symbol.dispose]());
      return { ...disk, prelude: ":" };
    },
  },
  {
    what: "lets no file become longer (EFBIG)",
    missing: spawnSync("prlimit", ["--version"]).status === 0 ? undefined : "there is no prlimit here",
    open() {
      const path = folder();
      const pid = join(path, "pid");
      const bound = (bytes: string): void => {
        const { status, stderr } = spawnSync("prlimit", ["--pid", readFileSync(pid, "utf8").trim(), `--fsize=${bytes}:`]);
        if (status !== 0) throw new Error(stderr.toString());
      };
      return { folder: path, prelude: `echo $$ > ${pid}`, fill: () => bound("4096"), free: () => bound("unlimited") };
    },
  },
];

describe.each(ownDisks)("a disk of ours that $what", ({ missing, open }) => {
  test.skipIf(missing !== undefined)("costs no call, closes budgets while nothing can be written down, and no row in the end", async () => {
    const disk = open();
    const path = join(disk.folder, "x.db");
    await using server = await startServer(config, { SEMAROUTE_STORE_URL: `sqlite:${path}` }, { prelude: disk.prelude });
    let calls = 0;
    for (const key of ["plain", "rich", "plain", "rich"]) {
      expect(await ask(server, key)).toBe("ok");
      calls++;
    }
    // Else the first of them would be waited for on the full disk.
    expect(await readRows(server.url, "secret")).toHaveLength(calls);
    disk.fill();
    calls += await askUntil(server, "neither the store nor the journal takes ledger rows");
    expect([await ask(server, "rich"), await ask(server, "plain")]).toEqual(["store_unavailable", "ok"]);
    calls++;
    expect(said(server, "the store does not take ledger rows")).toBe(true);
    const full = await metricsOf(server);
    expect([full.sum("ledger_lost_total"), full.sum("bugs_total")]).toEqual([0, 0]);
    disk.free();
    await until(() => said(server, "ledger rows have a place again"), "rows have a place", 20_000);
    expect([await ask(server, "rich"), await ask(server, "plain")]).toEqual(["ok", "ok"]);
    calls += 2;
    await expect.poll(async () => (await readRows(server.url, "secret").catch(() => [])).length, soon).toBe(calls);
    const rows = await readRows(server.url, "secret");
    expect(new Set(rows.map(({ attempt }) => attempt)).size).toBe(calls);
    await expect.poll(async () => (await metricsOf(server)).sum("ledger_journal_bytes"), soon).toBe(0);
    expect(said(server, "the store has all ledger rows again")).toBe(true);
    expect(await server.stop()).toBe(0);
    const file = new DatabaseSync(path);
    onTestFinished(() => file.close());
    const [sum] = file.prepare("select sum(micro_usd) as micro from ledger_days").all();
    expect(Number(sum?.["micro"])).toBe(calls * callMicroUsd);
  });
});

describe.skipIf(noOwnPostgres !== undefined)("a PostgreSQL whose disk is full", () => {
  let postgres: OwnPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  /** A database, and how it runs full and has room again. */
  interface Full {
    readonly url: string;
    fill(): Promise<void>;
    free(): Promise<void>;
  }

  const databases: readonly { readonly what: string; readonly missing: string | undefined; readonly open: () => Promise<Full> }[] = [
    {
      what: "in earnest: its tables are on a disk without room",
      missing: noSmallDisk,
      async open() {
        const disk = mountSmallDisk("32m");
        const user = unprivileged();
        const place = join(disk.folder, "tables");
        mkdirSync(place);
        if (user !== undefined) chownSync(place, user.uid, user.gid);
        const url = await postgres.createDatabase();
        const root = new URL(url);
        root.pathname = "/postgres";
        await postgres.run(root.href, `create tablespace small location '${place}'`);
        await postgres.run(root.href, `alter database ${new URL(url).pathname.slice(1)} set tablespace small`);
        onTestFinished(async () => {
          await postgres.run(root.href, `drop database ${new URL(url).pathname.slice(1)} with (force)`);
          await postgres.run(root.href, "drop tablespace small");
          disk[Symbol.dispose]();
        });
        return { url, fill: async () => disk.fill(), free: async () => disk.free() };
      },
    },
    {
      what: "by its own word (53100)",
      missing: undefined,
      async open() {
        const url = await postgres.createDatabase();
        const tables = ["decisions", "ledger_calls", "ledger_attempts"];
        return {
          url,
          async fill() {
            await postgres.run(
              url,
              "create function no_room() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$",
            );
            for (const table of tables)
              await postgres.run(url, `create trigger no_room before insert on ${table} execute function no_room()`);
          },
          async free() {
            for (const table of tables) await postgres.run(url, `drop trigger no_room on ${table}`);
          },
        };
      },
    },
  ];

  test.each(databases.filter(({ missing }) => missing === undefined))(
    "$what: calls go on, rows wait in the journal of a process that is killed, too, and are there once",
    async ({ open }) => {
      const database = await open();
      const data = folder();
      const start = () => startServer(config, { SEMAROUTE_STORE_URL: database.url }, { prelude: `ln -s ${data} data` });
      let calls = 0;
      {
        await using server = await start();
        for (; calls < 5; calls++) expect(await ask(server, "rich")).toBe("ok");
        await expect.poll(async () => (await readRows(server.url, "secret")).length, soon).toBe(calls);
        await database.fill();
        calls += await askUntil(server, "the store does not take rows, they wait in the journal");
        expect(server.lines.find(({ message }) => String(message).startsWith("the store does not take rows"))?.["reason"]).toBe(
          "its disk is full",
        );
        // The journal takes rows, so that money can be spent.
        for (let each = 0; each < 20; each++, calls++) expect(await ask(server, each % 2 === 0 ? "rich" : "plain")).toBe("ok");
        const metrics = await metricsOf(server);
        expect(["store_rows_wait", "ledger_lost_total", "decisions_lost_total", "bugs_total"].map((name) => metrics.sum(name))).toEqual([
          1, 0, 0, 0,
        ]);
        // Until the last rows are in the journal.
        await pause(500);
        await server.stop("SIGKILL");
      }
      await using server = await start();
      for (let each = 0; each < 5; each++, calls++) expect(await ask(server)).toBe("ok");
      await until(() => said(server, "the store does not take rows"), "it is still full", 20_000);
      await database.free();
      await until(() => said(server, "the store has all rows again"), "all rows are there", 30_000);
      await expect.poll(async () => (await metricsOf(server)).sum("store_rows_wait"), soon).toBe(0);
      const rows = await readRows(server.url, "secret");
      expect([rows.length, new Set(rows.map(({ attempt }) => attempt)).size]).toEqual([calls, calls]);
      const [{ decisions, micro } = {}] = await postgres.run(
        database.url,
        "select (select count(*) from decisions) as decisions, (select sum(micro_usd) from ledger_days) as micro",
      );
      expect([Number(decisions), Number(micro)]).toEqual([calls, calls * callMicroUsd]);
    },
    90_000,
  );

  test("and one that refuses a row for good: it is set aside, and all others are written", async () => {
    const url = await postgres.createDatabase();
    const data = folder();
    const start = () => startServer(config, { SEMAROUTE_STORE_URL: url }, { prelude: `ln -s ${data} data` });
    let bad = "";
    {
      await using server = await start();
      expect(await ask(server)).toBe("ok");
      await postgres.run(url, "alter table ledger_attempts add constraint poor check (key_id <> 'cfg_rich') not valid");
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(server, at === 7 ? "rich" : "plain")));
      expect(new Set(answers)).toEqual(new Set(["ok"]));
      await expect.poll(async () => (await readRows(server.url, "secret")).length, soon).toBe(20);
      const line = await server.logged(({ message }) => message === "the store refuses rows for good, they are set aside in the journal");
      expect(line).toMatchObject({ level: "error", kind: "ledger", rows: 1, reason: "it says 23514" });
      expect((await metricsOf(server)).sum("store_rows_refused_total")).toBe(1);
      expect(await server.stop()).toBe(0);
      const journal = new DatabaseSync(join(data, "journal.db"), { readOnly: true });
      const [refused] = journal.prepare("select kind, row from refused").all();
      journal.close();
      bad = String(refused?.["row"]);
      expect([refused?.["kind"], JSON.parse(bad).key]).toEqual(["ledger", "cfg_rich"]);
    }
    expect(bad).not.toBe("");
  });
});
