import type { Generated } from "kysely";

/** All tables, as both databases have them. Times are milliseconds since the epoch, truths are 0 and 1. */
export interface Tables {
  readonly decisions: DecisionTable;
  readonly policy_revisions: PolicyRevisionTable;
  readonly policy_state: PolicyStateTable;
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
