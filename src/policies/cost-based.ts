import type { CostBasedPolicy, ScoreTerm } from "../core/chat.ts";
import { purposeOf } from "../core/chance.ts";
import { msFromDuration } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { CallFacts, Candidate, Policy, Ranked } from "../core/policy.ts";
import { decayMsDefault } from "./latency.ts";
import { isRetrial } from "./retrial.ts";

const retrial = { decayMs: decayMsDefault, lot: purposeOf("cost_based: retrial") };
/** Share of the best candidate's health below which nobody stays for the sake of a conversation. */
const healthToStay = 0.9;

/** The policy's fields with their defaults. */
export function withCostBasedDefaults(config: CostBasedPolicy): CostBasedPolicy {
  return {
    ...config,
    costWeight: config.costWeight ?? 0.6,
    latencyWeight: config.latencyWeight ?? 0.3,
    healthWeight: config.healthWeight ?? 0.1,
  };
}

/**
 * Cheapest first, while considering latency and health: a target's score is the weighted sum of three ratios to the best
 * candidate. A target that nothing was heard of for long counts as quick for a few calls. Behind all others come targets that are too slow to the first token, and behind those the unpriced. Leaving a warm
 * prompt cache is in the expected costs; where that leaves nobody cheaper, a conversation that the caller named stays, whoever may
 * be quicker.
 */
export function createCostBased(config: CostBasedPolicy): Policy {
  const weights = normalised(withCostBasedDefaults(config));
  const slowMs = config.maxFirstToken === undefined ? Number.POSITIVE_INFINITY : msFromDuration(config.maxFirstToken);

  return (call, candidates) => {
    const { holder } = call;
    let bestCost = Number.POSITIVE_INFINITY;
    let bestLatency = Number.POSITIVE_INFINITY;
    let bestHealth = 0;
    for (const candidate of candidates) {
      bestCost = Math.min(bestCost, candidate.costMicroUsd ?? Number.POSITIVE_INFINITY);
      bestLatency = Math.min(bestLatency, latencyOf(candidate, call) ?? Number.POSITIVE_INFINITY);
      bestHealth = Math.max(bestHealth, healthOf(candidate));
    }
    const order: Placed[] = [];
    for (const candidate of candidates) {
      const cost = candidate.costMicroUsd;
      const latency = latencyOf(candidate, call);
      const health = healthOf(candidate);
      const p95 = candidate.health.firstTokenP95Ms;
      // Its quantiles are as old as its mean.
      const isSlow = p95 !== undefined && p95 > slowMs && !isRetrial(candidate, call, retrial);
      const costTerm = term("cost", cost ?? 0, cost === undefined ? 0 : share(bestCost, cost), weights.cost);
      const latencyTerm = term("latency", latency ?? 0, latency === undefined ? 1 : share(bestLatency, latency), weights.latency);
      const healthTerm = term("health", health, share(health, bestHealth), weights.health);
      const stays = holder?.named === true && holder.target === candidate.target.id && cost !== undefined && cost <= bestCost;
      order.push({
        candidate,
        score: weights.cost * costTerm.ratio + weights.latency * latencyTerm.ratio + weights.health * healthTerm.ratio,
        terms: [costTerm, latencyTerm, healthTerm],
        remark: remarkOf(cost === undefined, isSlow ? p95 : undefined, slowMs),
        tier: stays && !isSlow && healthTerm.ratio >= healthToStay ? -1 : (cost === undefined ? 2 : 0) + (isSlow ? 1 : 0),
      });
    }
    // Stable, so that equals keep the catalogue's order.
    return { order: order.toSorted(byTierThenScore), rule: "", weighsHolder: true };
  };
}

/** Tier -1: holds the conversation and nobody costs less, 0: normal, 1: slow, 2: unpriced, 3: both. */
interface Placed extends Ranked {
  readonly tier: number;
}

function byTierThenScore(one: Placed, other: Placed): number {
  return one.tier - other.tier || other.score - one.score;
}

/** Undefined: nothing is known, or nothing that is still worth something. */
function latencyOf(candidate: Candidate, call: CallFacts): number | undefined {
  const ms = call.streamed ? candidate.health.firstTokenMs : candidate.health.unaryMs;
  return ms === undefined || isRetrial(candidate, call, retrial) ? undefined : ms;
}

/** Less of it while a target comes back from an outage. */
function healthOf({ health }: Candidate): number {
  return health.successRatio * health.warmth;
}

/** The smaller value over the larger one, in [0, 1]; equals, two zeros among them, are 1. */
function share(smaller: number, larger: number): number {
  return smaller === larger ? 1 : smaller / larger;
}

function term(name: string, raw: number, ratio: number, weight: number): ScoreTerm {
  return { $typeName: "semaroute.v1.ScoreTerm", name, raw, ratio, weight };
}

function remarkOf(isUnpriced: boolean, slowP95Ms: number | undefined, slowMs: number): string {
  if (slowP95Ms === undefined) return isUnpriced ? "unpriced" : "";
  const slow = `first token p95 of ${Math.round(slowP95Ms)} ms is above ${Math.round(slowMs)} ms`;
  return isUnpriced ? `unpriced; ${slow}` : slow;
}

/** To a sum of 1; by the largest first, because a sum of huge numbers is no number. */
function normalised({ costWeight = 0, latencyWeight = 0, healthWeight = 0 }: CostBasedPolicy) {
  const largest = Math.max(costWeight, latencyWeight, healthWeight);
  if (!(largest > 0 && Number.isFinite(largest)) || Math.min(costWeight, latencyWeight, healthWeight) < 0) {
    const field = "cost_based.cost_weight";
    throw new ChatError("INVALID_REQUEST", "the weights of a cost_based policy are not negative and at least one is above 0", { field });
  }
  const sum = costWeight / largest + latencyWeight / largest + healthWeight / largest;
  return { cost: costWeight / largest / sum, latency: latencyWeight / largest / sum, health: healthWeight / largest / sum };
}
