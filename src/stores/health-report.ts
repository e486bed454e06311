import { type Clock, durationFromMs, timestampFromMs } from "../core/clock.ts";
import { BreakerState, type ErrorReason, HealthStatus, type ProviderHealth, type TargetHealth } from "../core/chat.ts";
import { quantileOf, type RecentSamples } from "./recent-samples.ts";
import { type HostEvidence, successRatio, type TargetState } from "./target-state.ts";

/** What the report of a provider is made of. */
export interface ReportInput {
  readonly name: string;
  /** `max_concurrent`; 0: none known. */
  readonly concurrencyMax: number;
  /** Targets of the catalogue. */
  readonly declared: readonly TargetState[];
  /** Targets reached by `provider/any-name`. Callers choose these names, so they count for the status only where nothing is declared. */
  readonly others: readonly TargetState[];
  /** What its last probe said, unless a call has proved it wrong since. */
  readonly host: HostEvidence;
  readonly lastError: { readonly reason: ErrorReason; readonly message: string; readonly wallMs: number } | undefined;
  /** Milliseconds since the epoch; undefined: never probed. */
  readonly lastProbeWallMs: number | undefined;
}

/** The state of a provider as operators see it. */
export function reportProvider(input: ReportInput, clock: Clock): ProviderHealth {
  const nowMs = clock.now();
  const wallFrom = (ms: number) => timestampFromMs(clock.wall() + ms - nowMs);
  const targets = input.declared.concat(input.others);
  const unary = targets.map((target) => target.unary);
  const calls = sum(targets, (target) => target.counts.calls(nowMs));
  const failures = sum(targets, (target) => target.counts.failures(nowMs));
  const retryMs = earliest(targets.map((target) => target.openUntilMs(nowMs)));
  const cooldownMs = Math.max(0, ...targets.map((target) => target.coolingUntilMs(nowMs) ?? 0));
  return {
    $typeName: "semaroute.v1.ProviderHealth",
    provider: input.name,
    status: providerStatus(input, nowMs),
    breaker: worst(targets.map((target) => target.breaker.state(nowMs))),
    breakerRetryTime: retryMs === undefined ? undefined : wallFrom(retryMs),
    inFlight: sum(targets, (target) => target.inFlight),
    concurrencyLimit: input.concurrencyMax,
    successRatio: successRatio(calls, failures),
    latencyP50: quantileOfAll(unary, 0.5),
    latencyP95: quantileOfAll(unary, 0.95),
    firstTokenP50: quantileOfAll(
      targets.map((target) => target.firstToken),
      0.5,
    ),
    lastErrorReason: input.lastError?.reason ?? 0,
    lastError: input.lastError?.message ?? "",
    lastErrorTime: input.lastError && timestampFromMs(input.lastError.wallMs),
    lastProbeTime: input.lastProbeWallMs === undefined ? undefined : timestampFromMs(input.lastProbeWallMs),
    rateLimits: [],
    cooldownUntil: cooldownMs === 0 ? undefined : wallFrom(cooldownMs),
    targets: targets.map((target) => reportTarget(target, nowMs, wallFrom)),
  };
}

/**
 * Unhealthy: the last probe got no answer and no call succeeded since, or no target may be called. Degraded: some target may
 * not, is on trial, or fails more often than not, or the last probe was answered with an error and no call succeeded since. Unknown: never called and never probed.
 */
function providerStatus({ declared, others, host }: ReportInput, nowMs: number): HealthStatus {
  if (host === "bad") return HealthStatus.UNHEALTHY;
  const targets = declared.length > 0 ? declared : others;
  const statuses = targets.map((target) => target.view(nowMs, host).status);
  const unusable = statuses.filter((status) => status === HealthStatus.UNHEALTHY).length;
  if (unusable > 0) return unusable === statuses.length ? HealthStatus.UNHEALTHY : HealthStatus.DEGRADED;
  if (statuses.includes(HealthStatus.DEGRADED)) return HealthStatus.DEGRADED;
  if (host === "doubtful") return HealthStatus.DEGRADED;
  const known = host === "good" || [...declared, ...others].some((target) => target.tried);
  return known ? HealthStatus.HEALTHY : HealthStatus.UNKNOWN;
}

function reportTarget(target: TargetState, nowMs: number, wallFrom: (ms: number) => ProviderHealth["cooldownUntil"]): TargetHealth {
  const openMs = target.openUntilMs(nowMs);
  const coolingMs = target.coolingUntilMs(nowMs);
  return {
    $typeName: "semaroute.v1.TargetHealth",
    model: target.id.slice(target.id.indexOf("/") + 1),
    breaker: target.breaker.state(nowMs),
    breakerRetryTime: openMs === undefined ? undefined : wallFrom(openMs),
    cooldownUntil: coolingMs === undefined ? undefined : wallFrom(coolingMs),
    successRatio: successRatio(target.counts.calls(nowMs), target.counts.failures(nowMs)),
    firstTokenP50: quantileOfAll([target.firstToken], 0.5),
    firstTokenP95: quantileOfAll([target.firstToken], 0.95),
    inFlight: target.inFlight,
  };
}

/** Closed, half-open, open are numbered in that order. */
function worst(states: readonly BreakerState[]): BreakerState {
  return states.reduce((one, other) => (one > other ? one : other), BreakerState.CLOSED);
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  return times.reduce((one, other) => (one === undefined || (other !== undefined && other < one) ? other : one), undefined);
}

function sum(targets: readonly TargetState[], count: (target: TargetState) => number): number {
  return targets.reduce((total, target) => total + count(target), 0);
}

function quantileOfAll(samples: readonly RecentSamples[], share: number): ProviderHealth["latencyP50"] {
  const all = Float64Array.from(samples.flatMap((each) => [...each.sorted()])).toSorted();
  const value = quantileOf(all, share);
  return value === undefined ? undefined : durationFromMs(value);
}
