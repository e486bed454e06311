import type { PolicyIssue, PolicyRevision, ProviderHealth, ProviderState, RoutingPolicy, UsageTotals } from "./chat.ts";
import type { ProviderFacts } from "./provider.ts";

/** A provider as operators see it. */
export interface ProviderView extends ProviderFacts {
  readonly id: string;
  readonly state: ProviderState;
  /** Names callers use. */
  readonly models: readonly string[];
}

/** Providers at run time. */
export interface ProviderDesk {
  /** In the configuration's order. */
  list(): readonly ProviderView[];
  find(id: string): ProviderView | undefined;
  health(id: string): ProviderHealth;
  /** Calls back with the provider's id after each change; the answer unsubscribes. */
  watch(listener: (id: string) => void): () => void;
  /** UNSPECIFIED leaves the state as it is. Returns false where there is no such provider. */
  set(id: string, state: ProviderState, resetBreaker: boolean): boolean;
}

/** A change of policy. */
export interface PolicyChange {
  readonly policy: RoutingPolicy;
  /** Empty: unconditional. */
  readonly expectedRevision: string;
  readonly author: string;
  readonly comment: string;
  readonly dryRun: boolean;
}

/** What came of it. */
export type PolicyVerdict =
  | {
      readonly kind: "swapped";
      readonly policy: PolicyRevision;
      readonly previousRevision: string;
      readonly issues: readonly PolicyIssue[];
    }
  /** The active revision is another than was expected. */
  | { readonly kind: "conflict"; readonly activeRevision: string }
  /** At least one issue is an error; nothing changed. */
  | { readonly kind: "invalid"; readonly issues: readonly PolicyIssue[] };

/** The policies that are and were active. */
export interface PolicyDesk {
  active(): PolicyRevision;
  /** By content hash; the latest activation of it. */
  find(revision: string): PolicyRevision | undefined;
  /** Problems against the running configuration, and the revision it would have. */
  examine(policy: RoutingPolicy): { readonly issues: readonly PolicyIssue[]; readonly revision: string };
  swap(change: PolicyChange): PolicyVerdict;
  /** Newest first. */
  revisions(): readonly PolicyRevision[];
}

/** Counters of one target since start. */
export interface TargetCounters {
  readonly provider: string;
  readonly model: string;
  readonly requests: bigint;
  readonly successes: bigint;
  readonly failures: bigint;
  readonly fallbacksFrom: bigint;
  readonly usage: UsageTotals;
  /** Copies of calls, in none of the numbers above. */
  readonly shadowRequests: bigint;
  readonly shadowUsage: UsageTotals;
}

/** What came of reading the configuration again. */
export type ReloadOutcome =
  | { readonly kind: "applied"; readonly revision: string; readonly changed: boolean; readonly restartNeeded: readonly string[] }
  /** `path` is the setting, `description` is `file:line:column` and what is wrong. */
  | { readonly kind: "refused"; readonly problems: readonly { readonly path: string; readonly description: string }[] };

/** What the AdminService stands on. */
export interface Operations {
  readonly providers: ProviderDesk;
  readonly policies: PolicyDesk;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startWall: number;
  stats(): readonly TargetCounters[];
  reload(): Promise<ReloadOutcome>;
  /** Writes the audit line of a change. */
  audit(entry: { readonly action: string; readonly subject: string; readonly author: string; readonly comment: string }): void;
}
