import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { AttemptKind } from "../../../src/core/chat.ts";
import type { LedgerEntry, LedgerStore, UsageDimension } from "../../../src/core/ledger.ts";
import { createMemoryLedger } from "../../../src/stores/memory-ledger.ts";
import { openSqlite } from "../../../src/stores/sql/node-sqlite.ts";
import { createSqlLedger } from "../../../src/stores/sql/sql-ledger.ts";
import { folderWith } from "../../config/workspace.ts";

async function sqlLedger(pagesMax?: number): Promise<LedgerStore> {
  const db = await openSqlite({ path: join(folderWith({}), "x.db"), pagesMax });
  onTestFinished(() => db.destroy());
  return createSqlLedger(db);
}

const dayMs = 86_400_000;
const day = 20_000;

type Attempt = LedgerEntry["attempts"][number];

function attempt(id: string, more: Partial<Attempt> = {}): Attempt {
  return {
    id,
    provider: "p",
    model: "m",
    kind: AttemptKind.PRIMARY,
    wall: day * dayMs,
    ms: 12.25,
    status: 200,
    reason: 0,
    text: "",
    upstreamId: "up",
    won: true,
    usage: { inputTokens: 10, outputTokens: 2, totalTokens: 12, estimated: false, pico: "1500001" },
    ...more,
  };
}

const settled = { asked: "auto", failed: false, hit: false, provider: "p", model: "m" };

function entry(id: string, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return { id, key: "k", wall: day * dayMs, day, prices: "v1", call: settled, attempts: [attempt(`${id}.1`)], ...more };
}

const texts = (...entries: readonly LedgerEntry[]): string[] => entries.map((each) => JSON.stringify(each));

describe.each([
  { name: "the SQL ledger", open: () => sqlLedger() },
  { name: "the ledger in memory", open: () => Promise.resolve(createMemoryLedger()) },
])("$name", ({ open }) => {
  test("gives rows back as they came", async () => {
    const ledger = await open();
    const unused = attempt("a.1", { won: false, status: 0, reason: 14 });
    delete (unused as { usage?: unknown }).usage;
    const rich = attempt("a.2", {
      kind: AttemptKind.FAILOVER,
      usage: { inputTokens: 5, outputTokens: 1, totalTokens: 6, cacheReadTokens: 0, inputAudioTokens: 3, webSearches: 2, estimated: true },
    });
    await ledger.add(texts(entry("a", { attempts: [unused, rich] })));
    const row = { call: "a", key: "k", wall: day * dayMs, prices: "v1" };
    expect(await ledger.list({ limit: 10 })).toEqual([
      { ...row, attempt: rich },
      { ...row, attempt: unused },
    ]);
  });

  test("takes each row once, and sums only what it takes", async () => {
    const ledger = await open();
    const batch = texts(entry("a"), entry("b"));
    await ledger.add(batch);
    await ledger.add([...batch, ...texts(entry("c"))]);
    expect(await ledger.list({ limit: 10 })).toHaveLength(3);
    expect(await ledger.usage({ groupBy: [] })).toMatchObject([{ calls: 3, pico: 4_500_003n }]);
    expect(await ledger.spentSince("k", 0)).toBe(4_500_003n);
  });

  test("says what a key has spent since a day, by the day on which its calls arrived", async () => {
    const ledger = await open();
    const wall = (day + 1) * dayMs + 5;
    await ledger.add(texts(entry("a", { wall }), entry("b", { day: day + 1, wall }), entry("c", { key: "x" })));
    expect(await ledger.spentSince("k", 0)).toBe(3_000_002n);
    expect(await ledger.spentSince("k", day * dayMs + 7)).toBe(3_000_002n);
    expect(await ledger.spentSince("k", (day + 1) * dayMs)).toBe(1_500_001n);
    expect(await ledger.spentSince("nobody", 0)).toBe(0n);
  });

  test("forgets rows that are too old, and not what was spent", async () => {
    const ledger = await open();
    await ledger.add(
      texts(entry("a", { wall: 1 }), entry("b", { wall: 2 }), entry("c", { wall: 3, attempts: [] }), entry("d", { wall: 4 })),
    );
    expect(await ledger.prune(4, 2)).toBe(2);
    expect((await ledger.list({ limit: 10 })).map(({ call }) => call)).toEqual(["d"]);
    expect(await ledger.prune(4, 2)).toBe(1);
    expect(await ledger.prune(4, 2)).toBe(0);
    expect(await ledger.usage({ groupBy: [] })).toMatchObject([{ calls: 1 }]);
    expect(await ledger.spentSince("k", 0)).toBe(4_500_003n);
  });

  test("lists the newest first, page by page, and what is asked for", async () => {
    const ledger = await open();
    await ledger.add(
      texts(
        entry("a", { wall: 1, attempts: [attempt("a.1"), attempt("a.2")] }),
        entry("b", { wall: 2, key: "x" }),
        entry("c", { wall: 2 }),
        entry("d", { wall: 3 }),
      ),
    );
    const ids = async (query: object): Promise<string[]> => (await ledger.list({ limit: 10, ...query })).map((row) => row.attempt.id);
    expect(await ids({})).toEqual(["d.1", "c.1", "b.1", "a.2", "a.1"]);
    expect(await ids({ limit: 2 })).toEqual(["d.1", "c.1"]);
    expect(await ids({ limit: 2, after: { wall: 2, id: "c.1" } })).toEqual(["b.1", "a.2"]);
    expect(await ids({ after: { wall: 1, id: "a.2" } })).toEqual(["a.1"]);
    expect(await ids({ key: "x" })).toEqual(["b.1"]);
    expect(await ids({ call: "a" })).toEqual(["a.2", "a.1"]);
    expect(await ids({ sinceWall: 2, untilWall: 3 })).toEqual(["c.1", "b.1"]);
  });

  const many = [
    entry("a", {
      key: "k1",
      attempts: [attempt("a.1", { won: false, status: 500, reason: 14 }), attempt("a.2", { provider: "q", model: "n" })],
    }),
    entry("b", { key: "k2", wall: (day + 1) * dayMs, call: { ...settled, failed: true } }),
    entry("c", { key: "k1", call: { ...settled, hit: true, provider: "q", model: "n" }, attempts: [] }),
    entry("d", { key: "k1", call: { ...settled, failed: true, provider: "", model: "" }, attempts: [] }),
    entry("e", {
      key: "k2",
      attempts: [attempt("e.1", { usage: { inputTokens: 1, outputTokens: 0, totalTokens: 1, cacheReadTokens: 1, estimated: true } })],
    }),
  ];
  test.each<{ groupBy: UsageDimension[]; rows: unknown[][] }>([
    { groupBy: [], rows: [[5, 2, 1, 31, 4_500_003n, 1, 1]] },
    {
      groupBy: ["key"],
      rows: [
        ["k1", 3, 1, 1, 20, 3_000_002n, 0, 0],
        ["k2", 2, 1, 0, 11, 1_500_001n, 1, 1],
      ],
    },
    {
      groupBy: ["provider", "model"],
      rows: [
        ["p", "m", 3, 1, 0, 21, 3_000_002n, 1, 1],
        ["q", "n", 1, 0, 1, 10, 1_500_001n, 0, 0],
        ["", "", 1, 1, 0, 0, 0n, 0, 0],
      ],
    },
    {
      groupBy: ["day", "key"],
      rows: [
        ["2024-10-04", "k1", 3, 1, 1, 20, 3_000_002n, 0, 0],
        ["2024-10-05", "k2", 1, 1, 0, 10, 1_500_001n, 0, 0],
        ["2024-10-04", "k2", 1, 0, 0, 1, 0n, 1, 1],
      ],
    },
  ])("sums by $groupBy, the dearest first", async ({ groupBy, rows }) => {
    const ledger = await open();
    await ledger.add(texts(...many));
    const found = await ledger.usage({ groupBy });
    expect(
      found.map((row) => [...row.group, row.calls, row.failedCalls, row.cacheHits, row.inputTokens, row.pico, row.unpriced, row.estimated]),
    ).toEqual(rows);
  });

  test("sums what one key used in a time", async () => {
    const ledger = await open();
    await ledger.add(texts(...many));
    expect(await ledger.usage({ groupBy: [], key: "k2", untilWall: (day + 1) * dayMs })).toMatchObject([{ calls: 1, inputTokens: 1 }]);
    expect(await ledger.usage({ groupBy: ["key"], sinceWall: (day + 2) * dayMs })).toEqual([]);
  });

  test("a copy is among the sums, and is no call, and nothing that its key has spent", async () => {
    const ledger = await open();
    const { call: _call, ...copy } = entry("a", { attempts: [attempt("a.shadow1", { kind: AttemptKind.SHADOW })] });
    await ledger.add(texts(copy, entry("a")));
    expect(await ledger.usage({ groupBy: [] })).toMatchObject([{ calls: 1, pico: 3_000_002n }]);
    expect(await ledger.spentSince("k", 0)).toBe(1_500_001n);
  });
});

describe("the SQL ledger", () => {
  test("sums exactly where JavaScript's numbers do not", async () => {
    const ledger = await sqlLedger();
    const usage = { inputTokens: 4_294_967_295, outputTokens: 0, totalTokens: 0, estimated: false, pico: "9007199254740993" };
    await ledger.add(texts(...Array.from({ length: 300 }, (_, n) => entry(`c${n}`, { attempts: [attempt(`c${n}.1`, { usage })] }))));
    expect(await ledger.spentSince("k", 0)).toBe(300n * 9_007_199_254_740_993n);
    expect(await ledger.usage({ groupBy: [] })).toMatchObject([{ pico: 300n * 9_007_199_254_740_993n, inputTokens: 300 * 4_294_967_295 }]);
  });

  test("is not stopped by a vendor that tells more tokens than there is money", async () => {
    const ledger = await sqlLedger();
    const usage = { inputTokens: 1, outputTokens: 0, totalTokens: 0, estimated: false, pico: String(2n ** 80n) };
    await ledger.add(texts(entry("a", { attempts: [attempt("a.1", { usage })] }), entry("b")));
    expect((await ledger.list({ limit: 10 }))[1]?.attempt.usage?.pico).toBe(String(2n ** 80n));
    expect(await ledger.spentSince("k", 0)).toBeGreaterThan(10n ** 18n);
  });

  test("takes names with any characters", async () => {
    const ledger = await sqlLedger();
    await ledger.add(texts(entry("a", { call: { ...settled, model: "x\0'\"; drop table ledger_calls --\u{1f600}" } })));
    expect(await ledger.usage({ groupBy: ["model"] })).toMatchObject([
      { group: ["m"] },
      { group: ["x\ufffd'\"; drop table ledger_calls --😀"] },
    ]);
  });

  test("takes a batch whole or not at all", async () => {
    const ledger = await sqlLedger(60);
    await ledger.add(texts(entry("a")));
    const large = Array.from({ length: 500 }, (_, n) => entry(`c${n}`, { prices: "v".repeat(1000) }));
    await expect(ledger.add(texts(...large))).rejects.toThrow();
    expect(await ledger.list({ limit: 1000 })).toHaveLength(1);
    expect(await ledger.spentSince("k", 0)).toBe(1_500_001n);
    expect(await ledger.usage({ groupBy: [] })).toMatchObject([{ calls: 1 }]);
  });
});
