import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import { RoutingPolicySchema } from "../../src/core/chat.ts";
import { durationFromMs } from "../../src/core/clock.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import { candidate, costBased, facts, failover, idsOf } from "./candidates.ts";

describe("a policy is compiled", () => {
  const candidates = [candidate("a/m", { cost: 2 }), candidate("b/m", { cost: 1 })];

  test("from cost_based", () => {
    const policy = create(RoutingPolicySchema, { kind: { case: "costBased", value: costBased() } });
    expect(idsOf(createPolicy(policy)(facts(), candidates))).toEqual(["b/m", "a/m"]);
  });

  test("from failover", () => {
    const policy = create(RoutingPolicySchema, { kind: { case: "failover", value: failover("b", ["a"]) } });
    expect(idsOf(createPolicy(policy)(facts(), candidates))).toEqual(["b/m", "a/m"]);
  });
});

describe("refused is", () => {
  test("a policy without a kind", () => {
    expect(() => createPolicy(create(RoutingPolicySchema))).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST" }));
  });

  const bad = { rules: { rules: [{ name: "r", when: "1 +", policy: { latency: {} } }], otherwise: { latency: {} } } };
  const paths: Readonly<Record<string, JsonValue>> = {
    "policy.rules.rules[0].when": bad,
    "policy.rules.otherwise.rules.rules[0].when": { rules: { otherwise: bad } },
    "policy.rules.rules[0].policy.rules.rules[0].when": { rules: { rules: [{ name: "o", when: "true", policy: bad }], otherwise: bad } },
    "policy.experiment.arms[1].policy.cost_based.cost_weight": {
      experiment: {
        experiment: "e",
        arms: [{ policy: { leastBusy: {} } }, { policy: { costBased: { costWeight: 0, latencyWeight: 0, healthWeight: 0 } } }],
      },
    },
  };
  test.for(Object.entries(paths))("a policy with an error, named from where it stands: %s", ([field, policy]) => {
    const given = withDefaults(fromJson(RoutingPolicySchema, policy));
    expect(() => createPolicy(given, "policy")).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST", field }));
  });
});

describe("defaults", () => {
  test("of cost_based are written out, and the name is the kind's", () => {
    const given = create(RoutingPolicySchema, { kind: { case: "costBased", value: { latencyWeight: 2 } } });
    expect(withDefaults(given)).toMatchObject({
      name: "cost_based",
      kind: { value: { costWeight: 0.6, latencyWeight: 2, healthWeight: 0.1 } },
    });
    expect(given.name).toBe("");
  });

  test("of failover are written out, and a name that is given stays", () => {
    const given = create(RoutingPolicySchema, { name: "mine", kind: { case: "failover", value: { primaryProvider: "a" } } });
    expect(withDefaults(given)).toMatchObject({ name: "mine", kind: { value: { failoverDelay: durationFromMs(30_000) } } });
  });

  test("are added once", () => {
    const given = create(RoutingPolicySchema, { kind: { case: "failover", value: { primaryProvider: "a", backupProviders: ["b"] } } });
    expect(withDefaults(withDefaults(given))).toEqual(withDefaults(given));
  });
});
