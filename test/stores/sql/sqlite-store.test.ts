import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import type { DecisionQuery, DecisionRow, DecisionStore, PolicyStore, Store } from "../../../src/core/store.ts";
import { openSqliteStore } from "../../../src/stores/sql/sqlite-store.ts";
import { folderWith } from "../../config/workspace.ts";

async function open(path: string, pagesMax?: number): Promise<Store & { decisions: DecisionStore; policies: PolicyStore }> {
  const { decisions, policies, ...rest } = await openSqliteStore({ path, pagesMax });
  if (decisions === undefined || policies === undefined) throw new Error("nothing lasts");
  onTestFinished(() => rest.close());
  return { ...rest, decisions, policies };
}

function row(number: number, init: Partial<DecisionRow> = {}): DecisionRow {
  const id = `id-${String(number).padStart(6, "0")}`;
  return { id, wall: number, key: "k", model: "m", providers: ",a,", failed: false, retried: false, requestId: id, text: id, ...init };
}

const file = (): string => join(folderWith({}), "data", "semaroute.db");
const all: DecisionQuery = { limit: 100_000 };

test("decisions that do not fit on the disk are refused whole, and those before stay", async () => {
  const { decisions } = await open(file(), 40);
  const large = { text: "x".repeat(40_000) };
  await decisions.add([row(1)]);
  await expect(decisions.add(Array.from({ length: 50 }, (_, number) => row(10 + number, large)))).rejects.toThrow("the disk is full");
  expect(await decisions.list(all)).toEqual([row(1).id]);
});

describe("the file", () => {
  test("is its owner's alone, as is its folder", async () => {
    const path = file();
    await open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  });

  test("that is open is refused to a second one, and given once it is closed", async () => {
    const path = file();
    const first = await open(path);
    await expect(openSqliteStore({ path })).rejects.toThrow(/^another process has it open/);
    await first.close();
    await open(path);
  });

  test("that is no database is refused, and left as it is", async () => {
    const path = join(folderWith({ "x.db": "this is a text, and long enough to be taken for a header of something".repeat(20) }), "x.db");
    const before = readFileSync(path, "utf8");
    await expect(openSqliteStore({ path })).rejects.toThrow(/^the file is not a SQLite database/);
    expect(readFileSync(path, "utf8")).toBe(before);
  });

  test("of a later version is refused", async () => {
    const path = file();
    await (await open(path)).close();
    const database = new DatabaseSync(path);
    database.exec("insert into kysely_migration (name, timestamp) values ('9999-later', '2030')");
    database.close();
    await expect(openSqliteStore({ path })).rejects.toThrow("it was written by a later version of semaroute");
  });

  test.each([
    { place: "a file for a folder", path: () => join(folderWith({ a: "" }), "a", "x.db"), reason: /not a folder|cannot be written/ },
    { place: "a folder", path: () => folderWith({}), reason: /it is a folder/ },
  ])("at $place is refused as unwritable", async ({ path, reason }) => {
    await expect(openSqliteStore({ path: path() })).rejects.toMatchObject({ unwritable: true, message: expect.stringMatching(reason) });
  });

  test("that is damaged inside says so, and does not hang", async () => {
    const path = file();
    const first = await open(path);
    await first.decisions.add(Array.from({ length: 500 }, (_, number) => row(number, { text: "y".repeat(3000) })));
    await first.close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xa5, 4096 * 40));
    const { decisions } = await open(path);
    await expect(decisions.list(all)).rejects.toThrow(/^the file is damaged/);
  });
});
