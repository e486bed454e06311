import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { revisionOf } from "../../src/config/load.ts";
import { watchFile } from "../../src/config/watch.ts";
import type { Clock } from "../../src/core/clock.ts";
import { folderWith } from "./workspace.ts";

/** Waits for files are real here, for the system's notices are. */
const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Watches until the test ends; `next` resolves with the next change. */
async function watching(path: string, text: string) {
  let changes = 0;
  let waiting: (() => void) | undefined;
  const stop = await watchFile({ path, revision: revisionOf(text), clock, settleMs: 30 }, () => {
    changes++;
    waiting?.();
  });
  onTestFinished(stop);
  return {
    stop,
    changes: () => changes,
    next: async (change: () => void): Promise<void> => {
      const changed = new Promise<void>((resolve) => {
        waiting = resolve;
      });
      change();
      await changed;
    },
  };
}

test("a file that is written anew is noticed, again and again", async () => {
  const path = join(folderWith({ "config.yaml": "a" }), "config.yaml");
  const watch = await watching(path, "a");
  for (const text of ["b", "c", "d"]) await watch.next(() => writeFileSync(path, text));
  expect(watch.changes()).toBe(3);
});

test("another file that is renamed over it is noticed, again and again", async () => {
  const folder = folderWith({ "config.yaml": "a" });
  const path = join(folder, "config.yaml");
  const watch = await watching(path, "a");
  for (const text of ["b", "c"]) {
    await watch.next(() => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    });
  }
  expect(watch.changes()).toBe(2);
});

test("a file that goes and comes back is noticed", async () => {
  const path = join(folderWith({ "config.yaml": "a" }), "config.yaml");
  const watch = await watching(path, "a");
  await watch.next(() => {
    rmSync(path);
    writeFileSync(path, "b");
  });
  expect(watch.changes()).toBe(1);
});

test("a ConfigMap whose link is moved is noticed, again and again", async () => {
  const folder = folderWith({ "..1/config.yaml": "a", "..2/config.yaml": "b", "..3/config.yaml": "c" });
  const path = join(folder, "config.yaml");
  symlinkSync("..1", join(folder, "..data"));
  symlinkSync("..data/config.yaml", path);
  const watch = await watching(path, "a");
  for (const version of ["..2", "..3"]) {
    await watch.next(() => {
      symlinkSync(version, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    });
  }
  expect(watch.changes()).toBe(2);
});

test("what changed before the watch began is noticed", async () => {
  const path = join(folderWith({ "config.yaml": "new" }), "config.yaml");
  const watch = await watching(path, "old");
  await watch.next(() => undefined);
  expect(watch.changes()).toBe(1);
});

test("the same text, other files and a missing file are no change", async () => {
  const folder = folderWith({ "config.yaml": "a" });
  const path = join(folder, "config.yaml");
  const watch = await watching(path, "a");
  writeFileSync(path, "a");
  writeFileSync(join(folder, "other.yaml"), "b");
  mkdirSync(join(folder, "sub"));
  unlinkSync(path);
  // The next real change is the first that is told.
  await watch.next(() => writeFileSync(path, "b"));
  expect(watch.changes()).toBe(1);
});
