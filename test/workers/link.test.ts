import { expect, test } from "vitest";
import { systemClock } from "../../src/stores/system-clock.ts";
import { createLink } from "../../src/workers/link.ts";
import { channelPair } from "./channels.ts";

interface Sums {
  readonly add: { readonly ask: readonly bigint[]; readonly answer: bigint };
  readonly fail: { readonly ask: undefined; readonly answer: void };
  readonly never: { readonly ask: undefined; readonly answer: void };
  readonly note: { readonly ask: string; readonly answer: void };
  readonly notes: { readonly ask: undefined; readonly answer: readonly string[] };
}
interface Nothing {}

function linked() {
  const [here, there] = channelPair();
  const asker = createLink<Sums, Nothing>(here, systemClock);
  const answerer = createLink<Nothing, Sums>(there, systemClock);
  const notes: string[] = [];
  const serve = (): void =>
    answerer.serve({
      add: (numbers) => numbers.reduce((sum, each) => sum + each, 0n),
      fail: () => Promise.reject(new Error("the disk is full")),
      never: () => new Promise(() => undefined),
      note: (text) => void notes.push(text),
      notes: () => notes,
    });
  return { asker, serve };
}

test("a question is answered, with numbers that JSON does not know", async () => {
  const { asker, serve } = linked();
  serve();
  expect(await Promise.all([asker.ask("add", [1n, 2n]), asker.ask("add", [10n ** 30n, 1n])])).toEqual([3n, 10n ** 30n + 1n]);
});

test("what is asked before somebody answers waits, and is answered in its order", async () => {
  const { asker, serve } = linked();
  asker.tell("note", "one");
  asker.tell("note", "two");
  const notes = asker.ask("notes", undefined);
  await new Promise(setImmediate);
  serve();
  expect(await notes).toEqual(["one", "two"]);
});

test("who fails says why, who is silent is not waited for beyond the bound, and who is gone ends every wait", async () => {
  const { asker, serve } = linked();
  serve();
  await expect(asker.ask("fail", undefined)).rejects.toThrow("the disk is full");
  await expect(asker.ask("never", undefined, 10)).rejects.toThrow("the other process did not answer within 10 ms");
  const waiting = asker.ask("never", undefined);
  asker.end();
  await expect(waiting).rejects.toThrow("the other process is gone");
  await expect(asker.ask("add", [])).rejects.toThrow("the other process is gone");
});
