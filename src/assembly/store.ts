import { dirname, join, resolve } from "node:path";
import type { Loaded } from "../config/load.ts";
import { dataFolder } from "../config/data-folder.ts";
import type { Environment } from "../config/environment.ts";
import type { Clock } from "../core/clock.ts";
import { type Store, StoreError } from "../core/store.ts";
import { memoryStore } from "../stores/memory-store.ts";
import { openFileJournal } from "../stores/sql/file-journal.ts";
import { createMemoryJournal, type Journal } from "../stores/sql/journal.ts";
import { openPostgresStore, type PostgresOptions } from "../stores/sql/postgres-store.ts";
import { openSqliteStore } from "../stores/sql/sqlite-store.ts";

/** How long decisions are kept, where nobody says otherwise; milliseconds. */
export const keepDecisionsMs = 7 * 86_400_000;
/** The same of the ledger's rows. */
export const keepLedgerMs = 400 * 86_400_000;

/** A store, or why there is none. */
export type Opened =
  | { readonly kind: "opened"; readonly store: Store; readonly path: string | undefined }
  /** `text` is one line for the operator. */
  | { readonly kind: "refused"; readonly path: string; readonly text: string };

/** Where the process runs. */
export interface Surroundings {
  readonly environment: Environment;
  readonly cwd: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Whether other processes borrow it, who then have its policies in common. Default: nobody does. */
  readonly isLent?: boolean;
  /** Of a store in PostgreSQL. */
  readonly postgres: Pick<PostgresOptions, "onAway" | "onBack" | "onUnable" | "onAble" | "onRefused" | "onLost"> & {
    /** What waits for it waits in memory: there is no file for it. */
    readonly onNoJournal: (path: string, text: string) => void;
  };
  /** The store nobody asked for cannot be written: the process goes on without. */
  readonly onUnwritable: (path: string, text: string) => void;
}

/** The configured store; else SQLite beside the configuration file; else memory. */
export async function openStore(loaded: Loaded, surroundings: Surroundings): Promise<Opened> {
  const url = loaded.settings.store.url?.reveal();
  if (url === "memory:" || (url === undefined && loaded.path === undefined)) {
    return { kind: "opened", store: memoryStore, path: undefined };
  }
  return url?.startsWith("postgres") ? openShared(url, loaded, surroundings) : openOwn(url, loaded, surroundings);
}

/** One file, one process. */
async function openOwn(url: string | undefined, { path: file }: Loaded, surroundings: Surroundings): Promise<Opened> {
  const { environment, cwd, isLent = false, onUnwritable } = surroundings;
  const folder = file === undefined ? cwd : dirname(file);
  const path = url === undefined ? join(dataFolder(file, environment), "semaroute.db") : resolve(folder, url.slice("sqlite:".length));
  try {
    const store = await openSqliteStore({ path });
    return { kind: "opened", store: isLent ? { ...store, sharedPolicies: store.policies } : store, path };
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    if (url !== undefined || !thrown.unwritable) return { kind: "refused", path, text: thrown.message };
    onUnwritable(path, thrown.message);
    return { kind: "opened", store: memoryStore, path: undefined };
  }
}

/** One database, many processes. */
async function openShared(url: string, { path: file }: Loaded, { environment, clock, random, postgres }: Surroundings): Promise<Opened> {
  const path = placeOf(url);
  const journal = await journalOf(join(dataFolder(file, environment), "journal.db"), postgres.onNoJournal);
  try {
    return { kind: "opened", store: await openPostgresStore({ url, clock, random, journal, ...postgres }), path };
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    return { kind: "refused", path, text: thrown.message };
  }
}

async function journalOf(path: string, onNoJournal: (path: string, text: string) => void): Promise<Journal> {
  try {
    return await openFileJournal({ path });
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    onNoJournal(path, thrown.message);
    return createMemoryJournal();
  }
}

/** Without the user and the password. */
function placeOf(url: string): string {
  const { host, pathname } = URL.parse(url) ?? { host: "", pathname: "" };
  return `postgres://${host}${pathname}`;
}

/** Where workers keep the journals of their ledgers: a path that a dot and the process's number follow. Undefined: nothing lasts. */
export function workerJournals(
  { store, path }: { readonly store: Store; readonly path: string | undefined },
  folder: string,
): string | undefined {
  if (store.kind === "memory") return undefined;
  return store.kind === "sqlite" ? path && `${path}.ledger` : join(folder, "journal.ledger");
}
