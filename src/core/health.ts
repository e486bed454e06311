import type { Key } from "./call.ts";
import type { Target, TargetId } from "./catalog.ts";
import type { BreakerState, HealthStatus, ProviderHealth } from "./chat.ts";
import type { ChatError, Failure } from "./error.ts";
import type { Feature } from "./features.ts";
import type { DoubtKind } from "./hints.ts";

/** What is known of a target now. Each axis stands for itself; a time is monotonic milliseconds, and 0 where nothing bars on that axis. */
export interface HealthView {
  readonly status: HealthStatus;
  readonly breaker: BreakerState;
  /** Until when the breaker admits nobody; while its one trial runs, a guess. */
  readonly openUntilMs: number;
  /** Until when it wants to be left alone, having said that it is asked too much. */
  readonly coolingUntilMs: number;
  /** Until when its credential is out, the provider's or for this target alone. */
  readonly lockedUntilMs: number;
  /** Why the credential is out; undefined: it is not. */
  readonly lockedBy: LockReason | undefined;
  /** What it lately said it has not, in the words of `features`; mostly empty. */
  readonly lacks: readonly Feature[];
  /** Share of its usual part it may have while it comes back, in (0, 1]; 1: all of it. */
  readonly warmth: number;
  /** What another replica found and no attempt of this one has judged yet: others of its model are asked first. Mostly undefined. */
  readonly hearsay: DoubtKind | undefined;
  /**
   * Decaying mean of milliseconds to the first content of streams, in which a failure counts as a slow answer, however quick
   * it was; undefined: no sample.
   */
  readonly firstTokenMs: number | undefined;
  /** The same of whole unary calls. */
  readonly unaryMs: number | undefined;
  /** Of the observed times to first content, of successes only; undefined: no sample. */
  readonly firstTokenP95Ms: number | undefined;
  /** Over the sliding window; 1 without calls. */
  readonly successRatio: number;
  /**
   * When the target began to fail: the first failure since its last success, moved on only by attempts that began
   * after it. Monotonic milliseconds; undefined: its last outcome was good, or it has none.
   */
  readonly failedAtMs: number | undefined;
  /** When an outcome last said something about it; monotonic milliseconds, undefined: none ever did. */
  readonly heardMs: number | undefined;
  /** `firstTokenMs` and `unaryMs` by means of other time constants, in milliseconds, that were asked for; mostly empty. */
  readonly otherMeans: ReadonlyMap<number, LatencyMeans>;
}

/** See `HealthView`. */
export type LatencyMeans = Pick<HealthView, "firstTokenMs" | "unaryMs">;

/** What puts a credential out: it was refused, or its credit is used up. */
export type LockReason = Extract<Failure, "UPSTREAM_AUTH" | "QUOTA_EXHAUSTED">;

/** The credential of a target was refused, or is taken again. */
export interface CredentialChange {
  readonly provider: string;
  /** Whose call found it so. */
  readonly target: TargetId;
  /** Undefined: it is believed to be good again. */
  readonly reason: LockReason | undefined;
}

/** How an attempt came out, as health sees it. */
export type Outcome =
  /** `firstContentMs` counts from the attempt's start; of a unary call it is the whole answer. */
  | { readonly kind: "succeeded"; readonly streamed: boolean; readonly firstContentMs: number }
  | { readonly kind: "failed"; readonly streamed: boolean; readonly error: ChatError }
  /** The caller left, nobody waited any longer, or the fault was the caller's: says nothing about the target. */
  | { readonly kind: "neutral" };

/** One attempt under watch; to be ended exactly once. */
export interface Trial {
  /** The first content came: a half-open breaker closes now, not when a long answer is over. Without effect after `end`. */
  answered(): void;
  end(outcome: Outcome): void;
}

/** Why a target may not be called now. Of several the first: insisting gets past the last one only. */
export type Bar = "credential" | "cooling" | "open";

/** The no of one of a target's axes. */
export interface Barred {
  readonly barred: Bar;
  readonly retryAfterMs: number;
}

/**
 * Why a target's breaker is not asked: it is the only target that fits the call, or fewer than half of those that fit are
 * usable. All that else bars a target still does.
 */
export type Insistence = "lone" | "panic";

/** Passive health: learns from attempts. */
export interface HealthTracker {
  view(target: TargetId): HealthView;
  /**
   * Calls in flight over those it may have at a time, of the target or of its provider, whichever is more; 0 where no bound is
   * known.
   */
  load(target: TargetId): number;
  /**
   * Half-open admits exactly one. Past a breaker that is not closed, panic admits a few at a time, and a lone target's calls
   * all pass.
   */
  begin(target: TargetId, insist: Insistence | undefined): Trial | Barred;
  /**
   * Of the observed times to the first content of streams, or to the whole of unary answers, in milliseconds; `share` in
   * (0, 1]. Undefined: fewer than ten samples.
   */
  latencyQuantileMs(target: TargetId, streamed: boolean, share: number): number | undefined;
}

/** Health as operators see it. */
export interface HealthReporter {
  report(provider: string): ProviderHealth;
  /** Calls back with the provider's name after a change of status, breaker or cool-down; the answer unsubscribes. */
  watch(listener: (provider: string) => void): () => void;
}

/** What a slot is asked for; an attempt is one. */
export interface SlotRequest {
  readonly target: Target;
  /** Whose call it is; absent: nobody's. */
  readonly key?: Pick<Key, "id"> | undefined;
  readonly insist: Insistence | undefined;
}

/** Concurrent calls, of each provider and of each of its targets. */
export interface Slots {
  /** A release function, to be called once; undefined: the provider or the target is full. */
  take(request: SlotRequest): (() => void) | undefined;
  /**
   * Waits for a slot: the keys take turns, and the calls of one come in their order. Undefined when `ms` passed, or at once where
   * too many wait. Rejects when the signal aborts.
   */
  wait(request: SlotRequest, ms: number, signal: AbortSignal): Promise<(() => void) | undefined>;
  /** When a newcomer may expect a slot, by the pace at which they were given back: at least 1 ms, at most 30 s. */
  waitEstimateMs(request: SlotRequest): number;
}
