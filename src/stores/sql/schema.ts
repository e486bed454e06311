import type { Generated } from "kysely";
import type { Priority } from "../../core/chat.ts";
import type { AttemptKind, ErrorReason } from "../../core/chat.ts";

/** All tables, as both databases have them. Times are milliseconds since the epoch, truths are 0 and 1. */
export interface Tables {
  readonly decisions: DecisionTable;
  readonly policy_revisions: PolicyRevisionTable;
  readonly policy_state: PolicyStateTable;
  readonly issued_keys: IssuedKeyTable;
  readonly key_state: KeyStateTable;
  readonly ledger_calls: LedgerCallTable;
  readonly ledger_attempts: LedgerAttemptTable;
  readonly ledger_days: LedgerDayTable;
}

/** See `DecisionRow`. */
export interface DecisionTable {
  readonly id: string;
  readonly wall: number;
  readonly key_id: string;
  readonly model: string;
  readonly providers: string;
  readonly failed: number;
  readonly retried: number;
  readonly request_id: string;
  readonly text: string;
}

/** Activations; the newest have the largest number. */
export interface PolicyRevisionTable {
  readonly number: number;
  readonly revision: string;
  /** The message as JSON. */
  readonly text: string;
}

/** One row. */
export interface PolicyStateTable {
  readonly id: Generated<number>;
  readonly active: number;
  readonly canary: number | null;
  readonly file_text: string;
}

/** See `IssuedKey`. */
export interface IssuedKeyTable {
  readonly id: string;
  readonly digest: string;
  readonly prefix: string;
  readonly name: string;
  readonly create_wall: number;
  readonly expire_wall: number | null;
  readonly revoke_wall: number | null;
  /** JSON. */
  readonly models: string;
  readonly priority: Priority;
  /** JSON. */
  readonly limits: string | null;
  /** JSON. */
  readonly labels: string;
  readonly request_id: string;
  readonly version: number;
}

/** One row. */
export interface KeyStateTable {
  readonly id: number;
  /** Number of the last change of any key. */
  readonly version: number;
  /** Whether the configuration ever had a key. */
  readonly configured: number;
}

/** One row a call that was settled; `day` and `wall` as in `LedgerEntry`. */
export interface LedgerCallTable {
  readonly id: string;
  readonly wall: number;
  readonly key_id: string;
  readonly asked: string;
  readonly provider: string;
  readonly model: string;
  readonly failed: number;
  readonly cache_hit: number;
}

/**
 * One row an attempt. Money is in two whole numbers, millionths of a US dollar and millionths of those: sums of either stay within
 * what the databases and JavaScript count exactly.
 */
export interface LedgerAttemptTable {
  readonly id: string;
  readonly call_id: string;
  readonly wall: number;
  readonly key_id: string;
  readonly prices: string;
  readonly provider: string;
  readonly model: string;
  readonly kind: AttemptKind;
  readonly start_wall: number;
  readonly ms: number;
  readonly status: number;
  readonly reason: ErrorReason;
  readonly upstream_id: string;
  readonly won: number;
  /** 0: it used nothing that is known, and all counts are 0. */
  readonly used: number;
  readonly unpriced: number;
  readonly estimated: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
  readonly micro_usd: number;
  readonly pico_usd: number;
  /** Counts that are not summed, and which of the others the upstream told: a `UsageRecord` as JSON; empty: `used` is 0. */
  readonly usage: string;
}

/** What a key spent, by the day its calls arrived; never forgotten. */
export interface LedgerDayTable {
  readonly key_id: string;
  /** Days since the epoch, UTC. */
  readonly day: number;
  readonly micro_usd: number;
  readonly pico_usd: number;
}
