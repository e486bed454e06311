import type { IssuedKey, KeyChange, KeyChanges } from "../../core/keys.ts";
import type { DecisionQuery, DecisionRow, KeptPolicies } from "../../core/store.ts";

/** What the thread is asked. */
export type StoreCall =
  | { readonly kind: "addDecisions"; readonly rows: readonly DecisionRow[] }
  | { readonly kind: "listDecisions"; readonly query: DecisionQuery }
  | { readonly kind: "findDecision"; readonly id: string }
  | { readonly kind: "pruneDecisions"; readonly beforeWall: number; readonly limit: number }
  | { readonly kind: "loadPolicies" }
  | { readonly kind: "savePolicies"; readonly change: KeptPolicies }
  | { readonly kind: "keyChanges"; readonly afterVersion: number; readonly limit: number }
  | { readonly kind: "noteConfiguredKeys" }
  | { readonly kind: "addKey"; readonly key: Omit<IssuedKey, "version">; readonly sinceWall: number }
  | { readonly kind: "updateKey"; readonly id: string; readonly change: KeyChange }
  | { readonly kind: "revokeKey"; readonly id: string; readonly wall: number }
  | { readonly kind: "close" };

/** What it answers. */
export interface StoreAnswers {
  readonly addDecisions: undefined;
  readonly listDecisions: readonly string[];
  readonly findDecision: string | undefined;
  readonly pruneDecisions: number;
  readonly loadPolicies: KeptPolicies | undefined;
  readonly savePolicies: undefined;
  readonly keyChanges: KeyChanges;
  readonly noteConfiguredKeys: undefined;
  readonly addKey: IssuedKey;
  readonly updateKey: IssuedKey | undefined;
  readonly revokeKey: IssuedKey | undefined;
  readonly close: undefined;
}
