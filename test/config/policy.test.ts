import { create, equals } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";

import { type RoutingPolicy, RoutingPolicySchema } from "../../gen/semaroute/v1/policy_pb.ts";
import { type PolicySettings, policySchema } from "../../src/config/policy-schema.ts";
import { policyFromSettings } from "../../src/config/policy.ts";

const even = { name: "", kind: { case: "leastBusy", value: {} } } as const;

const cases: readonly { readonly written: PolicySettings; readonly message: Parameters<typeof create<typeof RoutingPolicySchema>>[1] }[] = [
  { written: { type: "cost_based", config: {} }, message: { name: "cost_based", kind: { case: "costBased", value: {} } } },
  {
    written: { type: "cost_based", name: "mine", config: { cost_weight: 0, latency_weight: 1, health_weight: 0.5, max_first_token: 1500 } },
    message: {
      name: "mine",
      kind: {
        case: "costBased",
        value: {
          costWeight: 0,
          latencyWeight: 1,
          healthWeight: 0.5,
          maxFirstToken: create(DurationSchema, { seconds: 1n, nanos: 500_000_000 }),
        },
      },
    },
  },
  {
    written: { type: "failover", config: { primary_provider: "a", backup_providers: ["b", "c"], failover_delay: 30_000 } },
    message: {
      name: "failover",
      kind: {
        case: "failover",
        value: { primaryProvider: "a", backupProviders: ["b", "c"], failoverDelay: create(DurationSchema, { seconds: 30n }) },
      },
    },
  },
  {
    written: { type: "weighted", config: { weights: { a: 3 } } },
    message: { name: "weighted", kind: { case: "weighted", value: { weights: { a: 3 } } } },
  },
  {
    written: { type: "latency", config: { decay: 250 }, shadow: { target: "a/b", share: 0.5 } },
    message: {
      name: "latency",
      kind: { case: "latency", value: { decay: create(DurationSchema, { nanos: 250_000_000 }) } },
      shadow: { target: "a/b", share: 0.5 },
    },
  },
  { written: { type: "least_busy", config: {} }, message: { ...even, name: "least_busy" } },
  {
    written: {
      type: "experiment",
      config: { experiment: "e", arms: [{ name: "x", weight: 2, policy: { type: "least_busy", config: {} } }] },
    },
    message: {
      name: "experiment",
      kind: { case: "experiment", value: { experiment: "e", arms: [{ name: "x", weight: 2, policy: { ...even, name: "least_busy" } }] } },
    },
  },
  {
    written: {
      type: "rules",
      config: { rules: [{ name: "r", when: "true", model: "m" }], otherwise: { type: "least_busy", config: {} } },
    },
    message: {
      name: "rules",
      kind: { case: "rules", value: { rules: [{ name: "r", when: "true", model: "m" }], otherwise: { ...even, name: "least_busy" } } },
    },
  },
];

test.for(cases)("a policy of kind $written.type becomes its message", ({ written, message }) => {
  const made: RoutingPolicy = policyFromSettings(written);
  expect(equals(RoutingPolicySchema, made, create(RoutingPolicySchema, message))).toBe(true);
});

test("the file's words give the same message", () => {
  const written = policySchema.parse({
    type: "failover",
    config: { primary_provider: "a", backup_providers: ["b"], failover_delay: "30s" },
  });
  expect(policyFromSettings(written).kind).toMatchObject({ case: "failover", value: { failoverDelay: { seconds: 30n, nanos: 0 } } });
});
