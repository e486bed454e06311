import type { IssuedKey, KeyChange, KeyChanges } from "../../core/keys.ts";
import type { LedgerQuery, LedgerRow, UsageGroup, UsageQuery } from "../../core/ledger.ts";
import type { DecisionQuery, DecisionRow, KeptPolicies, PolicyMark } from "../../core/store.ts";

/** What a store is asked by way of messages: that of a thread, or of another process. */
export type StoreCall =
  | { readonly kind: "addDecisions"; readonly rows: readonly DecisionRow[] }
  | { readonly kind: "listDecisions"; readonly query: DecisionQuery }
  | { readonly kind: "findDecision"; readonly id: string }
  | { readonly kind: "pruneDecisions"; readonly beforeWall: number; readonly limit: number }
  | { readonly kind: "loadPolicies" }
  | { readonly kind: "savePolicies"; readonly change: KeptPolicies }
  | { readonly kind: "markPolicies" }
  | { readonly kind: "replacePolicies"; readonly change: KeptPolicies; readonly basis: PolicyMark | undefined }
  | { readonly kind: "keyChanges"; readonly afterVersion: number; readonly limit: number }
  | { readonly kind: "noteConfiguredKeys" }
  | { readonly kind: "addKey"; readonly key: Omit<IssuedKey, "version">; readonly sinceWall: number }
  | { readonly kind: "updateKey"; readonly id: string; readonly change: KeyChange }
  | { readonly kind: "revokeKey"; readonly id: string; readonly wall: number }
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
  readonly markPolicies: PolicyMark | undefined;
  readonly replacePolicies: boolean;
  readonly keyChanges: KeyChanges;
  readonly noteConfiguredKeys: undefined;
  readonly addKey: IssuedKey;
  readonly updateKey: IssuedKey | undefined;
  readonly revokeKey: IssuedKey | undefined;
  readonly addLedger: undefined;
  readonly listLedger: readonly LedgerRow[];
  readonly sumLedger: readonly UsageGroup[];
  readonly spentSince: bigint;
  readonly pruneLedger: number;
  readonly close: undefined;
}
