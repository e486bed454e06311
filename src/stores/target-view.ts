import { BreakerState, HealthStatus } from "../core/chat.ts";
import type { HealthView, LatencyMeans, LockReason } from "../core/health.ts";
import type { ProviderEvidence, TargetState } from "./target-state.ts";

/** Below that many calls in the window the ratio does not make a target degraded. */
const callsForRatio = 5;
const degradedRatio = 0.5;

/** What is known of a target now. */
export function viewOf(state: TargetState, provider: ProviderEvidence, nowMs: number): HealthView {
  const lock = lockOf(state, nowMs);
  const coolingUntilMs = state.cooldown.untilMs(nowMs) ?? 0;
  const breaker = state.breaker.state(nowMs);
  const isOut = breaker === BreakerState.OPEN || coolingUntilMs > 0 || lock !== undefined;
  return {
    status: isOut ? HealthStatus.UNHEALTHY : statusOf(state, provider, nowMs),
    breaker,
    openUntilMs: state.breaker.barredUntilMs(nowMs) ?? 0,
    coolingUntilMs,
    lockedUntilMs: lock?.untilMs ?? 0,
    lockedBy: lock?.reason,
    lacks: state.missing.entries(nowMs).map(([feature]) => feature),
    warmth: state.slowStart.warmth(nowMs),
    hearsay: state.hearsay.shown(nowMs),
    firstTokenMs: state.firstToken.meanMs(nowMs),
    unaryMs: state.unary.meanMs(nowMs),
    firstTokenP95Ms: state.firstToken.samples.quantile(0.95),
    successRatio: successRatio(state.counts.calls(nowMs), state.counts.failures(nowMs)),
    failedAtMs: state.failedAtMs,
    heardMs: state.heardMs,
    otherMeans: state.decaysMs.length === 0 ? noMeans : new Map(state.decaysMs.map((ms) => [ms, meansOf(state, nowMs, ms)])),
  };
}

/** What is kept of most targets. */
export const noMeans: HealthView["otherMeans"] = new Map();

function meansOf({ firstToken, unary }: TargetState, nowMs: number, decayMs: number): LatencyMeans {
  return { firstTokenMs: firstToken.meanMs(nowMs, decayMs), unaryMs: unary.meanMs(nowMs, decayMs) };
}

/** Until when a view stays true if nothing happens. The soonest of all: an open breaker turns half-open before a longer cool-down is over. */
export function viewUntilMs(state: TargetState, view: HealthView, nowMs: number): number {
  return Math.min(
    state.counts.steadyUntilMs(nowMs),
    ended(view.openUntilMs),
    ended(view.coolingUntilMs),
    ended(view.lockedUntilMs),
    state.missing.steadyUntilMs(),
    state.hearsay.untilMs(nowMs) ?? Number.POSITIVE_INFINITY,
    state.slowStart.steadyUntilMs(nowMs),
    state.firstToken.steadyUntilMs(nowMs),
    state.unary.steadyUntilMs(nowMs),
  );
}

/** When the next thing that bars it, or is said of it, ends; undefined: nothing does. A running trial is no bar in this sense. */
export function barEndMs(state: TargetState, nowMs: number): number | undefined {
  const end = Math.min(
    state.openUntilMs(nowMs) ?? Number.POSITIVE_INFINITY,
    state.cooldown.untilMs(nowMs) ?? Number.POSITIVE_INFINITY,
    lockOf(state, nowMs)?.untilMs ?? Number.POSITIVE_INFINITY,
    state.hearsay.untilMs(nowMs) ?? Number.POSITIVE_INFINITY,
  );
  return end === Number.POSITIVE_INFINITY ? undefined : end;
}

/** A credential that is out. */
export interface Lock {
  readonly reason: LockReason;
  /** Monotonic milliseconds, as `untilMs` is. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Undefined: the next call may use it. */
export function lockOf({ lockout }: TargetState, nowMs: number): Lock | undefined {
  const untilMs = lockout.untilMs(nowMs);
  return untilMs === undefined || lockout.state === undefined ? undefined : { reason: lockout.state, sinceMs: lockout.sinceMs, untilMs };
}

/** 1 without calls. */
export function successRatio(calls: number, failures: number): number {
  return calls === 0 ? 1 : (calls - failures) / calls;
}

/** Of a target that is not out. Half-open is degraded, whether or not its one trial happens to run just now. */
function statusOf({ tried, breaker, counts }: TargetState, { host }: ProviderEvidence, nowMs: number): HealthStatus {
  if (host === "bad") return HealthStatus.UNHEALTHY;
  if (!tried) return host === "good" ? HealthStatus.HEALTHY : host === "doubtful" ? HealthStatus.DEGRADED : HealthStatus.UNKNOWN;
  if (breaker.state(nowMs) !== BreakerState.CLOSED) return HealthStatus.DEGRADED;
  return isPoor(counts.calls(nowMs), counts.failures(nowMs)) ? HealthStatus.DEGRADED : HealthStatus.HEALTHY;
}

/** Enough calls, and less than half of them good. */
function isPoor(calls: number, failures: number): boolean {
  return calls >= callsForRatio && successRatio(calls, failures) < degradedRatio;
}

function ended(untilMs: number): number {
  return untilMs === 0 ? Number.POSITIVE_INFINITY : untilMs;
}
