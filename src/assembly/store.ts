import { dirname, join, resolve } from "node:path";
import type { Loaded } from "../config/load.ts";
import { dataFolder } from "../config/data-folder.ts";
import type { Environment } from "../config/environment.ts";
import { type Store, StoreError } from "../core/store.ts";
import { memoryStore } from "../stores/memory-store.ts";
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
  /** The store nobody asked for cannot be written: the process goes on without. */
  readonly onUnwritable: (path: string, text: string) => void;
}

/** The configured store; else SQLite beside the configuration file; else memory. */
export async function openStore({ settings, path: file }: Loaded, { environment, cwd, onUnwritable }: Surroundings): Promise<Opened> {
  const url = settings.store.url?.reveal();
  if (url === "memory:" || (url === undefined && file === undefined)) return { kind: "opened", store: memoryStore, path: undefined };
  const folder = file === undefined ? cwd : dirname(file);
  const path = url === undefined ? join(dataFolder(file, environment), "semaroute.db") : resolve(folder, url.slice("sqlite:".length));
  try {
    return { kind: "opened", store: await openSqliteStore({ path }), path };
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    if (url !== undefined || !thrown.unwritable) return { kind: "refused", path, text: thrown.message };
    onUnwritable(path, thrown.message);
    return { kind: "opened", store: memoryStore, path: undefined };
  }
}
