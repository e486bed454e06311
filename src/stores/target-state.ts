import type { TargetId } from "../core/catalog.ts";
import { BreakerState, HealthStatus } from "../core/chat.ts";
import { type ChatError, type Failure, remedies } from "../core/error.ts";
import type { HealthView } from "../core/health.ts";
import { Breaker, type BreakerOptions } from "./breaker.ts";
import { RecentSamples } from "./recent-samples.ts";
import { SlidingCounts } from "./sliding-counts.ts";

/** No upstream may send a target away for longer, whatever its Retry-After says. */
const cooldownMsMax = 3_600_000;
/** After RATE_LIMITED without a wait. */
const rateLimitedMs = 1_000;
/** After UPSTREAM_AUTH and QUOTA_EXHAUSTED: only an operator or the provider's bookkeeping can mend them. */
const lockedOutMs = 60_000;

/** Below that many calls in the window the ratio does not make a target degraded. */
const callsForRatio = 5;
const degradedRatio = 0.5;

/** The target's fault or state, though not a fault for the breaker: it answers, and says no to everybody. */
const refusals: ReadonlySet<Failure> = new Set(["RATE_LIMITED", "QUOTA_EXHAUSTED", "UPSTREAM_AUTH"]);

/** What the last probe of the target's provider said, or a call that succeeded since. */
export type HostEvidence = "none" | "good" | "doubtful" | "bad";

/** Everything known of one target: breaker, cool-down, success ratio and latencies, each on its own axis. */
export class TargetState {
  readonly id: TargetId;
  readonly breaker: Breaker;
  /** Of streams. */
  readonly firstToken = new RecentSamples();
  /** Of whole unary calls. */
  readonly unary = new RecentSamples();
  readonly counts: SlidingCounts;
  /** Attempts begun and not ended. */
  inFlight = 0;
  /** Monotonic milliseconds; 0: never asked to leave it alone. */
  #cooldownUntilMs = 0;
  /** Whether any attempt ever said something about it. */
  tried = false;
  #failedAtMs: number | undefined;
  #view: HealthView | undefined;
  #viewUntilMs = 0;

  constructor(id: TargetId, options: BreakerOptions, random: () => number) {
    this.id = id;
    this.breaker = new Breaker(options, random);
    this.counts = new SlidingCounts(options.windowMs);
  }

  /** Until when it was asked to be left alone; undefined: it was not, or that is over. */
  coolingUntilMs(nowMs: number): number | undefined {
    return nowMs < this.#cooldownUntilMs ? this.#cooldownUntilMs : undefined;
  }

  /** Until when the breaker is open; undefined: closed, or half-open and for the next call to try. */
  openUntilMs(nowMs: number): number | undefined {
    return this.breaker.state(nowMs) === BreakerState.OPEN ? this.breaker.barredUntilMs(nowMs) : undefined;
  }

  /** When the next thing that bars it ends; undefined: nothing does. A running trial is no bar in this sense. */
  barEndMs(nowMs: number): number | undefined {
    const openMs = this.openUntilMs(nowMs);
    const coolingMs = this.coolingUntilMs(nowMs);
    return openMs === undefined || coolingMs === undefined ? (openMs ?? coolingMs) : Math.min(openMs, coolingMs);
  }

  /** The first content came `latencyMs` after the start. */
  succeeded(streamed: boolean, latencyMs: number, nowMs: number): void {
    this.tried = true;
    this.#failedAtMs = undefined;
    this.counts.record(false, nowMs);
    (streamed ? this.firstToken : this.unary).add(latencyMs, nowMs);
  }

  /** An attempt that began at `beganMs` failed by the target's doing (see `speaksAgainst`). */
  failed(error: ChatError, beganMs: number, nowMs: number): void {
    this.tried = true;
    // Attempts that ran beside the first failure belong to the same event; only one that dared after it starts anew.
    if (this.#failedAtMs === undefined || beganMs >= this.#failedAtMs) this.#failedAtMs = nowMs;
    this.counts.record(true, nowMs);
    const wait = cooldownMs(error);
    if (wait > 0) this.#cooldownUntilMs = Math.max(this.#cooldownUntilMs, nowMs + wait);
  }

  /** Closes the breaker and ends the cool-down; what was measured stays. */
  reset(): void {
    this.breaker.reset();
    this.#cooldownUntilMs = 0;
    this.#failedAtMs = undefined;
    this.changed();
  }

  /** To be called after every change, of the host's evidence too. */
  changed(): void {
    this.#view = undefined;
  }

  /** The same object as long as nothing changed, neither by an outcome nor by time. */
  view(nowMs: number, host: HostEvidence): HealthView {
    if (this.#view !== undefined && nowMs < this.#viewUntilMs) return this.#view;
    const openUntilMs = this.breaker.barredUntilMs(nowMs);
    const coolingUntilMs = this.coolingUntilMs(nowMs);
    const barredUntilMs = Math.max(openUntilMs ?? 0, coolingUntilMs ?? 0);
    const breaker = this.breaker.state(nowMs);
    // The soonest of all: an open breaker turns half-open before a longer cool-down is over.
    this.#viewUntilMs = Math.min(this.counts.steadyUntilMs(nowMs), openUntilMs ?? Infinity, coolingUntilMs ?? Infinity);
    this.#view = {
      status: this.#status(nowMs, breaker, host),
      breaker,
      barred: openUntilMs !== undefined ? "open" : coolingUntilMs !== undefined ? "cooling" : undefined,
      barredUntilMs,
      firstTokenMs: this.firstToken.mean,
      unaryMs: this.unary.mean,
      firstTokenP95Ms: this.firstToken.quantile(0.95),
      successRatio: successRatio(this.counts.calls(nowMs), this.counts.failures(nowMs)),
      failedAtMs: this.#failedAtMs,
    };
    return this.#view;
  }

  /** Half-open is degraded, whether or not its one trial happens to run just now. */
  #status(nowMs: number, breaker: BreakerState, host: HostEvidence): HealthStatus {
    if (host === "bad" || breaker === BreakerState.OPEN || nowMs < this.#cooldownUntilMs) return HealthStatus.UNHEALTHY;
    if (!this.tried) return host === "good" ? HealthStatus.HEALTHY : host === "doubtful" ? HealthStatus.DEGRADED : HealthStatus.UNKNOWN;
    if (breaker !== BreakerState.CLOSED) return HealthStatus.DEGRADED;
    return isPoor(this.counts.calls(nowMs), this.counts.failures(nowMs)) ? HealthStatus.DEGRADED : HealthStatus.HEALTHY;
  }
}

/** Whether the failure is the target's doing. What callers, tenants and we ourselves do wrong never counts. */
export function speaksAgainst(error: ChatError): boolean {
  return error.skipped === undefined && (remedies[error.failure].blame || refusals.has(error.failure));
}

/** 1 without calls. */
export function successRatio(calls: number, failures: number): number {
  return calls === 0 ? 1 : (calls - failures) / calls;
}

/** Enough calls, and less than half of them good. */
function isPoor(calls: number, failures: number): boolean {
  return calls >= callsForRatio && successRatio(calls, failures) < degradedRatio;
}

function cooldownMs({ failure, retryAfterMs }: ChatError): number {
  switch (failure) {
    case "RATE_LIMITED":
      return Math.min(retryAfterMs ?? rateLimitedMs, cooldownMsMax);
    case "OVERLOADED":
      return Math.min(retryAfterMs ?? 0, cooldownMsMax);
    case "UPSTREAM_AUTH":
    case "QUOTA_EXHAUSTED":
      return lockedOutMs;
    default:
      return 0;
  }
}
