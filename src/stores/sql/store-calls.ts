import type { LedgerQuery, LedgerRow, UsageGroup, UsageQuery } from "../../core/ledger.ts";
import type { DecisionQuery, DecisionRow, KeptPolicies } from "../../core/store.ts";

/** What the thread is asked. */
export type StoreCall =
  | { readonly kind: "addDecisions"; readonly rows: readonly DecisionRow[] }
  | { readonly kind: "listDecisions"; readonly query: DecisionQuery }
  | { readonly kind: "findDecision"; readonly id: string }
  | { readonly kind: "pruneDecisions"; readonly beforeWall: number; readonly limit: number }
  | { readonly kind: "loadPolicies" }
  | { readonly kind: "savePolicies"; readonly change: KeptPolicies }
  | { readonly kind: "addLedger"; readonly entries: readonly string[] }
  | { readonly kind: "listLedger"; readonly query: LedgerQuery }
  | { readonly kind: "sumLedger"; readonly query: UsageQuery }
  | { readonly kind: "spentSince"; readonly key: string; readonly sinceWall: number }
  | { readonly kind: "pruneLedger"; readonly beforeWall: number; readonly limit: number }
  | { readonly kind: "close" };

/** What it answers. */
export interface StoreAnswers {
  readonly addDecisions: undefined;
  readonly listDecisions: readonly string[];
  readonly findDecision: string | undefined;
  readonly pruneDecisions: number;
  readonly loadPolicies: KeptPolicies | undefined;
  readonly savePolicies: undefined;
  readonly addLedger: undefined;
  readonly listLedger: readonly LedgerRow[];
  readonly sumLedger: readonly UsageGroup[];
  readonly spentSince: bigint;
  readonly pruneLedger: number;
  readonly close: undefined;
}

/** From the thread: first whether the file could be opened, then an answer to each call. */
export type StoreReply =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly text: string; readonly unwritable: boolean }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly text: string };
