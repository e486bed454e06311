/** The thread that keeps the journal's file. */
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { workerData } from "node:worker_threads";
import { StoreError } from "../../core/store.ts";
import type { FileJournalOptions, JournalCall } from "./file-journal.ts";
import type { JournalEntry, RefusedRow } from "./journal.ts";
import { openFile } from "./node-sqlite.ts";
import { serveThread } from "./thread-port.ts";

/** Processes that may share a folder. */
const filesMax = 16;
/** 256 MiB. */
const pagesMaxDefault = 65_536;
/** Rows that are set aside; the oldest make way. */
const refusedMax = 10_000;

const options: FileJournalOptions = workerData;
await serveThread({ open: () => openJournal(options), answer });

/** The first file that nobody has, with what the others hold whose processes have ended. */
function openJournal({ path, pagesMax = pagesMaxDefault }: FileJournalOptions): DatabaseSync {
  let journal: DatabaseSync | undefined;
  for (const place of placesFrom(path)) {
    if (journal !== undefined && !existsSync(place)) continue;
    const file = openIfFree(place, pagesMax);
    if (journal !== undefined && file !== undefined) takeOver(journal, file);
    journal ??= file;
  }
  if (journal === undefined) throw new StoreError("other processes have all its files open", true);
  return journal;
}

function placesFrom(path: string): string[] {
  return Array.from({ length: filesMax }, (_, at) => (at === 0 ? path : path.replace(/(?=\.[^.]*$)/, `-${at + 1}`)));
}

/** Undefined: another process has it. */
function openIfFree(path: string, pagesMax: number): DatabaseSync | undefined {
  try {
    const file = openFile({ path, pagesMax });
    file.exec("CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, rows BLOB NOT NULL)");
    return file;
  } catch (thrown) {
    if (thrown instanceof StoreError && thrown.message.startsWith("another process")) return undefined;
    throw thrown;
  }
}

function takeOver(journal: DatabaseSync, other: DatabaseSync): void {
  try {
    for (let [entry] = oldestOf(other, 1); entry !== undefined; [entry] = oldestOf(other, 1)) {
      keepIn(journal, entry.kind, entry.rows);
      forgetIn(other, entry.id);
    }
  } catch {
    // What does not fit waits for a later process.
  }
  // The file stays, empty: whoever waits for its lock would else write into one that is gone.
  other.close();
}

function answer(journal: DatabaseSync, call: JournalCall): unknown {
  switch (call.kind) {
    case "keep":
      return keepIn(journal, call.of, call.rows);
    case "oldest":
      return oldestOf(journal, call.limit);
    case "forget":
      return call.refused.length === 0 ? forgetIn(journal, call.id) : setAside(journal, call.id, call.refused);
    case "holds":
      return journal.prepare("SELECT 1 FROM journal WHERE kind = ? LIMIT 1").get(call.of) !== undefined;
    case "close":
      return journal.close();
    default:
      return call satisfies never;
  }
}

function keepIn(journal: DatabaseSync, kind: string, rows: Uint8Array): number {
  return Number(journal.prepare("INSERT INTO journal (kind, rows) VALUES (?, ?)").run(kind, rows).lastInsertRowid);
}

function forgetIn(journal: DatabaseSync, id: number): void {
  journal.prepare("DELETE FROM journal WHERE id = ?").run(id);
}

/** Both or neither: what is set aside twice is counted twice. */
function setAside(journal: DatabaseSync, id: number, refused: readonly RefusedRow[]): void {
  journal.exec("BEGIN IMMEDIATE");
  try {
    // Made when it is needed: a file that is full has to open all the same.
    journal.exec(
      "CREATE TABLE IF NOT EXISTS refused (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, row TEXT NOT NULL)",
    );
    const statement = journal.prepare("INSERT INTO refused (wall, kind, reason, row) VALUES (?, ?, ?, ?)");
    for (const { wall, kind, reason, row } of refused) statement.run(Math.floor(wall), kind, reason, row);
    journal.prepare("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?").run(refusedMax);
    forgetIn(journal, id);
    journal.exec("COMMIT");
  } catch (thrown) {
    // A disk that is full may have done so already.
    if (journal.isTransaction) journal.exec("ROLLBACK");
    throw thrown;
  }
}

function oldestOf(journal: DatabaseSync, limit: number): JournalEntry[] {
  const found = journal.prepare("SELECT id, kind, rows FROM journal ORDER BY id LIMIT ?").all(limit);
  return found.flatMap(({ id, kind, rows }) =>
    typeof id === "number" && typeof kind === "string" && rows instanceof Uint8Array ? [{ id, kind, rows }] : [],
  );
}
