/** The thread that waits for the disk, so that no call has to. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Kysely } from "kysely";
import { StoreError } from "../../core/store.ts";
import { openSqlite, reasonOf, type SqliteOptions } from "./node-sqlite.ts";
import type { Tables } from "./schema.ts";
import { createSqlLedger } from "./sql-ledger.ts";
import { createSqlDecisions, createSqlPolicies } from "./sql-store.ts";
import type { StoreCall, StoreReply } from "./store-calls.ts";

if (parentPort !== null) await serve(parentPort, workerData);

async function serve(port: MessagePort, options: SqliteOptions): Promise<void> {
  const say = (reply: StoreReply): void => port.postMessage(reply);
  let db: Kysely<Tables>;
  try {
    db = await openSqlite(options);
  } catch (thrown) {
    say({ kind: "refused", text: reasonOf(thrown), unwritable: thrown instanceof StoreError && thrown.unwritable });
    return;
  }
  // One after the other, in the order in which they came.
  let last: Promise<void> = Promise.resolve();
  port.on("message", ({ id, call }: { readonly id: number; readonly call: StoreCall }) => {
    last = last.then(async () => {
      try {
        say({ kind: "answer", id, value: await answer(db, call) });
      } catch (thrown) {
        say({ kind: "failure", id, text: reasonOf(thrown) });
      }
      if (call.kind === "close") port.close();
    });
  });
  say({ kind: "opened" });
}

function answer(db: Kysely<Tables>, call: StoreCall): Promise<unknown> {
  const decisions = createSqlDecisions(db);
  const policies = createSqlPolicies(db);
  const ledger = createSqlLedger(db);
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
