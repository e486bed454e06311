import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openJournal } from "../../src/stores/journal.ts";
import { emptyLeftJournals, isProcess } from "../../src/stores/left-journals.ts";

async function folderWith(journals: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, entries] of Object.entries(journals)) {
    const journal = await openJournal({ path: join(folder, name), onDamage: () => undefined });
    if (entries.length > 0) await journal.append(entries);
    await journal.close();
  }
  return folder;
}

test("what ended processes left is brought into the store, and their files are gone; what lives is let alone", async () => {
  const folder = await folderWith({
    "a.db.ledger": ["one"],
    "a.db.ledger.7": ["two", "three"],
    "a.db.ledger.8": ["four"],
    "a.db.ledger.9": [],
    "b.db.ledger.7": ["five"],
  });
  const kept: string[] = [];
  const left = {
    path: join(folder, "a.db.ledger"),
    store: { add: (entries: readonly string[]) => Promise.resolve(void kept.push(...entries)) },
    isLive: (pid: number) => pid === 8,
    onDamage: () => undefined,
  };
  await emptyLeftJournals({ ...left, unnumbered: false });
  expect(kept).toEqual(["two", "three"]);
  expect(readdirSync(folder).toSorted()).toEqual(["a.db.ledger", "a.db.ledger.8", "b.db.ledger.7"]);
  await emptyLeftJournals({ ...left, unnumbered: true });
  expect(kept).toEqual(["two", "three", "one"]);
});

test("what a store does not take stays where it is", async () => {
  const folder = await folderWith({ "a.db.ledger.7": ["one"] });
  const left = { path: join(folder, "a.db.ledger"), unnumbered: false, isLive: () => false, onDamage: () => undefined };
  await expect(emptyLeftJournals({ ...left, store: { add: () => Promise.reject(new Error("away")) } })).rejects.toThrow("away");
  const kept: string[] = [];
  await emptyLeftJournals({ ...left, store: { add: (entries) => Promise.resolve(void kept.push(...entries)) } });
  expect(kept).toEqual(["one"]);
});

test("a process is known by its number", () => {
  expect(isProcess(process.pid)).toBe(true);
  expect(isProcess(2 ** 22 + 1)).toBe(false);
});
