import type { SqlParts } from "./sql-store.ts";
import type { StoreCall } from "./store-calls.ts";

/** Does what a message asks of a store; answers as `StoreAnswers` says. `close` is not its to do. */
export function answerCall({ decisions, policies, keys, ledger }: SqlParts, call: Exclude<StoreCall, { kind: "close" }>): Promise<unknown> {
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
    case "markPolicies":
      return policies.mark();
    case "replacePolicies":
      return policies.replace(call.change, call.basis);
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
    default:
      return call satisfies never;
  }
}
