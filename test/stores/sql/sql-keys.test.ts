import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { KeyId } from "../../../src/core/call.ts";
import type { IssuedKey, KeyStore } from "../../../src/core/keys.ts";
import { createMemoryKeys } from "../../../src/stores/memory-keys.ts";
import { openSqliteStore } from "../../../src/stores/sql/sqlite-store.ts";
import { folderWith } from "../../config/workspace.ts";
import { createDirectory, keyInit } from "../../support/issued-keys.ts";

const file = (): string => join(folderWith({}), "data", "semaroute.db");

async function openFile(path: string): Promise<{ keys: KeyStore; close: () => Promise<void> }> {
  const store = await openSqliteStore({ path });
  if (store.keys === undefined) throw new Error("nothing lasts");
  onTestFinished(() => store.close());
  return { keys: store.keys, close: () => store.close() };
}

function key(number: number, more: Partial<IssuedKey> = {}): Omit<IssuedKey, "version"> {
  return {
    ...keyInit,
    id: `key_${number}` as KeyId,
    digest: `digest-${number}`,
    prefix: "sr_abcdef",
    name: `team ${number}`,
    createWall: 1_800_000_000_000 + number,
    revokeWall: undefined,
    ...more,
  };
}
const full = key(1, {
  expireWall: 1_900_000_000_000,
  models: ["m", "p/ü'\"m"],
  priority: 3,
  limits: { requestsPerMinute: 1, tokensPerMinute: 1e12, concurrentCalls: 3, budgetMicroUsd: 1e15, budgetPeriod: "day" },
  labels: { tier: "gold", "a.b/c": "" },
  requestId: "r",
});

describe.each([
  { kind: "memory", open: () => Promise.resolve(createMemoryKeys()) },
  { kind: "SQLite", open: async () => (await openFile(file())).keys },
])("keys in $kind", ({ open }) => {
  test("come back as they were kept, in the order of their changes", async () => {
    const keys = await open();
    expect(await keys.changes(0, 10)).toEqual({ keys: [], configuredEver: false });
    const one = await keys.add(full, 0);
    const two = await keys.add(key(2), 0);
    expect([one, two]).toEqual([
      { ...full, version: expect.any(Number) },
      { ...key(2), version: expect.any(Number) },
    ]);
    expect((await keys.changes(0, 10)).keys).toEqual([one, two]);
    expect((await keys.changes(0, 1)).keys).toEqual([one]);
    expect((await keys.changes(one.version, 10)).keys).toEqual([two]);
    const changed = await keys.update(one.id, { name: "other" });
    expect(changed).toEqual({ ...one, name: "other", version: expect.any(Number) });
    expect((await keys.changes(two.version, 10)).keys).toEqual([changed]);
  });
  test("change in what is said and in nothing else, and what is said to be nothing goes", async () => {
    const keys = await open();
    const { id } = await keys.add(full, 0);
    const limits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 1, budgetMicroUsd: 0, budgetPeriod: "month" } as const;
    const wanted = { name: "n", models: [], priority: 1, limits, labels: {}, expireWall: 2_000_000_000_000 } as const;
    expect(await keys.update(id, wanted)).toMatchObject({ ...full, ...wanted });
    expect(await keys.update(id, { limits: undefined, expireWall: undefined })).toMatchObject({
      ...full,
      ...wanted,
      limits: undefined,
      expireWall: undefined,
    });
    expect(await keys.update("key_none", { name: "n" })).toBeUndefined();
  });
  test("are revoked once, and stay", async () => {
    const keys = await open();
    const { id } = await keys.add(full, 0);
    const first = await keys.revoke(id, 1_850_000_000_000);
    expect(first).toMatchObject({ ...full, revokeWall: 1_850_000_000_000 });
    expect(await keys.revoke(id, 1_860_000_000_000)).toEqual(first);
    expect((await keys.changes(0, 10)).keys).toEqual([first]);
    expect(await keys.revoke("key_none", 1)).toBeUndefined();
  });
  test("are made once by one request", async () => {
    const keys = await open();
    const one = await keys.add(full, 0);
    expect(await keys.add(key(2, { requestId: "r" }), full.createWall - 1)).toEqual(one);
    expect(await keys.add(key(3, { requestId: "r" }), full.createWall)).toMatchObject({ id: "key_3" });
    expect((await keys.changes(0, 10)).keys.map(({ id }) => id)).toEqual(["key_1", "key_3"]);
  });
  test("of many requests at once are numbered apart", async () => {
    const keys = await open();
    const made = await Promise.all(Array.from({ length: 50 }, (_, number) => keys.add(key(number, { requestId: `r${number % 10}` }), 0)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(10);
    expect((await keys.changes(0, 100)).keys.length).toBe(10);
  });
  test("remember that the configuration had one", async () => {
    const keys = await open();
    await keys.noteConfigured();
    await keys.noteConfigured();
    expect(await keys.changes(0, 10)).toEqual({ keys: [], configuredEver: true });
  });
});

test("keys in a file outlive the process, and the file holds no secret", async () => {
  const path = file();
  const first = await openFile(path);
  const directory = createDirectory({ store: first.keys });
  const issue = await directory.issue({ ...keyInit, name: "team" });
  if (issue.kind !== "issued") throw new Error(issue.kind);
  await first.keys.noteConfigured();
  const bytes = (): string =>
    readdirSync(dirname(path))
      .map((name) => readFileSync(join(dirname(path), name), "latin1"))
      .join("");
  expect(bytes()).toContain(issue.key.digest);
  expect(bytes()).not.toContain(issue.secret.slice(9));
  await first.close();
  expect(bytes()).not.toContain(issue.secret.slice(9));
  const second = await openFile(path);
  expect(await second.keys.changes(0, 10)).toEqual({ keys: [issue.key], configuredEver: true });
});
