import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { chance, purposeOf } from "../../src/core/chance.ts";
import { RoutingPolicySchema } from "../../src/core/chat.ts";
import type { Candidate, Policy } from "../../src/core/policy.ts";
import { decaysOf } from "../../src/policies/decays.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import type { Fleet } from "./fleet.ts";
import type { Truth } from "./upstreams.ts";

/** A policy that is compared. */
export interface Contestant {
  readonly name: string;
  /** Is no policy of ours: something to measure them by. */
  readonly isYardstick?: true;
  /** For one run. */
  make(this: void, world: World): Ranker;
}

/** What a contestant is made for. */
export interface World {
  readonly fleet: Fleet;
  /** For oracles alone. */
  readonly truth: (id: string) => Truth;
}

/** A policy, and what has to be kept for it. */
export interface Ranker {
  readonly rank: Policy;
  /** See `WindowHealth.keepMeans`. */
  readonly decaysMs: readonly number[];
}

type Kind = NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>;

const costOnly: Kind = { case: "costBased", value: { costWeight: 1, latencyWeight: 0, healthWeight: 0 } };

/** In the order in which they are shown. */
export const contestants: readonly Contestant[] = [
  configured("cost_based", () => ({ case: "costBased", value: {} })),
  configured("cost_based, cost alone", () => costOnly),
  configured("failover", ({ providers: [primaryProvider = "", ...backupProviders] }) => ({
    case: "failover",
    value: { primaryProvider, backupProviders },
  })),
  configured("weighted", (fleet) => ({ case: "weighted", value: { weights: capacities(fleet) } })),
  configured("latency", () => ({ case: "latency", value: {} })),
  configured("least_busy", () => ({ case: "leastBusy", value: {} })),
  configured("rules", () => ({
    case: "rules",
    value: {
      rules: [{ name: "long", when: "input_tokens > 1500", policy: { kind: costOnly } }],
      otherwise: { kind: { case: "latency", value: {} } },
    },
  })),
  yardstick("random", () => {
    const lot = purposeOf("simulator: random");
    return (candidate, seed) => chance(seed, lot ^ purposeOf(candidate.target.id));
  }),
  yardstick(
    "oracle of cost",
    ({ truth }) =>
      (candidate) =>
        worstIfOut(truth(candidate.target.id), candidate.costMicroUsd ?? Infinity),
  ),
  yardstick("oracle of time", ({ truth }) => (candidate) => {
    const found = truth(candidate.target.id);
    return worstIfOut(found, found.firstTokenMs);
  }),
];

function configured(name: string, kindFor: (fleet: Fleet) => Kind): Contestant {
  return {
    name,
    make({ fleet }) {
      const policy = withDefaults(create(RoutingPolicySchema, { kind: kindFor(fleet) }));
      return { rank: createPolicy(policy), decaysMs: decaysOf(policy) };
    },
  };
}

/** Ranks by a number, the lowest first. */
function yardstick(name: string, numberFor: (world: World) => (candidate: Candidate, seed: number) => number): Contestant {
  return {
    name,
    isYardstick: true,
    make(world) {
      const numberOf = numberFor(world);
      const rank: Policy = ({ seed }, candidates) => {
        const placed = candidates.map((candidate) => ({ candidate, score: numberOf(candidate, seed), terms: [], remark: "" }));
        return { order: placed.toSorted((one, other) => one.score - other.score), rule: "" };
      };
      return { rank, decaysMs: [] };
    },
  };
}

/** Those that are out stand behind all others, in their own order. */
function worstIfOut({ isOut }: Truth, value: number): number {
  return isOut ? value + 1e12 : value;
}

/** What each provider can take, as an operator would weigh them who knows it. */
function capacities({ targets }: Fleet): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { provider, capacity } of targets) sums[provider] = (sums[provider] ?? 0) + capacity;
  return sums;
}
