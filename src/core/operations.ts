import type { CacheDesk } from "./cache.ts";
import type { PolicyIssue, PolicyRevision, ProviderHealth, ProviderState, RoutingPolicy, UsageTotals } from "./chat.ts";
import type { Key } from "./call.ts";
import type { DecisionRecord } from "./decision.ts";
import type { KeyDesk } from "./keys.ts";
import type { LedgerQuery, LedgerRow, UsageGroup, UsageQuery } from "./ledger.ts";
import type { ProviderFacts } from "./provider.ts";
import type { SharedReport } from "./redis.ts";
import type { DecisionQuery } from "./store.ts";

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
  set(id: string, state: ProviderState, resetBreaker: boolean): boolean | Promise<boolean>;
}

/** A change of policy. */
export interface PolicyChange {
  readonly policy: RoutingPolicy;
  /** Empty: unconditional. */
  readonly expectedRevision: string;
  readonly author: string;
  readonly comment: string;
  readonly dryRun: boolean;
  /** Share of the callers that get it, above 0; below 1 it is tried beside the active policy. Default: 1. */
  readonly share?: number | undefined;
}

/** A way back. */
export interface PolicyReturn {
  /** Of the activation to make active again; 0: out with the canary, else the one before the active one. */
  readonly number: bigint;
  readonly author: string;
  readonly comment: string;
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
  | { readonly kind: "invalid"; readonly issues: readonly PolicyIssue[] }
  /** The store that replicas share the policy by did not answer; as far as is known, nothing changed. */
  | { readonly kind: "unavailable" };

/** There is no activation of that number, or none before the active one. */
export interface NoRevision {
  readonly kind: "missing";
}

/** The policies that are and were active. */
export interface PolicyDesk {
  active(): PolicyRevision;
  /** What is tried on a share of the callers; undefined: nothing is. */
  canary(): PolicyRevision | undefined;
  /** By content hash; the latest activation of it. */
  find(revision: string): PolicyRevision | undefined;
  /** Problems against the running configuration, and the revision it would have. */
  examine(policy: RoutingPolicy): { readonly issues: readonly PolicyIssue[]; readonly revision: string };
  swap(change: PolicyChange): PolicyVerdict | Promise<PolicyVerdict>;
  rollback(way: PolicyReturn): PolicyVerdict | NoRevision | Promise<PolicyVerdict | NoRevision>;
  /** Resolves once all changes so far are kept; false: the store did not take them, and they end with the process. */
  kept(): Promise<boolean>;
  /** Newest first. */
  revisions(): readonly PolicyRevision[];
}

/** The decisions that are remembered. */
export interface DecisionDesk {
  /** Newest first. */
  list(query: DecisionQuery): Promise<readonly DecisionRecord[]>;
  find(id: string): Promise<DecisionRecord | undefined>;
  /** Calls back with each decision that is made; the answer unsubscribes. */
  watch(listener: (record: DecisionRecord) => void): () => void;
}

/** What was used, and what it cost. All of it rejects while the store is away. */
export interface LedgerDesk {
  /** Newest first. */
  list(query: LedgerQuery): Promise<readonly LedgerRow[]>;
  /** Dearest first. */
  usage(query: UsageQuery): Promise<readonly UsageGroup[]>;
}

/** What another policy would have made of recorded decisions. */
export interface SimulationRequest {
  readonly policy: RoutingPolicy;
  /** Milliseconds since the epoch. */
  readonly sinceWall: number;
  readonly decisionsMax: number;
}

/** Costs in millionths of a US dollar. */
export interface SimulationReport {
  readonly decisions: number;
  /** Calls whose first target would have been another. */
  readonly moved: number;
  readonly costBeforeMicroUsd: number;
  readonly costAfterMicroUsd: number;
  /** Undefined: nothing is known. */
  readonly firstTokenP50BeforeMs: number | undefined;
  readonly firstTokenP50AfterMs: number | undefined;
  /** First choices per `provider/model`. */
  readonly shareBefore: ReadonlyMap<string, number>;
  readonly shareAfter: ReadonlyMap<string, number>;
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

/** Who changed what. */
export interface AuditEntry {
  /** The method (`SwapPolicy`). */
  readonly action: string;
  /** A provider's name, a revision, a key's id. */
  readonly subject: string;
  /** By the operator's own word; one line. */
  readonly author: string;
  readonly comment: string;
  /** Peer of the socket; undefined: not known. */
  readonly address: string | undefined;
  readonly requestId: string;
}

/** Millionths of a US dollar. */
export interface KeySpending {
  readonly spentMicroUsd: bigint;
  readonly reservedMicroUsd: bigint;
}

/** What the AdminService stands on. */
export interface Operations {
  readonly providers: ProviderDesk;
  readonly policies: PolicyDesk;
  readonly decisions: DecisionDesk;
  readonly cache: CacheDesk;
  /** How it stands with what replicas share; undefined: nothing is shared. */
  readonly shared: () => SharedReport | undefined;
  readonly keys: KeyDesk;
  /** Keys of the configuration, in its order. */
  configuredKeys(): readonly Key[];
  /** What a key has spent in its current period, and what running calls may still spend. Millionths of a US dollar. */
  spending(key: Pick<Key, "id" | "limits">): Promise<KeySpending>;
  /** Whether anybody may ask for a model by this name now. */
  isModel(name: string): boolean;
  readonly ledger: LedgerDesk;
  /** Calls no upstream. The policy has been examined. */
  simulate(request: SimulationRequest): Promise<SimulationReport>;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startWall: number;
  /** Milliseconds since the epoch. */
  now(): number;
  stats(): readonly TargetCounters[] | Promise<readonly TargetCounters[]>;
  reload(): Promise<ReloadOutcome>;
  /** Writes the audit line of a change. */
  audit(entry: AuditEntry): void;
}
