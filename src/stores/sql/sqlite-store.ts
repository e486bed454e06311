import type { Store } from "../../core/store.ts";
import type { SqliteOptions } from "./node-sqlite.ts";
import type { StoreAnswers, StoreCall } from "./store-calls.ts";
import { startThread } from "./thread.ts";

/** A store in one SQLite file, which is this process's alone. Rejects with a `StoreError` where it cannot be opened. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const thread = startThread<StoreCall, StoreAnswers>("sqlite-worker", options);
  await thread.opened;
  const { ask } = thread;
  return {
    kind: "sqlite",
    decisions: {
      add: (rows) => ask({ kind: "addDecisions", rows }),
      list: (query) => ask({ kind: "listDecisions", query }),
      find: (id) => ask({ kind: "findDecision", id }),
      prune: (beforeWall, limit) => ask({ kind: "pruneDecisions", beforeWall, limit }),
    },
    policies: {
      load: () => ask({ kind: "loadPolicies" }),
      save: (change) => ask({ kind: "savePolicies", change }),
    },
    keys: {
      changes: (afterVersion, limit) => ask({ kind: "keyChanges", afterVersion, limit }),
      noteConfigured: () => ask({ kind: "noteConfiguredKeys" }),
      add: (key, sinceWall) => ask({ kind: "addKey", key, sinceWall }),
      update: (id, change) => ask({ kind: "updateKey", id, change }),
      revoke: (id, wall) => ask({ kind: "revokeKey", id, wall }),
    },
    sharedPolicies: undefined,
    ledger: {
      add: (entries) => ask({ kind: "addLedger", entries }),
      list: (query) => ask({ kind: "listLedger", query }),
      usage: (query) => ask({ kind: "sumLedger", query }),
      spentSince: (key, sinceWall) => ask({ kind: "spentSince", key, sinceWall }),
      prune: (beforeWall, limit) => ask({ kind: "pruneLedger", beforeWall, limit }),
    },
    async close() {
      await ask({ kind: "close" }).catch(() => undefined);
      await thread.ended();
    },
  };
}
