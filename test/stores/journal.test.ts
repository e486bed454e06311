import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Journal, openJournal } from "../../src/stores/journal.ts";
import { folderWith } from "../config/workspace.ts";

const place = (): string => join(folderWith({}), "data", "x.ledger");

async function opened(path: string, bytesMax?: number): Promise<{ journal: Journal; damaged: () => number }> {
  let damaged = 0;
  const journal = await openJournal({ path, bytesMax, onDamage: (texts) => (damaged += texts) });
  onTestFinished(() => journal.close());
  return { journal, damaged: () => damaged };
}

test("what is appended is there in its order, until it is dropped", async () => {
  const { journal } = await opened(place());
  await journal.append(["a", "b"]);
  await journal.append(["ü"]);
  expect(await journal.peek(2)).toEqual(["a", "b"]);
  expect(await journal.peek(2)).toEqual(["a", "b"]);
  await journal.drop();
  expect(journal.pending()).toBe(true);
  expect(await journal.peek(2)).toEqual(["ü"]);
  await journal.drop();
  expect([journal.pending(), journal.bytes(), await journal.peek(2)]).toEqual([false, 0, []]);
});

test("what one process leaves, the next one finds", async () => {
  const path = place();
  const { journal } = await opened(path);
  await journal.append(["a", "b", "c"]);
  await journal.peek(1);
  await journal.drop();
  const { journal: next } = await opened(path);
  expect(next.pending()).toBe(true);
  // What was dropped without the rest may come again.
  expect(await next.peek(10)).toEqual(["a", "b", "c"]);
});

test("nothing is dropped that came after the look", async () => {
  const { journal } = await opened(place());
  await journal.append(["a"]);
  const looked = journal.peek(10);
  const more = journal.append(["b"]);
  expect(await looked).toEqual(["a"]);
  await more;
  await journal.drop();
  expect(await journal.peek(10)).toEqual(["b"]);
});

test("its file is its owner's alone", async () => {
  const path = place();
  await opened(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("what is longer than it may be is refused whole, and let in once there is room", async () => {
  const { journal } = await opened(place(), 100);
  await journal.append(["x".repeat(60)]);
  await expect(journal.append(["y".repeat(40)])).rejects.toThrow("the journal is full");
  expect(await journal.peek(10)).toEqual(["x".repeat(60)]);
  await journal.drop();
  await journal.append(["y".repeat(40)]);
  expect(await journal.peek(10)).toEqual(["y".repeat(40)]);
});

test("a text longer than one read comes whole, and many come a part at a time", async () => {
  const { journal } = await opened(place());
  const texts = ["a", "l".repeat(700_000), "b"];
  await journal.append(texts);
  const sizes: number[][] = [];
  while (journal.pending()) {
    sizes.push((await journal.peek(10)).map(({ length }) => length));
    await journal.drop();
  }
  expect(sizes).toEqual([[1], [700_000, 1]]);
});

test.each([
  { what: "torn at its end", damage: (path: string) => truncateSync(path, statSync(path).size - 2), left: ["first", "second"] },
  {
    what: "changed inside",
    damage: (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace("second", "secomd")),
    left: ["first", "third"],
  },
  { what: "followed by rubbish", damage: (path: string) => appendFileSync(path, "rubbish"), left: ["first", "second", "third"] },
])("a text that is $what is told of, and spoils no other", async ({ damage, left }) => {
  const path = place();
  const { journal } = await opened(path);
  await journal.append(["first", "second", "third"]);
  damage(path);
  const { journal: next, damaged } = await opened(path);
  await next.append(["fourth"]);
  expect(await next.peek(10)).toEqual([...left, "fourth"]);
  // Told of once, however often it is looked at.
  await next.peek(10);
  await next.drop();
  expect([damaged(), next.pending()]).toEqual([1, false]);
});
