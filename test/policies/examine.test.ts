import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import { PolicyIssue_Severity, RoutingPolicySchema } from "../../src/core/chat.ts";
import { durationFromMs } from "../../src/core/clock.ts";
import type { PolicyFacts } from "../../src/core/policy-facts.ts";
import { examinePolicy } from "../../src/policies/examine.ts";
import { createPolicy } from "../../src/policies/index.ts";

const calm: PolicyFacts = {
  providers: ["openai", "groq", "mistral"],
  unpricedTargets: [],
  servesTogether: () => true,
  isEnabled: () => true,
  models: ["gpt", "fast"],
};

type Kind = NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>;

function issues(kind: Kind, facts: Partial<PolicyFacts> = {}) {
  return examinePolicy(create(RoutingPolicySchema, { kind }), { ...calm, ...facts }).map(
    ({ severity, field }) => `${severity === PolicyIssue_Severity.ERROR ? "error" : "warning"} ${field}`,
  );
}

const failover = (value: { primaryProvider?: string; backupProviders?: string[] } = {}): Kind => ({
  case: "failover",
  value: { primaryProvider: "openai", backupProviders: ["groq"], ...value },
});

for (const { name, kind, facts, expected } of [
  { name: "the default policy", kind: { case: "costBased", value: {} }, expected: [] },
  { name: "a good failover", kind: failover(), expected: [] },
  {
    name: "no weight at all",
    kind: { case: "costBased", value: { costWeight: 0, latencyWeight: 0, healthWeight: 0 } },
    expected: ["error cost_based.cost_weight"],
  },
  { name: "one weight of 0", kind: { case: "costBased", value: { costWeight: 0 } }, expected: [] },
  { name: "a negative weight", kind: { case: "costBased", value: { latencyWeight: -1 } }, expected: ["error cost_based.latency_weight"] },
  {
    name: "weights that are no numbers",
    kind: { case: "costBased", value: { costWeight: Number.NaN, healthWeight: Infinity } },
    expected: ["error cost_based.cost_weight", "error cost_based.health_weight"],
  },
  {
    name: "a first token in no time",
    kind: { case: "costBased", value: { maxFirstToken: durationFromMs(0) } },
    expected: ["error cost_based.max_first_token"],
  },
  {
    name: "targets without a price",
    kind: { case: "costBased", value: {} },
    facts: { unpricedTargets: ["ollama/llama"] },
    expected: ["warning cost_based"],
  },
  {
    name: "targets without a price where price is no matter",
    kind: failover(),
    facts: { unpricedTargets: ["ollama/llama"] },
    expected: [],
  },
  { name: "an unknown primary", kind: failover({ primaryProvider: "opanai" }), expected: ["error failover.primary_provider"] },
  {
    name: "an unknown backup",
    kind: failover({ backupProviders: ["groq", "nobody"] }),
    expected: ["error failover.backup_providers[1]"],
  },
  { name: "the primary as backup", kind: failover({ backupProviders: ["openai"] }), expected: ["error failover.backup_providers[0]"] },
  {
    name: "a backup named twice",
    kind: failover({ backupProviders: ["groq", "groq"] }),
    expected: ["error failover.backup_providers[1]"],
  },
  { name: "no backup", kind: failover({ backupProviders: [] }), expected: ["warning failover.backup_providers"] },
  {
    name: "a backup that can never serve",
    kind: failover({ backupProviders: ["groq", "mistral"] }),
    facts: { servesTogether: (primary: string, backup: string) => primary === "openai" && backup === "groq" },
    expected: ["warning failover.backup_providers[1]"],
  },
  {
    name: "a negative delay",
    kind: { case: "failover", value: { primaryProvider: "openai", backupProviders: ["groq"], failoverDelay: durationFromMs(-1) } },
    expected: ["error failover.failover_delay"],
  },
  { name: "no kind", kind: { case: undefined }, expected: ["error "] },
] as const satisfies readonly { name: string; kind: Kind; facts?: Partial<PolicyFacts>; expected: readonly string[] }[]) {
  test(`${name}: ${expected.join(", ") || "nothing wrong"}`, () => {
    expect(issues(kind as Kind, facts)).toEqual(expected);
  });
}

describe("messages", () => {
  test("name the provider that is not there, and those that are", () => {
    const [issue] = examinePolicy(create(RoutingPolicySchema, { kind: failover({ primaryProvider: "opanai" }) }), calm);
    expect(issue?.message).toBe('there is no provider "opanai"; did you mean openai?');
  });

  test("name at most five unpriced targets", () => {
    const unpricedTargets = Array.from({ length: 7 }, (_, index) => `p/${index}`);
    const [issue] = examinePolicy(create(RoutingPolicySchema, { kind: { case: "costBased", value: {} } }), { ...calm, unpricedTargets });
    expect(issue?.message).toBe("targets without a price come last: p/0, p/1, p/2, p/3, p/4 and 2 more");
  });
});

test("what is wrong with a shadow is told beside what is wrong with the kind", () => {
  const policy = create(RoutingPolicySchema, { kind: failover({ primaryProvider: "nobody" }), shadow: { target: "opanai/m", share: 1 } });
  expect(examinePolicy(policy, calm).map((issue) => issue.field)).toEqual(["shadow.target", "failover.primary_provider"]);
});

test("what has no error can be compiled", () => {
  for (const kind of [{ case: "costBased", value: { costWeight: 1e308, latencyWeight: 1e308 } }, failover()] as const) {
    const policy = create(RoutingPolicySchema, { kind });
    expect(examinePolicy(policy, calm)).toEqual([]);
    expect(() => createPolicy(policy)).not.toThrow();
  }
});
