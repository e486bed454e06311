import { serialize } from "node:v8";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { AttemptKind, type PolicyRevision, PolicyRevisionSchema } from "../../../src/core/chat.ts";
import type { DecisionRow, KeptPolicies, SharedPolicyStore, Store } from "../../../src/core/store.ts";
import { createMemoryJournal, type Journal } from "../../../src/stores/sql/journal.ts";
import { createPostgresPool } from "../../../src/stores/sql/postgres-pool.ts";
import type { PostgresOptions } from "../../../src/stores/sql/postgres-store.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../../support/postgres.ts";
import { openPostgres } from "./postgres.ts";

let server: OwnPostgres;
beforeAll(async () => {
  if (noOwnPostgres === undefined) server = await startPostgres();
});
afterAll(() => server?.[Symbol.asyncDispose]());

interface Opened {
  readonly store: Store;
  /** What it had to say, in order. */
  readonly said: string[];
  readonly journal: Journal;
  add(this: void, ...numbers: readonly number[]): Promise<void>;
  ids(this: void): Promise<readonly string[]>;
}

async function open(url: string, more: Partial<PostgresOptions> = {}): Promise<Opened> {
  const said: string[] = [];
  const journal = more.journal ?? createMemoryJournal();
  const store = await openPostgres({
    url,
    journal,
    onAway: (reason) => said.push(`away: ${reason}`),
    onBack: () => said.push("back"),
    onUnable: (reason) => said.push(`unable: ${reason}`),
    onAble: () => said.push("able"),
    onRefused: ({ kind, rows, reason }) => said.push(`refused: ${rows} ${kind}, ${reason}`),
    onLost: ({ kind, rows }) => said.push(`lost: ${rows} ${kind}`),
    ...more,
  });
  onTestFinished(() => store.close());
  return {
    store,
    said,
    journal,
    add: async (...numbers) => store.decisions?.add(numbers.map((number) => row(number))),
    ids: async () => (await store.decisions?.list({ limit: 1000 })) ?? [],
  };
}

function row(number: number): DecisionRow {
  const id = `id-${String(number).padStart(6, "0")}`;
  return { id, wall: number, key: "k", model: "m", providers: ",a,", failed: false, retried: false, requestId: id, text: id };
}

const idOf = (number: number): string => row(number).id;

/** Longer than it takes to find a database that is back: the breaker's longest wait, and the courier's. */
const soon = { timeout: 15_000, interval: 50 };

describe.skipIf(noOwnPostgres !== undefined)("a database that goes away", () => {
  test("by a crash gets what came meanwhile once it is back, each row once", async () => {
    const { add, ids, said, journal } = await open(await server.createDatabase());
    await add(1);
    await server.crash();
    await add(2, 3);
    await add(4);
    await expect(ids()).rejects.toThrow();
    expect(await journal.oldest(10)).toHaveLength(2);
    await server.restart();
    await expect.poll(() => ids().catch(String), soon).toEqual([4, 3, 2, 1].map(idOf));
    expect(said).toEqual([expect.stringMatching(/^away: /), "back"]);
    await expect.poll(() => journal.oldest(10), soon).toEqual([]);
  });

  test("by an orderly restart, and another, while rows come, gets all of them, each once", async () => {
    const { store, ids, said, journal } = await open(await server.createDatabase());
    const over = new AbortController();
    let count = 0;
    const adding = (async () => {
      for (; !over.signal.aborted; count++) {
        await store.decisions?.add([row(count)]);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let each = 0; each < 2; each++) {
      await expect.poll(() => ids().catch(() => []), soon).not.toEqual([]);
      await server.shutDown();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await server.restart();
      await expect.poll(() => said.filter((word) => word === "back").length, soon).toBe(each + 1);
    }
    over.abort();
    await adding;
    expect(count).toBeGreaterThan(30);
    await expect.poll(() => ids().catch(() => []), soon).toEqual(Array.from({ length: count }, (_, at) => idOf(count - 1 - at)));
    await expect.poll(() => journal.oldest(1), soon).toEqual([]);
    expect(said.filter((word) => word.startsWith("lost"))).toEqual([]);
  });

  test("by standing still holds nobody up, and gets what came meanwhile", async () => {
    const { add, ids, journal } = await open(await server.createDatabase());
    await add(1);
    server.freeze();
    const began = performance.now();
    for (const number of [2, 3, 4]) await add(number);
    // Each write is given 100 ms before it goes into the journal.
    expect(performance.now() - began).toBeLessThan(1500);
    expect(await journal.oldest(10)).toHaveLength(3);
    server.thaw();
    await expect.poll(() => ids().catch(String), soon).toEqual([4, 3, 2, 1].map(idOf));
    await expect.poll(() => journal.oldest(10), soon).toEqual([]);
  });

  test("for long is asked no more than now and then, and says no at once", async () => {
    const { store, said } = await open(await server.createDatabase());
    await store.decisions?.find("x");
    await server.crash();
    await expect(store.decisions?.find("x")).rejects.toThrow();
    const began = performance.now();
    const answers = await Promise.allSettled(Array.from({ length: 500 }, async () => store.decisions?.find("x")));
    expect(answers.every(({ status }) => status === "rejected")).toBe(true);
    expect(performance.now() - began).toBeLessThan(400);
    await server.restart();
    await expect.poll(() => store.decisions?.find("x").catch(String), soon).toBeUndefined();
    expect(said).toEqual([expect.stringMatching(/^away: /), "back"]);
  });

  test("and is back before it is asked again is not missed: what reads is asked once more on a fresh connection", async () => {
    const url = await server.createDatabase();
    const { store, add, said } = await open(url);
    await add(1);
    // The pool does not hear of the end before its next turn.
    const ended = server.run(url, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'semaroute'");
    await ended;
    expect(await store.decisions?.find(idOf(1))).toBe(row(1).text);
    expect(said).toEqual([]);
  });

  test("before the start is waited for, and the tables are made when it is there", async () => {
    const url = await server.createDatabase();
    await server.crash();
    const { add, ids, said } = await open(url);
    await add(1);
    expect(said).toEqual(["away: nobody listens there"]);
    await server.restart();
    await expect.poll(() => ids().catch(String), soon).toEqual([idOf(1)]);
    expect(said.at(-1)).toBe("back");
  });

  test("until the end loses what waits in memory, and says how much", async () => {
    const { store, add, said } = await open(await server.createDatabase());
    await add(1);
    await server.crash();
    await add(2, 3);
    await store.close();
    expect(said.slice(1)).toEqual(["lost: 2 decisions"]);
    await server.restart();
  });
});

test.skipIf(noOwnPostgres !== undefined)(
  "nobody is told what a key has spent while rows of the ledger wait in the journal",
  async () => {
    const memory = createMemoryJournal();
    let stuck = true;
    // A disk that takes, and does not give.
    const journal: Journal = { ...memory, oldest: (limit) => (stuck ? Promise.reject(new Error("stuck")) : memory.oldest(limit)) };
    const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2, estimated: false, pico: "1500001" };
    const attempt = {
      provider: "p",
      model: "m\0",
      kind: AttemptKind.PRIMARY,
      wall: 0,
      ms: 1,
      status: 200,
      reason: 0,
      text: "",
      upstreamId: "\0",
      won: true,
      usage,
    };
    const text = (id: string): string =>
      JSON.stringify({ id, key: "k", wall: 0, day: 0, prices: "", attempts: [{ ...attempt, id: `${id}.1` }] });
    await memory.keep("ledger", serialize([text("a"), text("b")]));
    const { store } = await open(await server.createDatabase(), { journal });
    await store.ledger?.add([text("b"), text("c")]);
    await expect(store.ledger?.spentSince("k", 0)).rejects.toThrow("the ledger is behind");
    stuck = false;
    await expect.poll(() => store.ledger?.spentSince("k", 0).catch(() => undefined), soon).toBe(3n * 1_500_001n);
    expect(await store.ledger?.list({ limit: 10 })).toHaveLength(3);
  },
  30_000,
);

describe.skipIf(noOwnPostgres !== undefined)("a database that answers, and cannot", () => {
  test("take writes gets them as soon as it can", async () => {
    const url = await server.createDatabase();
    const { store } = await open(url);
    await store.close();
    const name = new URL(url).pathname.slice(1);
    await server.run(url, `alter database ${name} set default_transaction_read_only = on`);
    const second = await open(url);
    await second.add(1);
    expect(await second.ids()).toEqual([]);
    expect(await second.journal.oldest(10)).toHaveLength(1);
    await expect.poll(() => second.said, soon).toEqual(["unable: it takes no writes"]);
    await server.run(url, `set transaction read write; alter database ${name} reset default_transaction_read_only`);
    // Sessions keep what they began with.
    await server.run(url, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'semaroute'");
    await expect.poll(() => second.ids().catch(String), soon).toEqual([idOf(1)]);
    await expect.poll(() => second.said.at(-1), soon).toBe("able");
  });

  test("spare a connection is waited for", async () => {
    const url = await server.createDatabase();
    const name = new URL(url).pathname.slice(1);
    await server.run(url, `create role poor login password 'secret' connection limit 1; alter database ${name} owner to poor`);
    const poor = url.replace("postgres:secret@", "poor:secret@");
    const held = server.run(poor, "select pg_sleep(60)").catch(() => undefined);
    const busy = "select pid from pg_stat_activity where usename = 'poor'";
    await expect.poll(() => server.run(url, busy), soon).toHaveLength(1);
    const { add, ids, said } = await open(poor);
    await add(1);
    expect(said).toEqual(["away: it has no connection to spare"]);
    await server.run(url, `select pg_terminate_backend(pid) from (${busy}) as holders`);
    await held;
    await expect.poll(() => ids().catch(String), soon).toEqual([idOf(1)]);
    expect(said.at(-1)).toBe("back");
  });

  test("take one row of many gets all others, also those behind it, and says so", async () => {
    const { store, said, add, ids, journal } = await open(await server.createDatabase());
    const rows = Array.from({ length: 100 }, (_, at) => row(at));
    await store.decisions?.add(rows.map((each, at) => (at % 40 === 17 ? { ...each, wall: 1e300 } : each)));
    await add(100);
    const good = [...rows, row(100)].filter((_, at) => at % 40 !== 17).map(({ text }) => text);
    await expect.poll(ids, soon).toEqual(good.toReversed());
    await expect.poll(() => journal.oldest(1), soon).toEqual([]);
    // Nothing can be set aside in a memory.
    expect(said).toEqual(["lost: 3 decisions"]);
  });
});

test.skipIf(noOwnPostgres !== undefined)("wide numbers and sums come as SQLite gives them: as numbers, or not at all", async () => {
  const url = await server.createDatabase();
  const pool = createPostgresPool({ url, clock: systemClock, random: Math.random, onAway: () => {}, onBack: () => {} });
  onTestFinished(() => pool.end());
  const client = await pool.connect();
  onTestFinished(() => client.release());
  const text = "select 9007199254740991::bigint as wide, sum(each) as sum, 1.5 as part from (values (1::bigint), (2)) as list (each)";
  expect((await client.query(text, [])).rows).toEqual([{ wide: Number.MAX_SAFE_INTEGER, sum: 3, part: 1.5 }]);
  await expect(client.query("select 9007199254740992::bigint", [])).rejects.toThrow("a number is too large");
});

describe.skipIf(noOwnPostgres !== undefined)("a database that refuses", () => {
  test.each([
    { what: "the password", spoil: (url: URL) => void (url.password = "swordfish"), reason: "it refuses the user or the password" },
    { what: "the name", spoil: (url: URL) => void (url.pathname = "/nowhere"), reason: "it has no database of that name" },
    { what: "TLS", spoil: (url: URL) => url.searchParams.set("sslmode", "require"), reason: "it does not speak TLS" },
  ])("$what ends the start with one line", async ({ spoil, reason }) => {
    const url = new URL(await server.createDatabase());
    spoil(url);
    const refusal = await openPostgres({ url: url.href }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: "StoreError", message: reason });
    expect(JSON.stringify(refusal) + String(refusal)).not.toMatch(/secret|swordfish/);
  });

  test("to be an earlier version's ends the start with one line", async () => {
    const url = await server.createDatabase();
    await (await openPostgres({ url })).close();
    await server.run(url, "insert into semaroute_migrations (name, timestamp) values ('9999-later', '2030')");
    await expect(openPostgres({ url })).rejects.toThrow("it was written by a later version of semaroute");
  });

  test("a URL that is none, without showing it", async () => {
    const refusal = await openPostgres({ url: "postgres://ann:swordfish@[/x" }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: "StoreError", message: "the URL cannot be read" });
  });
});

describe.skipIf(noOwnPostgres !== undefined)("several processes on one database", () => {
  test("that start at once on an empty one all start, and the tables are made once", async () => {
    const url = await server.createDatabase();
    const stores = await Promise.all([1, 2, 3, 4].map(() => open(url)));
    await Promise.all(stores.map(({ add }, at) => add(at)));
    // A write that takes its time is on its way.
    await expect.poll(() => stores[0]?.ids(), soon).toHaveLength(4);
    const names = await server.run(url, "select name from semaroute_migrations");
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    expect(stores.flatMap(({ said }) => said)).toEqual([]);
  });

  test("that write the same row keep it once", async () => {
    const url = await server.createDatabase();
    const stores = await Promise.all([1, 2].map(() => open(url)));
    await Promise.all(stores.map(({ add }) => add(1, 2, 3)));
    await expect.poll(() => stores[0]?.ids(), soon).toEqual([3, 2, 1].map(idOf));
  });

  test("that change the policy at once from the same basis: one does, the others change nothing", async () => {
    const url = await server.createDatabase();
    const desks: SharedPolicyStore[] = [];
    for (let each = 0; each < 4; each++) {
      const { store } = await open(url);
      if (store.sharedPolicies !== undefined) desks.push(store.sharedPolicies);
    }
    const [first] = desks;
    if (first === undefined) throw new Error("nothing is shared");
    let before: KeptPolicies | undefined;
    for (let round = 1n; round <= 20n; round++) {
      const basis = await first.mark();
      const changes = desks.map((_, at) => change(round, `${round}/${at}`, round % 3n === 0n));
      const done = await Promise.all(desks.map((desk, at) => desk.replace(changes[at] ?? change(0n, ""), basis)));
      expect(done.filter(Boolean)).toHaveLength(1);
      const now = await first.load();
      expect(now).toEqual({
        ...changes[done.indexOf(true)],
        revisions: [...(changes[done.indexOf(true)]?.revisions ?? []), ...(before?.revisions ?? [])],
      });
      before = now;
    }
  });

  test("of whom one drops the canary and another promotes it: one does", async () => {
    const url = await server.createDatabase();
    const [one, other] = await Promise.all([open(url), open(url)]).then((both) => both.map(({ store }) => store.sharedPolicies));
    if (one === undefined || other === undefined) throw new Error("nothing is shared");
    expect(await one.replace(change(1n, "a"), undefined)).toBe(true);
    expect(await one.replace({ ...change(2n, "b"), active: 1n, canary: 2n }, await one.mark())).toBe(true);
    const basis = await one.mark();
    const dropped = { revisions: [], active: 1n, canary: undefined, fileText: "f" };
    const done = await Promise.all([one.replace(dropped, basis), other.replace(change(3n, "b"), basis)]);
    expect(done.toSorted()).toEqual([false, true]);
  });
});

function change(number: bigint, revision: string, isCanary = false): KeptPolicies {
  const policy = { kind: { case: "leastBusy", value: {} } } as const;
  const revisions: PolicyRevision[] = [create(PolicyRevisionSchema, { number, revision, author: "ann", share: 1, policy })];
  return { revisions, active: isCanary ? number - 1n : number, canary: isCanary ? number : undefined, fileText: "f" };
}
