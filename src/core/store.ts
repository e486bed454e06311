import type { PolicyRevision } from "./chat.ts";
import type { KeyStore } from "./keys.ts";
import type { LedgerStore } from "./ledger.ts";

/** A decision as a store keeps it: its text, and what it is found by. */
export interface DecisionRow {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly wall: number;
  readonly key: string;
  readonly model: string;
  /** Everybody who was tried, and who answered: `,a,b,`. */
  readonly providers: string;
  readonly failed: boolean;
  /** More than one attempt. */
  readonly retried: boolean;
  readonly requestId: string;
  /** A `DecisionRecord` as JSON. */
  readonly text: string;
}

/** Which decisions; what is absent does not matter. */
export interface DecisionQuery {
  readonly key?: string;
  readonly model?: string;
  readonly failed?: true;
  readonly retried?: true;
  readonly provider?: string;
  /** Milliseconds since the epoch; inclusive. */
  readonly sinceWall?: number;
  /** Exclusive. */
  readonly untilWall?: number;
  readonly requestId?: string;
  /** Only those behind this one, in the order of the list. */
  readonly after?: { readonly wall: number; readonly id: string };
  readonly limit: number;
}

/** Decisions that last. */
export interface DecisionStore {
  /** All of them or none; one that is there already is not kept twice. */
  add(rows: readonly DecisionRow[]): Promise<void>;
  /** Their texts, newest first. */
  list(query: DecisionQuery): Promise<readonly string[]>;
  find(id: string): Promise<string | undefined>;
  /** Forgets the oldest of those before a time, at most `limit`; answers how many went. */
  prune(beforeWall: number, limit: number): Promise<number>;
}

/** The policies that were ever in force, as far as they are remembered. */
export interface KeptPolicies {
  /** Newest first. */
  readonly revisions: readonly PolicyRevision[];
  /** Number of the active one. */
  readonly active: bigint;
  /** Number of the canary; undefined: there is none. */
  readonly canary: bigint | undefined;
  /** Hash of the file's policy as it was last applied. */
  readonly fileText: string;
}

/** Policies that last. */
export interface PolicyStore {
  /** Undefined: none was ever kept. */
  load(): Promise<KeptPolicies | undefined>;
  /** Adds these revisions to those kept, and says which are in force; all of it or nothing. */
  save(change: KeptPolicies): Promise<void>;
}

/** What is in force, in numbers: nobody changes it without changing one of them. */
export interface PolicyMark {
  /** Number of the newest revision. */
  readonly newest: bigint;
  readonly active: bigint;
  readonly canary: bigint | undefined;
}

/** Policies that other processes change, too. */
export interface SharedPolicyStore extends PolicyStore {
  /** Cheap enough to be asked every few seconds. Undefined: none was ever kept. */
  mark(): Promise<PolicyMark | undefined>;
  /** As `save`, if `basis` still tells what is in force; false: it does not, and nothing was changed. */
  replace(change: KeptPolicies, basis: PolicyMark | undefined): Promise<boolean>;
}

/** What outlives the process. */
export interface Store {
  /** For people. */
  readonly kind: "sqlite" | "postgres" | "memory";
  /** Undefined: nothing lasts. */
  readonly decisions: DecisionStore | undefined;
  /** Undefined: nothing lasts. */
  readonly policies: PolicyStore | undefined;
  /** Undefined: nothing lasts. */
  readonly keys: KeyStore | undefined;
  /** The same policies, where other processes have them, too. Undefined: they are this process's alone. */
  readonly sharedPolicies: SharedPolicyStore | undefined;
  readonly ledger: LedgerStore | undefined;
  close(): Promise<void>;
}

/** What becomes of rows that a store in another process does not take. */
export interface StoreTrouble {
  /** They wait in the journal: it is away, full or read-only. */
  readonly waits: boolean;
  /** Those that it refuses for good, since start. */
  readonly refused: number;
}

/** Why a store cannot be opened; the message is for the operator, and holds no password. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  /** Whether the place cannot be written or is another process's, so that a store nobody asked for can be done without. */
  readonly unwritable: boolean;

  constructor(text: string, unwritable: boolean, cause?: unknown) {
    super(text, { cause });
    this.unwritable = unwritable;
  }
}
