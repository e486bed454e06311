import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { watch } from "chokidar";

import type { Clock } from "../core/clock.ts";
import { revisionOf } from "./load.ts";

/** What is watched. */
export interface WatchOptions {
  /** Absolute path of the file. */
  readonly path: string;
  /** What the file's text hashed to when it was last read: `Loaded.revision`. */
  readonly revision: string;
  readonly clock: Clock;
  /** Milliseconds of quiet after which a change counts: editors write in two steps. Default 100. */
  readonly settleMs?: number;
  /** Is told when watching itself fails; it goes on where it can. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Calls back when the file's text has become another one. Its folder is watched and not the file, for a rename puts another file in
 * its place, and a Kubernetes ConfigMap another folder behind a symbolic link. Resolves, once it watches, with what ends it.
 */
export async function watchFile(options: WatchOptions, onChange: () => void): Promise<() => Promise<void>> {
  const { path, clock, settleMs = 100, onError = ignore } = options;
  const folder = dirname(path);
  let revision = options.revision;
  let closed = false;
  let cancel = ignore;

  const compare = async (): Promise<void> => {
    // Between the two halves of a rename there is no file; the second half is another event.
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined || closed || revisionOf(text) === revision) return;
    revision = revisionOf(text);
    onChange();
  };
  const settle = (): void => {
    cancel();
    if (!closed) cancel = clock.after(settleMs, () => void compare().catch(onError));
  };

  const watcher = watch(folder, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    // The folder may be a working folder full of other things; `..data` is the ConfigMap's link.
    ignored: (found) => ![folder, path, resolve(folder, "..data")].includes(found),
  });
  watcher.on("all", settle).on("error", onError);
  await new Promise<void>((ready) => void watcher.once("ready", ready));
  // What changed between reading the configuration and now has had no event.
  settle();

  return async () => {
    closed = true;
    cancel();
    await watcher.close();
  };
}

function ignore(): void {
  // Nothing to do, or nobody who wants to know.
}
