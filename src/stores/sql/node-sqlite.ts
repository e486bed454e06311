import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { Kysely, SqliteDialect } from "kysely";
import { StoreError } from "../../core/store.ts";
import { migrate } from "./migrations.ts";
import type { Tables } from "./schema.ts";

/** Where the file is. */
export interface SqliteOptions {
  /** Absolute. */
  readonly path: string;
  /** Pages of 4 KiB it may have; undefined: as many as the disk takes. */
  readonly pagesMax?: number | undefined;
}

/** How long an orderly predecessor may take to let go of the file; milliseconds. */
const predecessorMs = 1000;

/**
 * Opens the file for this process alone, and brings its tables up to date. Throws a `StoreError` that says why it cannot.
 * Everything here blocks: it belongs into a thread of its own.
 */
export async function openSqlite(options: SqliteOptions): Promise<Kysely<Tables>> {
  const database = openFile(options);
  try {
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: adapted(database) }) });
    await migrate(db);
    return db;
  } catch (cause) {
    throw refusalFrom(cause);
  }
}

/** The file, with tables or without; a second process or thread is refused. Throws a `StoreError`. */
export function openFile({ path, pagesMax }: SqliteOptions): DatabaseSync {
  makePlace(path);
  try {
    const database = new DatabaseSync(path, { timeout: predecessorMs });
    // The lock is held until the process ends, however it ends; a second one is refused here.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA journal_mode = WAL");
    // What was committed outlives the process at once, and a power cut as soon as the log is copied into the file.
    database.exec("PRAGMA synchronous = NORMAL");
    // Journals of statements would lie in the system's folder for temporary files, open as long as the lock.
    database.exec("PRAGMA temp_store = MEMORY");
    database.exec("BEGIN IMMEDIATE; COMMIT");
    if (pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${pagesMax}`);
    return database;
  } catch (cause) {
    throw refusalFrom(cause);
  }
}

function refusalFrom(cause: unknown): StoreError {
  return cause instanceof StoreError ? cause : new StoreError(reasonOf(cause), notOurs.has(codeOf(cause)), cause);
}

function makePlace(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Made before SQLite opens it, so that it was never readable by others.
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    throw new StoreError(placeReasons.get(code) ?? `it cannot be written (${code})`, true, cause);
  }
}

const placeReasons: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["EROFS", "the file system is read-only"],
  ["EISDIR", "it is a folder"],
  ["ENOTDIR", "a part of the path is not a folder"],
  ["ENOSPC", "the disk is full"],
]);

function adapted(database: DatabaseSync) {
  return {
    close: () => database.close(),
    prepare(text: string) {
      // A disk that is full has done so already; to ask again would be an error that hides why.
      const statement = database.prepare(text === "rollback" && !database.isTransaction ? "select 1 where false" : text);
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...parameters.map(inputFrom)),
        run: (parameters: readonly unknown[]) => statement.run(...parameters.map(inputFrom)),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...parameters.map(inputFrom)),
      };
    },
  };
}

function inputFrom(value: unknown): SQLInputValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value;
  throw new TypeError("a value that SQLite does not take");
}

// SQLite's own numbers: https://sqlite.org/rescode.html
const busy = 5;
const cannotOpen = 14;
/** Nothing is wrong with the file, but this process has none. */
const notOurs: ReadonlySet<number> = new Set([busy, cannotOpen]);
const reasons: ReadonlyMap<number, string> = new Map([
  [busy, "another process has it open; one SQLite file belongs to one process"],
  [8, "it is read-only"],
  [10, "the disk failed"],
  [11, "the file is damaged; put it aside, or restore it from a copy"],
  [13, "the disk is full"],
  [cannotOpen, "it cannot be opened"],
  [26, "the file is not a SQLite database; put it aside, or name another"],
]);

function codeOf(cause: unknown): number {
  // Extended codes have the plain one in their lowest byte.
  return cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : 0;
}

/** In words, without what SQLite quotes. */
export function reasonOf(cause: unknown): string {
  return reasons.get(codeOf(cause)) ?? (cause instanceof Error ? cause.message : "unknown reason");
}
