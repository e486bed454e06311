import type { Call } from "../core/call.ts";
import { needsFeature } from "../core/features.ts";
import type { HealthView, Insistence } from "../core/health.ts";
import type { DoubtKind } from "../core/hints.ts";
import { type Candidate, type Ranked, withRemark } from "../core/policy.ts";

/**
 * How a target that fits a call stands at the moment: it may be asked; only its breaker says no; it lately said that it has not
 * what the call needs; or it is not to be asked, whoever else is out.
 */
export type Standing = "usable" | "open" | "lacking" | "out";

/** `lone`: it is the only one that fits, so that what it lately said of itself is worth another question. */
export function standingOf({ health }: Candidate, call: Call, lone: boolean): Standing {
  if (health.lockedUntilMs > 0 || health.coolingUntilMs > 0) return "out";
  const isLacking = !lone && lackOf(health, call) !== undefined;
  if (health.openUntilMs > 0) return isLacking ? "out" : "open";
  return isLacking ? "lacking" : "usable";
}

/** Whether breakers are asked, by how many targets fit the call and how many of them are usable. */
export function insistenceOf(fitting: number, usable: number): Insistence | undefined {
  if (fitting === 1) return "lone";
  return usable * 2 < fitting ? "panic" : undefined;
}

/** Why a target is not asked, axis by axis, and for how long at least. */
export interface Refusal {
  readonly reason: string;
  /** Milliseconds; 0: not known. */
  readonly waitMs: number;
}

/** Of a target that is not usable. A breaker that is not asked is no reason, and nothing to wait for. */
export function refusalOf(health: HealthView, call: Call, { nowMs, insist }: Asking): Refusal {
  const reasons: string[] = [];
  const openUntilMs = insist === undefined ? health.openUntilMs : 0;
  if (health.lockedUntilMs > 0) reasons.push(health.lockedBy === "QUOTA_EXHAUSTED" ? "credit used up" : "credential refused");
  if (health.coolingUntilMs > 0) reasons.push("cooling down");
  if (openUntilMs > 0) reasons.push("breaker open");
  const lack = lackOf(health, call);
  if (lack !== undefined) reasons.push(lackReason(lack));
  const untilMs = Math.max(health.lockedUntilMs, health.coolingUntilMs, openUntilMs);
  return { reason: reasons.join("; "), waitMs: untilMs === 0 ? 0 : Math.max(1, untilMs - nowMs) };
}

/** How a call asks its targets. */
export interface Asking {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly insist: Insistence | undefined;
}

/** Why a target that is not usable is asked all the same; after all that are. */
export function lastResortRemark(health: HealthView, call: Call, insist: Insistence | undefined): string {
  const lack = lackOf(health, call);
  if (health.openUntilMs > 0) return insist === "lone" ? "breaker open; the only target" : "breaker open; most targets are out";
  return lack === undefined ? "" : `${lackReason(lack)}; nobody else can`;
}

/**
 * Each group as it is, or, where other replicas have said something of some in it, in two: those behind the rest. They are asked as
 * before where the rest fails, and nothing changes for a group of one.
 */
export function hearsayLast(groups: readonly Candidate[][]): readonly Candidate[][] {
  // Nearly always so, and for each call.
  if (!groups.some((candidates) => candidates.some(isHearsay))) return groups;
  return groups.flatMap((candidates) => {
    const behind = candidates.filter(isHearsay);
    return behind.length === 0 || behind.length === candidates.length
      ? [candidates]
      : [candidates.filter((each) => !isHearsay(each)), behind];
  });
}

/** Says why; the order given where there is nothing to say. */
export function withHearsay(order: readonly Ranked[]): readonly Ranked[] {
  if (!order.some(({ candidate }) => isHearsay(candidate))) return order;
  return order.map((each) => {
    const { hearsay } = each.candidate.health;
    return hearsay === undefined ? each : withRemark(each, hearsayRemarks[hearsay]);
  });
}

function isHearsay({ health }: Candidate): boolean {
  return health.hearsay !== undefined;
}

const hearsayRemarks = {
  failing: "another replica's breaker opened; a call is finding out",
  limited: "another replica was told to wait",
  refused: "another replica's credential was refused",
} as const satisfies Record<DoubtKind, string>;

function lackOf({ lacks }: HealthView, call: Call): HealthView["lacks"][number] | undefined {
  // Nearly always empty, and read for each candidate of each call.
  return lacks.length === 0 ? undefined : lacks.find((feature) => needsFeature(call, feature));
}

function lackReason(feature: HealthView["lacks"][number]): string {
  return feature === "model" ? "lately did not know the model" : `lately refused ${feature}`;
}
