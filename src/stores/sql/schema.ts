import type { Generated } from "kysely";
import type { Priority } from "../../core/chat.ts";

/** All tables, as both databases have them. Times are milliseconds since the epoch, truths are 0 and 1. */
export interface Tables {
  readonly decisions: DecisionTable;
  readonly policy_revisions: PolicyRevisionTable;
  readonly policy_state: PolicyStateTable;
  readonly issued_keys: IssuedKeyTable;
  readonly key_state: KeyStateTable;
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
