/** The thread that waits for the disk, so that no call has to. */
import { workerData } from "node:worker_threads";
import type { Kysely } from "kysely";
import { openSqlite, type SqliteOptions } from "./node-sqlite.ts";
import type { Tables } from "./schema.ts";
import { createSqlParts } from "./sql-store.ts";
import type { StoreCall } from "./store-calls.ts";
import { serveThread } from "./thread-port.ts";

const options: SqliteOptions = workerData;
await serveThread({ open: () => openSqlite(options), answer });

function answer(db: Kysely<Tables>, call: StoreCall): Promise<unknown> {
  const { decisions, policies, keys, ledger } = createSqlParts(db);
  switch (call.kind) {
    case "addDecisions":
      return decisions.add(call.rows);
    case "listDecisions":
      return decisions.list(call.query);
    case "findDecision":
      return decisions.find(call.id);
    case "pruneDecisions":
      return decisions.prune(call.beforeWall, call.limit);
    case "loadPolicies":
      return policies.load();
    case "savePolicies":
      return policies.save(call.change);
    case "keyChanges":
      return keys.changes(call.afterVersion, call.limit);
    case "noteConfiguredKeys":
      return keys.noteConfigured();
    case "addKey":
      return keys.add(call.key, call.sinceWall);
    case "updateKey":
      return keys.update(call.id, call.change);
    case "revokeKey":
      return keys.revoke(call.id, call.wall);
    case "addLedger":
      return ledger.add(call.entries);
    case "listLedger":
      return ledger.list(call.query);
    case "sumLedger":
      return ledger.usage(call.query);
    case "spentSince":
      return ledger.spentSince(call.key, call.sinceWall);
    case "pruneLedger":
      return ledger.prune(call.beforeWall, call.limit);
    case "close":
      return db.destroy();
    default:
      return call satisfies never;
  }
}
