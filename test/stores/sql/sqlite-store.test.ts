import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type PolicyRevision, PolicyRevisionSchema } from "../../../src/core/chat.ts";
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

describe("decisions", () => {
  test("are there after the file is opened again, each once, newest first", async () => {
    const path = file();
    const first = await open(path);
    await first.decisions.add([row(1), row(3), row(2)]);
    await first.decisions.add([row(3), row(4)]);
    await first.close();
    const second = await open(path);
    expect(await second.decisions.list(all)).toEqual([4, 3, 2, 1].map((number) => row(number).id));
    expect(await second.decisions.find(row(2).id)).toBe(row(2).text);
    expect(await second.decisions.find("nobody")).toBeUndefined();
  });

  test("of many at once are all kept", async () => {
    const { decisions } = await open(file());
    await decisions.add(Array.from({ length: 1234 }, (_, number) => row(number)));
    expect(await decisions.list(all)).toHaveLength(1234);
  });

  let asked: Store;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
    asked = await openSqliteStore({ path: join(folder, "x.db") });
    await asked.decisions?.add(rows.map((each) => ({ ...each, text: each.id })));
    return async () => {
      await asked.close();
      rmSync(folder, { recursive: true });
    };
  });
  const rows = [
    row(1, { key: "x" }),
    row(2, { model: "n", failed: true }),
    row(3, { retried: true, providers: ",a_b,c," }),
    row(4, { providers: ",a-b," }),
    row(5, { requestId: "r" }),
    row(5, { id: "id-x" }),
  ];
  test.for<{ query: Partial<DecisionQuery>; found: readonly string[] }>([
    { query: { key: "x" }, found: ["id-000001"] },
    { query: { model: "n" }, found: ["id-000002"] },
    { query: { failed: true }, found: ["id-000002"] },
    { query: { retried: true }, found: ["id-000003"] },
    { query: { provider: "a_b" }, found: ["id-000003"] },
    { query: { provider: "c" }, found: ["id-000003"] },
    { query: { provider: "%" }, found: [] },
    { query: { requestId: "r" }, found: ["id-000005"] },
    { query: { sinceWall: 4 }, found: ["id-x", "id-000005", "id-000004"] },
    { query: { untilWall: 2 }, found: ["id-000001"] },
    { query: { limit: 2 }, found: ["id-x", "id-000005"] },
    { query: { after: { wall: 5, id: "id-x" }, limit: 2 }, found: ["id-000005", "id-000004"] },
    { query: { model: "' or 1=1 --" }, found: [] },
  ])("are found by $query", async ({ query, found }) => {
    expect(await asked.decisions?.list({ ...all, ...query })).toEqual(found);
  });

  test("that are too old go, oldest first, so many at a time", async () => {
    const { decisions } = await open(file());
    await decisions.add([1, 2, 3, 4, 5].map((number) => row(number)));
    expect(await decisions.prune(4, 2)).toBe(2);
    expect(await decisions.list(all)).toEqual([5, 4, 3].map((number) => row(number).id));
    expect([await decisions.prune(4, 2), await decisions.prune(4, 2)]).toEqual([1, 0]);
  });

  test("that do not fit on the disk are refused whole, and those before stay", async () => {
    const { decisions } = await open(file(), 40);
    const large = { text: "x".repeat(40_000) };
    await decisions.add([row(1)]);
    await expect(decisions.add(Array.from({ length: 50 }, (_, number) => row(10 + number, large)))).rejects.toThrow("the disk is full");
    expect(await decisions.list(all)).toEqual([row(1).id]);
  });
});

describe("policies", () => {
  const revision = (number: bigint): PolicyRevision =>
    create(PolicyRevisionSchema, {
      number,
      revision: `r${number}`,
      author: "ann",
      share: 1,
      policy: { kind: { case: "leastBusy", value: {} } },
    });

  test("come back as they were, newest first", async () => {
    const path = file();
    const first = await open(path);
    expect(await first.policies.load()).toBeUndefined();
    await first.policies.save({ revisions: [revision(1n)], active: 1n, canary: undefined, fileText: "f" });
    await first.policies.save({ revisions: [revision(3n), revision(2n), revision(1n)], active: 2n, canary: 3n, fileText: "g" });
    await first.close();
    const { policies } = await open(path);
    expect(await policies.load()).toEqual({ revisions: [3n, 2n, 1n].map(revision), active: 2n, canary: 3n, fileText: "g" });
  });
});

describe("policies of long ago", () => {
  test("are forgotten beyond a thousand, but for the one in force, however many canaries came and went", async () => {
    const { policies } = await open(file());
    const revision = (number: bigint, share = 0.5): PolicyRevision =>
      create(PolicyRevisionSchema, { number, revision: `r${number}`, share });
    await policies.save({ revisions: [revision(2n, 1), revision(1n, 1)], active: 2n, canary: undefined, fileText: "f" });
    const canaries = Array.from({ length: 1100 }, (_, n) => revision(BigInt(1102 - n)));
    await policies.save({ revisions: canaries, active: 2n, canary: 1102n, fileText: "f" });
    const kept = await policies.load();
    expect(kept?.revisions).toHaveLength(1001);
    expect([kept?.revisions[0]?.number, kept?.revisions.at(-1)?.number, kept?.active]).toEqual([1102n, 2n, 2n]);
  });
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
    writeFileSync(path, bytes.fill(0xa5, 4096 * 20));
    const { decisions } = await open(path);
    await expect(decisions.list(all)).rejects.toThrow(/^the file is damaged/);
  });
});
