import type { TargetId } from "./catalog.ts";
import type { BreakerState, HealthStatus, ProviderHealth } from "./chat.ts";
import type { ChatError } from "./error.ts";

/** What is known of a target now. */
export interface HealthView {
  readonly status: HealthStatus;
  readonly breaker: BreakerState;
  /** Why it may not be called now; undefined: it may. */
  readonly barred: "open" | "cooling" | undefined;
  /** Monotonic milliseconds when `barred` ends; 0 where nothing bars it. */
  readonly barredUntilMs: number;
  /** Decaying mean of milliseconds to the first content of streams; undefined: no sample. */
  readonly firstTokenMs: number | undefined;
  /** Decaying mean of milliseconds of whole unary calls; undefined: no sample. */
  readonly unaryMs: number | undefined;
  /** Of the observed times to first content; undefined: no sample. */
  readonly firstTokenP95Ms: number | undefined;
  /** Over the sliding window; 1 without calls. */
  readonly successRatio: number;
  /**
   * When the target began to fail: the first failure since its last success, moved on only by attempts that began
   * after it. Monotonic milliseconds; undefined: its last outcome was good, or it has none.
   */
  readonly failedAtMs: number | undefined;
}

/** How an attempt came out, as health sees it. */
export type Outcome =
  /** `firstContentMs` counts from the attempt's start; of a unary call it is the whole answer. */
  | { readonly kind: "succeeded"; readonly streamed: boolean; readonly firstContentMs: number }
  | { readonly kind: "failed"; readonly error: ChatError }
  /** The caller left, or the fault was the caller's: says nothing about the target. */
  | { readonly kind: "neutral" };

/** One attempt under watch; to be ended exactly once. */
export interface Trial {
  /** The first content came: a half-open breaker closes now, not when a long answer is over. Without effect after `end`. */
  answered(): void;
  end(outcome: Outcome): void;
}

/** The breaker's or the cool-down's no. */
export interface Barred {
  readonly barred: "open" | "cooling";
  readonly retryAfterMs: number;
}

/** Passive health: learns from attempts. */
export interface HealthTracker {
  view(target: TargetId): HealthView;
  /** Half-open admits exactly one. */
  begin(target: TargetId): Trial | Barred;
}

/** Health as operators see it. */
export interface HealthReporter {
  report(provider: string): ProviderHealth;
  /** Calls back with the provider's name after a change of status, breaker or cool-down; the answer unsubscribes. */
  watch(listener: (provider: string) => void): () => void;
}

/** A provider's concurrent calls. */
export interface Slots {
  /** A release function, to be called once; undefined: full. */
  take(provider: string): (() => void) | undefined;
  /** Waits for a slot, first come first served; undefined when `ms` passed. Rejects when the signal aborts. */
  wait(provider: string, ms: number, signal: AbortSignal): Promise<(() => void) | undefined>;
}
