import type { SharedPolicyStore, Store } from "../../core/store.ts";
import { askedStore } from "./asked-store.ts";
import type { SqliteOptions } from "./node-sqlite.ts";
import type { StoreAnswers, StoreCall } from "./store-calls.ts";
import { startThread } from "./thread.ts";

/** A store in one SQLite file. */
export interface SqliteStore extends Store {
  /** As for many processes, whom this one would have to lend them to. */
  readonly policies: SharedPolicyStore;
}

/** A store in one SQLite file, which is this process's alone. Rejects with a `StoreError` where it cannot be opened. */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  const thread = startThread<StoreCall, StoreAnswers>("sqlite-worker", options);
  await thread.opened;
  return {
    kind: "sqlite",
    ...askedStore(thread.ask),
    sharedPolicies: undefined,
    async close() {
      await thread.ask({ kind: "close" }).catch(() => undefined);
      await thread.ended();
    },
  };
}
