import type { SqlParts } from "./sql-store.ts";
import type { StoreAnswers, StoreCall } from "./store-calls.ts";

/** Asks a store that is elsewhere. Rejects where it does not do it, or is gone. */
export type AskStore = <C extends StoreCall>(call: C) => Promise<StoreAnswers[C["kind"]]>;

/** The parts of a store that is asked by messages. */
export function askedStore(ask: AskStore): SqlParts {
  return {
    decisions: {
      add: (rows) => ask({ kind: "addDecisions", rows }),
      list: (query) => ask({ kind: "listDecisions", query }),
      find: (id) => ask({ kind: "findDecision", id }),
      prune: (beforeWall, limit) => ask({ kind: "pruneDecisions", beforeWall, limit }),
    },
    policies: {
      load: () => ask({ kind: "loadPolicies" }),
      save: (change) => ask({ kind: "savePolicies", change }),
      mark: () => ask({ kind: "markPolicies" }),
      replace: (change, basis) => ask({ kind: "replacePolicies", change, basis }),
    },
    keys: {
      changes: (afterVersion, limit) => ask({ kind: "keyChanges", afterVersion, limit }),
      noteConfigured: () => ask({ kind: "noteConfiguredKeys" }),
      add: (key, sinceWall) => ask({ kind: "addKey", key, sinceWall }),
      update: (id, change) => ask({ kind: "updateKey", id, change }),
      revoke: (id, wall) => ask({ kind: "revokeKey", id, wall }),
    },
    ledger: {
      add: (entries) => ask({ kind: "addLedger", entries }),
      list: (query) => ask({ kind: "listLedger", query }),
      usage: (query) => ask({ kind: "sumLedger", query }),
      spentSince: (key, sinceWall) => ask({ kind: "spentSince", key, sinceWall }),
      prune: (beforeWall, limit) => ask({ kind: "pruneLedger", beforeWall, limit }),
    },
  };
}
