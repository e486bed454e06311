import type { Key, KeyId } from "../core/call.ts";
import type { ProviderState } from "../core/chat.ts";
import type { Failure } from "../core/error.ts";
import type { Allowances, Spend, Standing } from "../core/limits.ts";
import type { ReloadOutcome, TargetCounters } from "../core/operations.ts";
import type { Store } from "../core/store.ts";
import type { Link } from "./link.ts";
import type { StoreCall } from "../stores/sql/store-calls.ts";

/** A worker's end of the channel. */
export type PrimaryLink = Link<PrimaryTable, WorkerTable>;
/** The primary's. */
export type WorkerLink = Link<WorkerTable, PrimaryTable>;

/** More money that was set aside; see `Reservation`. */
interface Extension {
  readonly picoUsd: bigint;
  readonly unasked: boolean;
}

/** What workers ask the primary. */
export interface PrimaryTable {
  /** The first question of each. */
  readonly welcome: { readonly ask: undefined; readonly answer: Welcome };
  /** It listens everywhere, and serves. */
  readonly ready: { readonly ask: readonly Listening[]; readonly answer: void };
  /** Answered as `StoreAnswers` says. */
  readonly store: { readonly ask: StoreCall; readonly answer: unknown };
  readonly enter: { readonly ask: PlaceAsk; readonly answer: Verdict };
  readonly release: { readonly ask: { readonly id: number; readonly refused: boolean }; readonly answer: void };
  readonly reserve: { readonly ask: MoneyAsk; readonly answer: Verdict & { readonly picoUsd: bigint } };
  readonly extend: { readonly ask: { readonly id: number; readonly picoUsd: bigint }; readonly answer: Extension };
  readonly settle: { readonly ask: { readonly id: number; readonly used: Spend }; readonly answer: void };
  /** Whoever asked for it waits no more, and did not use it. */
  readonly withdraw: { readonly ask: number; readonly answer: void };
  /** What calls that wait for money need by now. */
  readonly estimate: { readonly ask: readonly { readonly id: number; readonly most: Spend }[]; readonly answer: void };
  readonly standing: { readonly ask: Pick<Key, "id" | "limits">; readonly answer: Standing | undefined };
  readonly changed: { readonly ask: LimitedKey; readonly answer: void };
  /** Resolves when all other workers have looked, or do not answer. */
  readonly spread: { readonly ask: Place; readonly answer: void };
  readonly setProvider: { readonly ask: ProviderChange; readonly answer: void };
  /** Of the other workers: how many answers there were. */
  readonly purge: { readonly ask: KeyId | undefined; readonly answer: number };
  readonly watchDecisions: { readonly ask: boolean; readonly answer: void };
  readonly reload: { readonly ask: undefined; readonly answer: ReloadOutcome };
  /** Of all workers, and of those before them. */
  readonly stats: { readonly ask: undefined; readonly answer: readonly TargetCounters[] };
  /** What it has counted in all: it ends now. */
  readonly farewell: { readonly ask: Report; readonly answer: void };
  readonly page: { readonly ask: undefined; readonly answer: { readonly contentType: string; readonly body: string } };
}

/** What the primary asks workers. */
export interface WorkerTable {
  /** Something changed there, by another worker. */
  readonly look: { readonly ask: Place; readonly answer: void };
  readonly setProvider: { readonly ask: ProviderChange; readonly answer: void };
  /** How many answers there were. */
  readonly purge: { readonly ask: KeyId | undefined; readonly answer: number };
  /** Everything that ended until now is in the store, if the store is well. */
  readonly flush: { readonly ask: undefined; readonly answer: void };
  readonly report: { readonly ask: undefined; readonly answer: Report };
  /** What is wrong with it; nothing: it is in force. */
  readonly reload: { readonly ask: ConfigurationText; readonly answer: readonly ConfigurationProblem[] };
  /** Decisions of other workers, as the store keeps them. */
  readonly decided: { readonly ask: readonly string[]; readonly answer: void };
  /** Drain, and end. */
  readonly stop: { readonly ask: Leaving; readonly answer: void };
}

/** Where something is looked up again. */
export type Place = "policies" | "keys";

/** Why a worker ends: all do, or another one has taken its place already. */
export type Leaving = "stopping" | "replaced";

/** The configuration file as the primary last took it over. */
export interface ConfigurationText {
  /** Absolute; undefined: there is no file. */
  readonly path: string | undefined;
  readonly text: string;
}

/** Why it cannot be taken over. */
export interface ConfigurationProblem {
  /** The setting's; empty: the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** What a worker begins with. */
export interface Welcome {
  readonly file: ConfigurationText;
  readonly storeKind: Store["kind"];
  /** Files that workers' ledgers wait in begin with this path, and end with a dot and the process's number; undefined: nothing lasts. */
  readonly journals: string | undefined;
  /** When the primary started; milliseconds since the epoch. */
  readonly startWall: number;
  /** What operators said of providers since then. */
  readonly providers: readonly ProviderChange[];
}

/** An open listener, as its start-up line tells of it. */
export interface Listening {
  readonly url: string;
  readonly doors: readonly string[];
}

/** A key, as far as limits go by it. */
export type LimitedKey = Pick<Key, "id" | "name" | "priority" | "limits">;

/** A call that wants to begin. */
export interface PlaceAsk {
  /** The worker's own number of it. */
  readonly id: number;
  readonly key: LimitedKey;
}

/** A call that wants something set aside. */
export interface MoneyAsk extends PlaceAsk {
  readonly most: Spend;
}

/** What limits say. */
export interface Verdict {
  /** Undefined: yes. */
  readonly no: Refusal | undefined;
  /** How the key's limits stand after it. */
  readonly allowances: Allowances | undefined;
}

/** A limit's no. */
export interface Refusal {
  readonly failure: Failure;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
  /** Whose limit it was. */
  readonly limitedKey: KeyId | undefined;
}

/** An operator's word on a provider. */
export interface ProviderChange {
  readonly id: string;
  readonly state: ProviderState;
  readonly resetBreaker: boolean;
}

/** What a worker has counted since it started; `Metrics` are what the telemetry makes of it. */
export interface Report<Metrics = unknown> {
  readonly metrics: Metrics;
  readonly stats: readonly TargetCounters[];
}
