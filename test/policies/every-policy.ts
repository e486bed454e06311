import type { RoutingPolicy } from "../../src/core/chat.ts";
import { durationFromMs } from "../../src/core/clock.ts";
import { policyOf } from "./candidates.ts";

const leastBusy = policyOf({ case: "leastBusy", value: {} });
const weighted = policyOf({ case: "weighted", value: { weights: { p0: 3, p1: 2, p2: 1, p3: 0 } } });
const experiment = policyOf({
  case: "experiment",
  value: {
    experiment: "e",
    arms: [
      { name: "a", weight: 1, policy: leastBusy },
      { name: "b", weight: 2, policy: policyOf({ case: "latency", value: {} }) },
      { name: "c", weight: 1, policy: { ...weighted, shadow: { $typeName: "semaroute.v1.Shadow", target: "p1/m0", share: 0.5 } } },
    ],
  },
});

/** One policy of each kind over providers `p0` to `p6`, and those that hold others. */
export const everyPolicy: Readonly<Record<string, RoutingPolicy>> = {
  cost_based: policyOf({ case: "costBased", value: {} }),
  failover: policyOf({ case: "failover", value: { primaryProvider: "p1", backupProviders: ["p2"] } }),
  weighted,
  latency: policyOf({ case: "latency", value: {} }),
  "latency with a decay of its own": policyOf({ case: "latency", value: { decay: durationFromMs(3000) } }),
  least_busy: leastBusy,
  experiment,
  rules: policyOf({
    case: "rules",
    value: {
      rules: [
        { name: "r", when: "input_tokens > 5 && streamed", policy: leastBusy },
        { name: "s", when: 'tags.tier == "gold"', policy: weighted },
      ],
      otherwise: policyOf({ case: "costBased", value: {} }),
    },
  }),
  "rules around an experiment": policyOf({
    case: "rules",
    value: {
      rules: [{ name: "in", when: "!has_images", policy: experiment }],
      otherwise: policyOf({ case: "costBased", value: {} }),
    },
  }),
};
