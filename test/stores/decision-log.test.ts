import { describe, expect, test } from "vitest";
import type { DecisionRow, DecisionStore } from "../../src/core/store.ts";
import { decisionMessage } from "../../src/core/decision-message.ts";
import { createDecisionLog } from "../../src/stores/decision-log.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { facts } from "../policies/candidates.ts";
import { healthy } from "../support/health.ts";
import { canaries, record, target } from "../telemetry/records.ts";

/** A store that does as it is told. */
function fakeStore() {
  const rows: DecisionRow[] = [];
  const state: { broken: boolean; gate: Promise<void> | undefined; writes: number; pruned: number[] } = {
    broken: false,
    gate: undefined,
    writes: 0,
    pruned: [],
  };
  const store: DecisionStore = {
    async add(batch) {
      state.writes++;
      await state.gate;
      if (state.broken) throw new Error("the disk is full");
      rows.push(...batch);
    },
    list: () => (state.broken ? Promise.reject(new Error("broken")) : Promise.resolve(rows.map(({ text }) => text))),
    find: (id) => Promise.resolve(rows.find((row) => row.id === id)?.text),
    prune: (beforeWall) => {
      state.pruned.push(beforeWall);
      return Promise.resolve(0);
    },
  };
  return { store, rows, state };
}

function setUp({ withStore = true, ringMax = 10 } = {}) {
  const clock = createFakeClock();
  const fake = fakeStore();
  const lost: unknown[] = [];
  const found: number[] = [];
  const log = createDecisionLog({
    clock,
    replica: "here",
    store: withStore ? fake.store : undefined,
    keepMs: 3_600_000,
    ringMax,
    onLost: (cause) => lost.push(cause),
    onFound: (count) => found.push(count),
  });
  const ended = (id: string): void => log.observer.ended(record({ call: { ...record().call, id } }));
  return { clock, log, ended, lost, found, ...fake };
}

const list = { limit: 1000 };

describe("a call that ended", () => {
  test("costs no write of its own: many are written at once", async () => {
    const { clock, log, ended, rows, state } = setUp();
    for (let each = 0; each < 100; each++) ended(`c${each}`);
    expect(state.writes).toBe(0);
    clock.advance(100);
    await log.close();
    expect(rows).toHaveLength(100);
    expect(state.writes).toBe(1);
  });

  test("can be found at once, without waiting for the timer", async () => {
    const { log, ended } = setUp();
    ended("c1");
    expect(await log.find("c1")).toMatchObject({ id: "c1", replica: "here" });
    expect(await log.find("c2")).toBeUndefined();
  });

  test("leaves nothing of what was said", async () => {
    const { log, ended, rows } = setUp();
    ended("c1");
    await log.close();
    for (const canary of canaries) expect(rows[0]?.text).not.toContain(canary);
    const [decision] = await log.list(list);
    expect(decision).toBeDefined();
    if (decision !== undefined)
      expect(decisionMessage(decision)).toMatchObject({ id: "c1", keyId: expect.any(String), model: expect.any(String) });
  });
});

describe("memory", () => {
  test("holds the newest so many, and no more", async () => {
    const { log, ended } = setUp({ withStore: false, ringMax: 3 });
    for (const id of ["a", "b", "c", "d", "e"]) ended(id);
    expect((await log.list(list)).map(({ id }) => id)).toEqual(["e", "d", "c"]);
  });

  test("forgets what is too old", async () => {
    const { clock, log, ended } = setUp({ withStore: false });
    ended("a");
    clock.advance(3_600_000 + 120_000);
    ended("b");
    expect((await log.list(list)).map(({ id }) => id)).toEqual(["b"]);
  });
});

describe("a store", () => {
  test("that does not take decisions loses them, is told of once, and once more when it is well", async () => {
    const { log, ended, lost, found, state, rows } = setUp();
    state.broken = true;
    for (const id of ["a", "b", "c"]) {
      ended(id);
      await log.find(id);
    }
    expect(lost).toHaveLength(1);
    expect(log.lost()).toBe(3);
    // What is in memory is still told.
    expect((await log.list(list)).map(({ id }) => id)).toEqual(["c", "b", "a"]);
    state.broken = false;
    ended("d");
    await log.find("d");
    expect(found).toEqual([3]);
    expect(rows.map(({ id }) => id)).toEqual(["d"]);
  });

  test("that never gets to the end of what comes is waited for no longer than what was asked about", async () => {
    const { clock, log, ended, store, state, rows } = setUp();
    const add = store.add.bind(store);
    let coming = 100;
    store.add = async (batch) => {
      await add(batch);
      if (coming-- === 0) return;
      ended(`later${coming}`);
      clock.advance(100);
    };
    ended("a");
    expect(await log.find("a")).toMatchObject({ id: "a" });
    expect(state.writes).toBeLessThan(10);
    await log.close();
    for (let left = 200; left > 0 && rows.length < 101; left--) await new Promise((resolve) => setImmediate(resolve));
    expect(rows).toHaveLength(101);
  });

  test("that hangs holds up no call, and loses the oldest beyond its bound", async () => {
    const { clock, log, ended, lost, state } = setUp();
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    for (let each = 0; each < 25_000; each++) ended(`c${each}`);
    clock.advance(100);
    expect(log.lost()).toBeGreaterThanOrEqual(4500);
    expect(lost).toHaveLength(1);
    gate.resolve();
    await log.close();
  });

  test("that hangs does not fill memory with decisions of a thousand targets either", () => {
    const { clock, log, state } = setUp();
    state.gate = new Promise(() => {});
    const candidate = { target: target("p", "m".repeat(1000)), health: healthy, costMicroUsd: 1, load: 0 };
    const ranked = Array.from({ length: 100 }, () => ({ candidate, score: 1, terms: [], remark: "" }));
    const group = { candidates: ranked.map(() => candidate), isLastResort: false };
    for (let each = 0; each < 600; each++) {
      const plan = { facts: facts(), ranked, groups: [group], excluded: [], rule: "" };
      log.observer.ended({ ...record({ call: { ...record().call, id: `c${each}` } }), plan });
    }
    clock.advance(100);
    // 600 of some 220,000 characters each are twice as much as may wait.
    expect(log.lost()).toBeGreaterThan(200);
    expect(log.lost()).toBeLessThan(400);
  });

  test("is asked to forget what is older than it is to keep, again and again, until the end", async () => {
    const { clock, log, state } = setUp();
    await log.find("x");
    expect(state.pruned).toEqual([clock.wall() - 3_600_000]);
    clock.advance(60_000);
    await log.find("x");
    expect(state.pruned).toHaveLength(2);
    await log.close();
    clock.advance(600_000);
    await log.find("x");
    expect(state.pruned).toHaveLength(2);
  });
});

test("watchers hear of each decision until they leave", async () => {
  const { log, ended } = setUp();
  const seen: string[] = [];
  const leave = log.watch(({ id }) => seen.push(id));
  ended("a");
  await log.find("a");
  leave();
  ended("b");
  await log.find("b");
  expect(seen).toEqual(["a"]);
});
