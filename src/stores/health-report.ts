import { type Clock, durationFromMs, timestampFromMs } from "../core/clock.ts";
import {
  BreakerState,
  ErrorReason,
  HealthAxis,
  HealthStatus,
  type ProviderHealth,
  type TargetBar,
  type TargetHealth,
} from "../core/chat.ts";
import type { Failure } from "../core/error.ts";
import type { DoubtKind } from "../core/hints.ts";
import type { FeltLatency } from "./felt-latency.ts";
import { quantileOf } from "./recent-samples.ts";
import type { ProviderEvidence, TargetState } from "./target-state.ts";
import { lockOf, successRatio } from "./target-view.ts";

/** What the report of a provider is made of. */
export interface ReportInput extends ProviderEvidence {
  readonly name: string;
  /** Targets of the catalogue. */
  readonly declared: readonly TargetState[];
  /** Targets reached by `provider/any-name`. Callers choose these names, so they count for the status only where nothing is declared. */
  readonly others: readonly TargetState[];
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
  const cooldownMs = Math.max(0, ...targets.map((target) => target.cooldown.untilMs(nowMs) ?? 0));
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
    targets: targets.map((target) => reportTarget(target, { nowMs, wallFrom })),
  };
}

/**
 * Unhealthy: the last probe got no answer and no call succeeded since, or no target may be called. Degraded: some target may
 * not, is on trial, or fails more often than not, or the last probe was answered with an error and no call succeeded since. Unknown: never called and never probed.
 */
function providerStatus(input: ReportInput, nowMs: number): HealthStatus {
  const { declared, others, host } = input;
  if (host === "bad") return HealthStatus.UNHEALTHY;
  const targets = declared.length > 0 ? declared : others;
  const statuses = targets.map((target) => target.view(nowMs, input).status);
  const unusable = statuses.filter((status) => status === HealthStatus.UNHEALTHY).length;
  if (unusable > 0) return unusable === statuses.length ? HealthStatus.UNHEALTHY : HealthStatus.DEGRADED;
  if (statuses.includes(HealthStatus.DEGRADED)) return HealthStatus.DEGRADED;
  if (host === "doubtful") return HealthStatus.DEGRADED;
  const known = host === "good" || [...declared, ...others].some((target) => target.tried);
  return known ? HealthStatus.HEALTHY : HealthStatus.UNKNOWN;
}

/** A moment, and how to tell people of moments. */
interface Moment {
  readonly nowMs: number;
  readonly wallFrom: (ms: number) => NonNullable<ProviderHealth["cooldownUntil"]>;
}

function reportTarget(target: TargetState, moment: Moment): TargetHealth {
  const { nowMs, wallFrom } = moment;
  const openMs = target.openUntilMs(nowMs);
  const coolingMs = target.cooldown.untilMs(nowMs);
  const limit = target.concurrencyLimit(nowMs, undefined);
  const warmth = target.slowStart.warmth(nowMs);
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
    concurrencyLimit: Number.isFinite(limit) ? limit : undefined,
    bars: barsOf(target, moment),
    warmth: warmth < 1 ? warmth : undefined,
    hearsay: hearsayOf(target, moment),
  };
}

/** In the order of the axes. */
function barsOf(target: TargetState, { nowMs, wallFrom }: Moment): TargetBar[] {
  const { breaker, cooldown, missing, blamed } = target;
  const bars: BarFacts[] = [];
  if (breaker.sinceMs !== undefined)
    bars.push({ axis: HealthAxis.BREAKER, reason: blamed, sinceMs: breaker.sinceMs, untilMs: target.openUntilMs(nowMs) });
  const coolingMs = cooldown.untilMs(nowMs);
  if (coolingMs !== undefined)
    bars.push({ axis: HealthAxis.RATE_LIMIT, reason: cooldown.reason, sinceMs: cooldown.sinceMs, untilMs: coolingMs });
  const lock = lockOf(target, nowMs);
  if (lock !== undefined) bars.push({ axis: HealthAxis.CREDENTIAL, ...lock });
  for (const [feature, fact] of missing.entries(nowMs)) bars.push({ axis: HealthAxis.CAPABILITY, feature, ...fact });
  return bars.map(({ axis, reason, sinceMs, untilMs, feature }) => ({
    $typeName: "semaroute.v1.TargetBar",
    axis,
    reason: ErrorReason[reason ?? "UNSPECIFIED"],
    since: wallFrom(sinceMs),
    until: untilMs === undefined ? undefined : wallFrom(untilMs),
    feature: feature ?? "",
  }));
}

const hearsayAxes = {
  failing: HealthAxis.BREAKER,
  limited: HealthAxis.RATE_LIMIT,
  refused: HealthAxis.CREDENTIAL,
} as const satisfies Record<DoubtKind, HealthAxis>;

function hearsayOf({ hearsay }: TargetState, { nowMs, wallFrom }: Moment): TargetHealth["hearsay"] {
  const kind = hearsay.kind(nowMs);
  const untilMs = hearsay.untilMs(nowMs);
  if (kind === undefined || untilMs === undefined) return undefined;
  return {
    $typeName: "semaroute.v1.TargetBar",
    axis: hearsayAxes[kind],
    reason: ErrorReason.UNSPECIFIED,
    since: wallFrom(hearsay.sinceMs),
    until: wallFrom(untilMs),
    feature: "",
  };
}

/** What a bar is told from. */
interface BarFacts {
  readonly axis: HealthAxis;
  readonly reason: Failure | undefined;
  /** Monotonic milliseconds, as `untilMs` is. */
  readonly sinceMs: number;
  readonly untilMs: number | undefined;
  readonly feature?: string;
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

function quantileOfAll(latencies: readonly FeltLatency[], share: number): ProviderHealth["latencyP50"] {
  const all = Float64Array.from(latencies.flatMap(({ samples }) => [...samples.sorted()])).toSorted();
  const value = quantileOf(all, share);
  return value === undefined ? undefined : durationFromMs(value);
}
