import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { AttemptKind, type Usage, usageOf } from "../../src/core/chat.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { openJournal } from "../../src/stores/journal.ts";
import { createLedgerLog } from "../../src/stores/ledger-log.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { folderWith } from "../config/workspace.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { attempt, call, record, target } from "../telemetry/records.ts";

/** A ledger in memory that does as it is told, behind a real journal. */
async function setUp({ path = join(folderWith({}), "x.ledger"), bytesMax }: { path?: string; bytesMax?: number } = {}) {
  const clock = createFakeClock();
  const memory = createMemoryLedger();
  const state: { broken: boolean; gate: Promise<void> | undefined; pruned: number[] } = { broken: false, gate: undefined, pruned: [] };
  const told: string[] = [];
  const log = createLedgerLog({
    clock,
    store: {
      ...memory,
      async add(entries) {
        await state.gate;
        if (state.broken) throw new Error("the disk is full");
        await memory.add(entries);
      },
      prune(beforeWall) {
        state.pruned.push(beforeWall);
        return Promise.resolve(0);
      },
    },
    journal: await openJournal({ path, bytesMax, onDamage: () => told.push("damage") }),
    keepMs: 3_600_000,
    onAway: () => told.push("away"),
    onBack: () => told.push("back"),
    onFull: () => told.push("full"),
    onRoom: () => told.push("room"),
    onLost: () => told.push("lost"),
    onFound: () => told.push("found"),
  });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= log.close());
  onTestFinished(close);
  const at = target("openai", "gpt");
  const ended = (id: string, usage: Usage | undefined = usageOf(1, 1)): void =>
    log.observer.ended(record({ call: call({ id }), attempts: [attempt(at, { id: `${id}.1`, usage })] }));
  const kept = async (): Promise<string[]> => (await memory.list({ limit: 100_000 })).map((row) => row.call).toSorted();
  /** Lets timers pass and real work be done, until it is so. */
  const until = (isSo: () => Promise<boolean> | boolean): Promise<void> =>
    expect
      .poll(async () => {
        clock.advance(1000);
        return isSo();
      })
      .toBe(true);
  return { clock, log, close, ended, kept, until, state, told, path, at };
}

describe("a call that ended", () => {
  test("is in the ledger at once for whoever asks", async () => {
    const { log, ended } = await setUp();
    ended("c1");
    expect((await log.list({ limit: 10 })).map((row) => row.call)).toEqual(["c1"]);
    ended("c2");
    expect(await log.usage({ groupBy: [] })).toMatchObject([{ calls: 2, inputTokens: 2 }]);
    ended("c3");
    expect(await log.spentSince("cfg_team-a", 0)).toBe(36_000_000n);
  });

  test("waits for an attempt that is a moment behind it, and for no longer than some seconds", async () => {
    const { clock, log, at, until } = await setUp();
    const lost = attempt(at, { id: "c.2", kind: AttemptKind.HEDGE, won: false, endMs: undefined });
    log.observer.ended(record({ call: call({ id: "c" }), attempts: [attempt(at, { id: "c.1" }), lost] }));
    expect(await log.list({ limit: 10 })).toEqual([]);
    lost.usage = { ...usageOf(5, 0), estimated: true };
    lost.endMs = 1102;
    clock.advance(20);
    expect((await log.list({ limit: 10 })).map((row) => row.attempt.usage?.estimated)).toEqual([true, undefined]);

    const stuck = attempt(at, { id: "d.1", won: false, endMs: undefined });
    log.observer.ended(record({ call: call({ id: "d" }), endMs: clock.now(), attempts: [stuck] }));
    expect(await log.list({ call: "d", limit: 10 })).toEqual([]);
    await until(async () => (await log.list({ call: "d", limit: 10 })).length === 1);
  });

  test("is charged to its key together with its copies", async () => {
    const { log, at, ended } = await setUp();
    ended("c");
    log.observer.shadowed?.(call({ id: "c" }), attempt(at, { id: "c.shadow1", kind: AttemptKind.SHADOW, usage: usageOf(1, 1) }));
    expect(await log.usage({ groupBy: ["key"] })).toMatchObject([{ group: ["cfg_team-a"], calls: 1, inputTokens: 2, pico: 24_000_000n }]);
  });
});

describe("a store that does not take rows", () => {
  test("gets all of them when it does again, each once, from the journal", async () => {
    const { log, ended, kept, until, state, told } = await setUp();
    ended("a");
    await log.list({ limit: 1 });
    state.broken = true;
    for (const id of ["b", "c", "d"]) {
      ended(id);
      await log.list({ limit: 1 });
    }
    expect(told).toEqual(["away"]);
    expect(log.journalBytes()).toBeGreaterThan(0);
    // A budget must not take what the store knows for all there is.
    await expect(log.spentSince("cfg_team-a", 0)).rejects.toThrow("the ledger is behind");
    state.broken = false;
    await until(() => log.journalBytes() === 0);
    expect(await kept()).toEqual(["a", "b", "c", "d"]);
    expect({ told, lost: log.lost() }).toEqual({ told: ["away", "back"], lost: 0 });
    ended("e");
    await log.list({ limit: 1 });
    expect(await kept()).toEqual(["a", "b", "c", "d", "e"]);
    expect(await log.spentSince("cfg_team-a", 0)).toBe(60_000_000n);
  });

  test("leaves them to the next process where this one ends", async () => {
    const first = await setUp();
    first.state.broken = true;
    first.ended("a");
    first.ended("b");
    await first.close();
    expect(first.log.lost()).toBe(0);
    const second = await setUp({ path: first.path });
    await second.until(() => second.log.journalBytes() === 0);
    expect(await second.kept()).toEqual(["a", "b"]);
  });

  test("that is only slow has them in the journal after a moment, and counts none twice", async () => {
    const { clock, log, ended, kept, until, state, told } = await setUp();
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    ended("a");
    await until(() => log.journalBytes() > 0);
    ended("b");
    clock.advance(10);
    gate.resolve();
    await until(() => log.journalBytes() === 0);
    await until(async () => (await kept()).length === 2);
    expect(await kept()).toEqual(["a", "b"]);
    expect(await log.usage({ groupBy: [] })).toMatchObject([{ calls: 2, pico: 24_000_000n }]);
    expect(told).toEqual([]);
  });

  test("and hangs for ever does not keep the process from ending", async () => {
    const { clock, log, close, ended, until, state } = await setUp();
    state.gate = new Promise(() => {});
    ended("a");
    await until(() => log.journalBytes() > 0);
    let over = false;
    void close().then(() => (over = true));
    await until(() => over);
    expect([log.lost(), clock.pending()]).toEqual([0, 0]);
  });

  test("and a full journal lose rows, but not without a word and not before memory is full", async () => {
    const { clock, log, ended, state, told } = await setUp({ bytesMax: 2000 });
    state.broken = true;
    for (let each = 0; each < 15_000; each++) ended(`c${each}`);
    clock.advance(10);
    await log.list({ limit: 1 });
    expect([told, log.lost(), log.takes()]).toEqual([["away", "full"], 0, false]);
    for (let each = 15_000; each < 25_000; each++) ended(`c${each}`);
    clock.advance(10);
    await log.list({ limit: 1 });
    expect(told).toEqual(["away", "full", "lost"]);
    expect(log.lost()).toBeGreaterThanOrEqual(4500);
    expect(log.journalBytes()).toBeLessThanOrEqual(2000);
  });
});

test("what is older than it is to be kept is forgotten, again and again, until the end", async () => {
  const { clock, log, close, state } = await setUp();
  await log.list({ limit: 1 });
  expect(state.pruned).toEqual([clock.wall() - 3_600_000]);
  clock.advance(60_000);
  await log.list({ limit: 1 });
  expect(state.pruned).toHaveLength(2);
  await close();
  expect(clock.pending()).toBe(0);
});

test("whether rows have a place is told at once when they have none, and when they have one again, and none is lost", async () => {
  const { clock, log, ended, state, told, kept, until } = await setUp({ bytesMax: 10 });
  ended("c1");
  await log.list({ limit: 1 });
  expect(log.takes()).toBe(true);
  state.broken = true;
  for (const id of ["c2", "c3"]) ended(id);
  clock.advance(10);
  await log.list({ limit: 1 });
  expect([log.takes(), told]).toEqual([false, ["away", "full"]]);
  state.broken = false;
  await until(() => log.takes());
  expect([await kept(), told, log.lost()]).toEqual([["c1", "c2", "c3"], ["away", "full", "back", "room"], 0]);
});

describe("a ledger in memory", () => {
  const entry = (id: string, wall: number, more: Partial<LedgerEntry> = {}): string =>
    JSON.stringify({ id, key: "k", wall, day: 0, prices: "", attempts: [{ id: `${id}.1`, usage: { pico: "5" } }], ...more });

  test("holds the newest so many, and what was spent beyond them", async () => {
    const ledger = createMemoryLedger(2);
    await ledger.add([entry("a", 1), entry("b", 2), entry("c", 3)]);
    expect((await ledger.list({ limit: 10 })).map((row) => row.call)).toEqual(["c", "b"]);
    expect(await ledger.spentSince("k", 0)).toBe(15n);
  });
});
