import { readFileSync } from "node:fs";
import { readdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { LedgerStore } from "../core/ledger.ts";
import { openJournal } from "./journal.ts";

/** Journals of processes that may have ended: `<path>.<number of the process>`. */
export interface LeftJournals {
  /** Absolute, without the number. */
  readonly path: string;
  /** Whether the file without a number is meant, too: that of a process alone. */
  readonly unnumbered: boolean;
  readonly store: Pick<LedgerStore, "add">;
  /** Whether a process of this number still writes; one that is not known may. */
  readonly isLive: (pid: number) => boolean;
  /** So many entries were damaged, and are lost. Must not throw. */
  readonly onDamage: (path: string, entries: number) => void;
}

/** Entries that go into the store at once. */
const batchMax = 500;

/** Brings what ended processes left into the store, each entry once, and takes the files away. Rejects where the store does not take them. */
export async function emptyLeftJournals({ path, unnumbered, store, isLive, onDamage }: LeftJournals): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const [, pid] = /\.(\d+)$/.exec(name) ?? [];
    const isAlone = unnumbered && name === basename(path);
    const isWorkers = pid !== undefined && name === `${basename(path)}.${pid}` && !isLive(Number(pid));
    if (!isAlone && !isWorkers) continue;
    const file = join(folder, name);
    const journal = await openJournal({ path: file, onDamage: (entries) => onDamage(file, entries) });
    try {
      while (journal.pending()) {
        const entries = await journal.peek(batchMax);
        if (entries.length > 0) await store.add(entries);
        await journal.drop();
      }
    } finally {
      await journal.close();
    }
    await unlink(file);
  }
}

/** Whether there is a process of this number, whosever it is. One that ended, and whose parent has not asked how, is none. */
export function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !hasEnded(pid);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** By Linux's own word; elsewhere nobody says so. */
function hasEnded(pid: number): boolean {
  try {
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
