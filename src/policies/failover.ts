import type { FailoverPolicy } from "../core/chat.ts";
import { durationFromMs, msFromDuration } from "../core/clock.ts";
import type { Candidate, Policy, Ranked } from "../core/policy.ts";

const delayMsDefault = 30_000;

/** The policy's fields with their defaults. */
export function withFailoverDefaults(config: FailoverPolicy): FailoverPolicy {
  const failoverDelay = config.failoverDelay ?? durationFromMs(delayMsDefault);
  return { ...config, backupProviders: [...config.backupProviders], failoverDelay };
}

/**
 * The primary until it fails, then the backups in order. For `failover_delay` after any target of the primary began to
 * fail the primary comes behind its backups; then a call tries it again. Providers that are not named come last.
 */
export function createFailover(config: FailoverPolicy): Policy {
  const { primaryProvider, backupProviders } = config;
  const delayMs = config.failoverDelay === undefined ? delayMsDefault : msFromDuration(config.failoverDelay);
  const afterBackups = backupProviders.length + 1;
  const unnamed = afterBackups + 1;
  const places = new Map(backupProviders.map((name, index) => [name, index + 1]));
  places.set(primaryProvider, 0);

  return ({ nowMs }, candidates) => {
    const isAway = candidates.some(
      ({ target, health }) => target.provider === primaryProvider && health.failedAtMs !== undefined && nowMs - health.failedAtMs < delayMs,
    );
    const order: Placed[] = [];
    for (const candidate of candidates) {
      const named = places.get(candidate.target.provider);
      if (named === undefined) order.push(placed(candidate, unnamed, "not named by the policy"));
      else if (named === 0 && isAway) order.push(placed(candidate, afterBackups, "the primary failed within failover_delay"));
      else order.push(placed(candidate, named, ""));
    }
    // Stable, so that targets of one provider keep the catalogue's order.
    // Who comes first is the operator's word, for conversations too.
    return { order: order.toSorted(byPlace), rule: "", weighsHolder: true };
  };
}

interface Placed extends Ranked {
  /** 0 is first. */
  readonly place: number;
}

function placed(candidate: Candidate, place: number, remark: string): Placed {
  return { candidate, score: 0, terms: noTerms, remark, place };
}

const noTerms: Ranked["terms"] = [];

function byPlace(one: Placed, other: Placed): number {
  return one.place - other.place;
}
