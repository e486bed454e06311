import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "node:v8";
import { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { createCourier, type LostRows, type RefusedRows } from "../../../src/stores/sql/courier.ts";
import { openFileJournal } from "../../../src/stores/sql/file-journal.ts";
import { createMemoryJournal, type Journal } from "../../../src/stores/sql/journal.ts";
import { AwayError } from "../../../src/stores/sql/postgres-errors.ts";
import { folderWith } from "../../config/workspace.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

interface Row {
  readonly id: number;
  readonly cost: bigint;
}

const row = (id: number): Row => ({ id, cost: 2n ** 62n + BigInt(id) });
const ids = (rows: readonly Row[]): number[] => rows.map(({ id }) => id);

/** A database that does what it is told to. */
function setUp(journal: Journal = createMemoryJournal()) {
  const clock = createFakeClock();
  const lost: LostRows[] = [];
  const refused: RefusedRows[] = [];
  const said: string[] = [];
  const written: Row[] = [];
  let next = (rows: readonly Row[]): Promise<void> => {
    written.push(...rows);
    return Promise.resolve();
  };
  const wellBehaved = next;
  const courier = createCourier({
    journal,
    clock,
    random: () => 0.5,
    onUnable: (reason) => said.push(reason),
    onAble: () => said.push("able"),
    onRefused: (each) => refused.push(each),
    onLost: (each) => lost.push(each),
  });
  const add = courier.carry<Row>("rows", (rows) => next(rows));
  courier.start();
  return {
    clock,
    courier,
    journal,
    lost,
    refused,
    said,
    written,
    add: (...numbers: readonly number[]) => add(numbers.map(row)),
    behave: (how: typeof next = wellBehaved) => void (next = how),
  };
}

function databaseError(code: string): DatabaseError {
  return Object.assign(new DatabaseError("never shown", 1, "error"), { code });
}

const away = (): Promise<never> => Promise.reject(new AwayError("away"));
/** Lets promises run that wait for no time. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a courier", () => {
  test("of a database that is well keeps nothing", async () => {
    const { add, written, journal } = setUp();
    await add(1, 2);
    expect(ids(written)).toEqual([1, 2]);
    expect(await journal.oldest(1)).toEqual([]);
  });

  test("brings what was refused, as it was, in its order, and asks less and less often", async () => {
    const { add, behave, clock, written, journal } = setUp();
    let asked = 0;
    behave(() => {
      asked++;
      return away();
    });
    await add(1);
    await add(2, 3);
    expect(asked).toBe(2);
    for (let second = 0; second < 60; second++) {
      clock.advance(1000);
      await turns();
    }
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThan(25);
    behave();
    clock.advance(5000);
    await turns();
    expect(written).toEqual([1, 2, 3].map(row));
    expect(await journal.oldest(1)).toEqual([]);
  });

  test("does not wait for a slow write, and brings it once where it succeeds after all", async () => {
    const { add, behave, clock, written, journal } = setUp();
    const slow = Promise.withResolvers<void>();
    behave((rows) => slow.promise.then(() => void written.push(...rows)));
    const added = add(1);
    await turns();
    clock.advance(100);
    await added;
    expect(await journal.oldest(2)).toHaveLength(1);
    clock.advance(10_000);
    await turns();
    slow.resolve();
    await turns();
    clock.advance(10_000);
    await turns();
    expect(ids(written)).toEqual([1]);
    expect(await journal.oldest(1)).toEqual([]);
  });

  test("brings a slow write again where it failed after all", async () => {
    const { add, behave, clock, written } = setUp();
    const slow = Promise.withResolvers<void>();
    behave(() => slow.promise);
    const added = add(1);
    await turns();
    clock.advance(100);
    await added;
    behave();
    slow.reject(new AwayError("away"));
    await turns();
    clock.advance(1000);
    await turns();
    expect(ids(written)).toEqual([1]);
  });

  test("says whether rows of a kind wait, whoever left them", async () => {
    const journal = createMemoryJournal();
    await journal.keep("rows", serialize([row(1)]));
    const { add, behave, clock, courier } = setUp(journal);
    expect([await courier.waits("rows"), await courier.waits("others")]).toEqual([true, false]);
    clock.advance(1000);
    await turns();
    expect(await courier.waits("rows")).toBe(false);
    behave(away);
    await add(2);
    expect(await courier.waits("rows")).toBe(true);
  });

  test("says once that a database which answers takes no rows, and once that it has them", async () => {
    const { add, behave, clock, written, said } = setUp();
    behave(() => Promise.reject(databaseError("53100")));
    await add(1);
    for (let second = 0; second < 20; second++) {
      clock.advance(1000);
      await turns();
    }
    await add(2);
    expect(said).toEqual(["its disk is full"]);
    behave();
    clock.advance(5000);
    await turns();
    expect([ids(written), said]).toEqual([
      [1, 2],
      ["its disk is full", "able"],
    ]);
  });

  test("parts rows that the database will never take from those beside and behind them", async () => {
    const { add, behave, clock, written, lost, journal } = setUp();
    const refuse = (bad: readonly number[]) => (rows: readonly Row[]) => {
      if (rows.some(({ id }) => bad.includes(id))) return Promise.reject(databaseError("22P05"));
      written.push(...rows);
      return Promise.resolve();
    };
    behave(refuse([3, 7, 8]));
    await add(1, 2, 3, 4, 5);
    await add(6, 7, 8);
    await add(9);
    clock.advance(1000);
    await turns();
    expect(ids(written).toSorted((one, other) => one - other)).toEqual([1, 2, 4, 5, 6, 9]);
    expect(await journal.oldest(1)).toEqual([]);
    expect(lost).toMatchObject([
      { kind: "rows", rows: 1 },
      { kind: "rows", rows: 2 },
    ]);
  });

  test("does not take a database that goes away in the middle of that for one that refuses", async () => {
    const { add, behave, clock, written, lost } = setUp();
    let asked = 0;
    behave((rows) => {
      asked++;
      if (asked === 3) return away();
      if (rows.some(({ id }) => id === 2)) return Promise.reject(databaseError("22003"));
      written.push(...rows);
      return Promise.resolve();
    });
    await add(1, 2, 3, 4);
    for (let second = 0; second < 5; second++) {
      clock.advance(1000);
      await turns();
    }
    expect([...new Set(ids(written))].toSorted((one, other) => one - other)).toEqual([1, 3, 4]);
    expect(lost).toMatchObject([{ kind: "rows", rows: 1 }]);
  });

  test("gets by rows that nobody knows, or could make a statement of", async () => {
    const journal = createMemoryJournal();
    await journal.keep("of another version", serialize([row(1)]));
    await journal.keep("rows", Buffer.from("no rows"));
    await journal.keep("rows", serialize([row(2)]));
    const { clock, written, lost } = setUp(journal);
    clock.advance(1000);
    await turns();
    expect([ids(written), lost.map(({ kind, rows }) => [kind, rows])]).toEqual([
      [2],
      [
        ["of another version", 1],
        ["rows", 1],
      ],
    ]);
  });

  test("refuses rows that the journal has no room for, so that they are counted", async () => {
    const { add, behave } = setUp(createMemoryJournal(100));
    behave(away);
    await expect(add(...Array.from({ length: 100 }, (_, at) => at))).rejects.toThrow("too much waits");
  });

  test("at the end brings what it can, and tells what was lost with the memory", async () => {
    const { add, behave, courier, written, lost } = setUp();
    behave(away);
    await add(1);
    behave();
    await courier.close();
    expect(ids(written)).toEqual([1]);
    const second = setUp();
    second.behave(away);
    await second.add(1, 2);
    await second.courier.close();
    expect(second.lost).toMatchObject([{ kind: "rows", rows: 2 }]);
    expect(lost).toEqual([]);
  });
});

describe("a journal in a file", () => {
  const place = (): string => join(folderWith({}), "data", "journal.db");
  const open = async (path: string, pagesMax?: number): Promise<Journal> => {
    const journal = await openFileJournal({ path, pagesMax });
    onTestFinished(() => journal.close());
    return journal;
  };

  test("gives to a later process what an earlier one left, which then is brought once", async () => {
    const path = place();
    const first = setUp(await open(path));
    first.behave(away);
    await first.add(1, 2);
    await first.courier.close();
    const { clock, written, lost, courier, journal } = setUp(await open(path));
    clock.advance(1000);
    await expect.poll(() => ids(written)).toEqual([1, 2]);
    await expect.poll(() => journal.oldest(1)).toEqual([]);
    expect([...first.lost, ...lost]).toEqual([]);
    await courier.close();
  });

  test("sets aside what the database will never take, for whoever looks into it, and counts it once", async () => {
    const path = place();
    const journal = await open(path);
    const { add, behave, clock, refused, written, courier } = setUp(journal);
    behave((rows) => {
      if (rows.some(({ id }) => id === 2)) return Promise.reject(databaseError("23514"));
      written.push(...rows);
      return Promise.resolve();
    });
    await add(1, 2, 3);
    clock.advance(1000);
    await expect.poll(() => journal.oldest(1)).toEqual([]);
    await expect.poll(() => refused).toEqual([{ kind: "rows", rows: 1, reason: "it says 23514" }]);
    expect(ids(written)).toEqual([1, 3]);
    await courier.close();
    const file = new DatabaseSync(path, { readOnly: true });
    onTestFinished(() => file.close());
    const rows = file.prepare("select kind, reason, row from refused").all();
    expect(rows.map((each) => ({ ...each }))).toEqual([{ kind: "rows", reason: "it says 23514", row: `{"id":2,"cost":"${row(2).cost}"}` }]);
  });

  test("is its owner's alone", async () => {
    const path = place();
    await open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("of two processes is two, and what one left behind is taken over by whoever starts next", async () => {
    const path = place();
    const [one, other] = [await open(path), await open(path)];
    await one.keep("rows", Buffer.from("1"));
    await other.keep("rows", Buffer.from("2"));
    expect(existsSync(path.replace("journal.db", "journal-2.db"))).toBe(true);
    await other.close();
    await one.close();
    const next = await open(path);
    expect([await next.holds("rows"), await next.holds("others")]).toEqual([true, false]);
    expect((await next.oldest(9)).map(({ rows }) => Buffer.from(rows).toString())).toEqual(["1", "2"]);
  });

  test("that is full takes no more, and keeps what it has", async () => {
    const journal = await open(place(), 64);
    const rows = Buffer.alloc(20_000);
    let kept = 0;
    await expect(
      (async () => {
        for (; kept < 100; kept++) await journal.keep("rows", rows);
      })(),
    ).rejects.toThrow("the disk is full");
    expect(await journal.oldest(100)).toHaveLength(kept);
  });
});
