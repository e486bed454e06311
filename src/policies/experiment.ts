import { chance, chanceOfText, purposeOf } from "../core/chance.ts";
import type { ExperimentPolicy } from "../core/chat.ts";
import { type CallFacts, decidedBy, decidingPolicy, type Policy } from "../core/policy.ts";

/** Callers that are not told apart. */
const anonymousId = "anonymous";
const tagPrefix = "tag:";

/** The policy's own fields with their defaults. */
export function withExperimentDefaults(config: ExperimentPolicy): ExperimentPolicy {
  return { ...config, unit: config.unit === "" ? "affinity_key" : config.unit };
}

/** Whether a word names what may be hashed. */
export function isUnit(unit: string): boolean {
  return ["", "affinity_key", "end_user_id", "key"].includes(unit) || (unit.startsWith(tagPrefix) && unit.length > tagPrefix.length);
}

/**
 * Deals callers to arms. Each arm draws a number for the unit, the same in every process and at any time, and the highest by weight
 * wins (rendezvous hashing): a changed weight moves callers only towards the arm that gained, and away from the one that lost.
 */
export function createExperiment(config: ExperimentPolicy, policies: readonly Policy[]): Policy {
  const { experiment, unit } = withExperimentDefaults(config);
  const arms = policies.map((policy, index): Arm => {
    const { name = "", weight = 0 } = config.arms[index] ?? {};
    return { name, weight, policy, purpose: purposeOf(`${experiment}\u0000${name}\u0000`) };
  });
  return decidingPolicy((call) => {
    const who = unitOf(call, unit);
    let best = arms[0];
    let bestLate = Number.POSITIVE_INFINITY;
    for (const arm of arms) {
      const drawn = who === undefined ? chance(call.seed, arm.purpose) : chanceOfText(who, arm.purpose);
      const late = -Math.log(1 - drawn) / arm.weight;
      if (late < bestLate) [best, bestLate] = [arm, late];
    }
    if (best === undefined) throw new RangeError("an experiment has arms");
    const inner = decidedBy(best.policy, call);
    return { ...inner, arm: inner.arm === "" ? best.name : `${best.name}/${inner.arm}` };
  });
}

interface Arm {
  readonly name: string;
  readonly weight: number;
  readonly policy: Policy;
  readonly purpose: number;
}

/** Undefined: nothing tells this caller from others, and each of its calls is dealt by itself. */
function unitOf({ affinityKey, endUserId, key, tags }: CallFacts, unit: string): string | undefined {
  if (unit === "key") return key.id;
  const wanted = unit === "end_user_id" ? endUserId : unit === "affinity_key" ? affinityKey : tagOf(tags, unit.slice(tagPrefix.length));
  if (wanted !== "") return wanted;
  return key.id === anonymousId ? undefined : key.id;
}

function tagOf(tags: CallFacts["tags"], name: string): string {
  return Object.hasOwn(tags, name) ? (tags[name] ?? "") : "";
}
