/** What every SQL store promises, over each database that there is. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type PolicyRevision, PolicyRevisionSchema } from "../../../src/core/chat.ts";
import type { DecisionQuery, DecisionRow, DecisionStore, PolicyStore, Store } from "../../../src/core/store.ts";
import { createMemoryJournal } from "../../../src/stores/sql/journal.ts";
import { openSqliteStore } from "../../../src/stores/sql/sqlite-store.ts";
import { findPostgres, noPostgres, type TestPostgres } from "../../support/postgres.ts";
import { openPostgres } from "./postgres.ts";

/** A place that is empty, and a store at it. */
interface Database {
  place(this: void): string | Promise<string>;
  open(this: void, place: string): Promise<Store>;
}

const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true }));

let postgres: TestPostgres | undefined;
beforeAll(async () => {
  if (noPostgres === undefined) postgres = await findPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

const databases: readonly (Database & { readonly name: string; readonly why?: string | undefined })[] = [
  { name: "SQLite", place: () => join(folder, `${files++}.db`), open: (path) => openSqliteStore({ path }) },
  {
    name: "PostgreSQL",
    why: noPostgres,
    place: () => postgres?.createDatabase() ?? Promise.reject(new Error("none was started")),
    // Without room in its journal it waits for the database, however slow the machine is.
    open: (url) => openPostgres({ url, journal: createMemoryJournal(0) }),
  },
];

function row(number: number, init: Partial<DecisionRow> = {}): DecisionRow {
  const id = `id-${String(number).padStart(6, "0")}`;
  return { id, wall: number, key: "k", model: "m", providers: ",a,", failed: false, retried: false, requestId: id, text: id, ...init };
}

const all: DecisionQuery = { limit: 100_000 };

for (const { name, why, place, open: openAt } of databases) {
  describe.skipIf(why !== undefined)(`in ${name}`, () => {
    const open = async (at: string): Promise<Store & { decisions: DecisionStore; policies: PolicyStore }> => {
      const { decisions, policies, ...rest } = await openAt(at);
      if (decisions === undefined || policies === undefined) throw new Error("nothing lasts");
      onTestFinished(() => rest.close());
      return { ...rest, decisions, policies };
    };
    const fresh = async () => open(await place());

    describe("decisions", () => {
      test("are there after the store is opened again, each once, newest first", async () => {
        const at = await place();
        const first = await open(at);
        await first.decisions.add([row(1), row(3), row(2)]);
        await first.decisions.add([row(3), row(4)]);
        await first.close();
        const second = await open(at);
        expect(await second.decisions.list(all)).toEqual([4, 3, 2, 1].map((number) => row(number).id));
        expect(await second.decisions.find(row(2).id)).toBe(row(2).text);
        expect(await second.decisions.find("nobody")).toBeUndefined();
      });

      test("of many at once are all kept", async () => {
        const { decisions } = await fresh();
        await decisions.add(Array.from({ length: 1234 }, (_, number) => row(number)));
        expect(await decisions.list(all)).toHaveLength(1234);
      });

      let asked: Store;
      beforeAll(async () => {
        asked = await openAt(await place());
        await asked.decisions?.add(rows.map((each) => ({ ...each, text: each.id })));
        return () => asked.close();
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
        { query: { provider: "C" }, found: [] },
        { query: { provider: "%" }, found: [] },
        { query: { requestId: "r" }, found: ["id-000005"] },
        { query: { sinceWall: 3.5 }, found: ["id-x", "id-000005", "id-000004"] },
        { query: { sinceWall: 4 }, found: ["id-x", "id-000005", "id-000004"] },
        { query: { untilWall: 1.5 }, found: ["id-000001"] },
        { query: { untilWall: 2 }, found: ["id-000001"] },
        { query: { limit: 2 }, found: ["id-x", "id-000005"] },
        { query: { after: { wall: 5, id: "id-x" }, limit: 2 }, found: ["id-000005", "id-000004"] },
        { query: { model: "' or 1=1 --" }, found: [] },
      ])("are found by $query", async ({ query, found }) => {
        expect(await asked.decisions?.list({ ...all, ...query })).toEqual(found);
      });

      test("that are too old go, oldest first, so many at a time", async () => {
        const { decisions } = await fresh();
        await decisions.add([1, 2, 3, 4, 5].map((number) => row(number)));
        expect(await decisions.prune(4, 2)).toBe(2);
        expect(await decisions.list(all)).toEqual([5, 4, 3].map((number) => row(number).id));
        expect([await decisions.prune(4, 2), await decisions.prune(4, 2)]).toEqual([1, 0]);
      });

      test("are kept whatever characters a caller has put into them", async () => {
        const { decisions } = await fresh();
        await decisions.add([row(1, { model: "a\0b\ud800😀'\"\\", text: "one" }), row(2, { text: "two" })]);
        expect(await decisions.list(all)).toEqual(["two", "one"]);
      });

      test("of today's clock, which needs more than 32 bits, are found by it", async () => {
        const { decisions } = await fresh();
        const wall = Date.UTC(2026, 0, 1);
        await decisions.add([row(1, { wall }), row(2, { wall: wall + 1 })]);
        expect(await decisions.list({ ...all, sinceWall: wall + 1 })).toEqual([row(2).id]);
      });
    });

    test("policies of long ago are forgotten beyond a thousand, but for the one in force, however many canaries came and went", async () => {
      const { policies } = await fresh();
      await policies.save({ revisions: [revision(2n), revision(1n)], active: 2n, canary: undefined, fileText: "f" });
      const canaries = Array.from({ length: 1100 }, (_, n) => revision(BigInt(1102 - n)));
      await policies.save({ revisions: canaries, active: 2n, canary: 1102n, fileText: "f" });
      const kept = await policies.load();
      expect(kept?.revisions).toHaveLength(1001);
      expect([kept?.revisions[0]?.number, kept?.revisions.at(-1)?.number, kept?.active]).toEqual([1102n, 2n, 2n]);
    });

    test("policies come back as they were, newest first", async () => {
      const at = await place();
      const first = await open(at);
      expect(await first.policies.load()).toBeUndefined();
      await first.policies.save({ revisions: [revision(1n)], active: 1n, canary: undefined, fileText: "f" });
      await first.policies.save({ revisions: [revision(3n), revision(2n), revision(1n)], active: 2n, canary: 3n, fileText: "g" });
      await first.close();
      const { policies } = await open(at);
      expect(await policies.load()).toEqual({ revisions: [3n, 2n, 1n].map(revision), active: 2n, canary: 3n, fileText: "g" });
    });
  });
}

function revision(number: bigint): PolicyRevision {
  const policy = { kind: { case: "leastBusy", value: {} } } as const;
  return create(PolicyRevisionSchema, { number, revision: `r${number}`, author: "ann", share: 1, policy });
}
