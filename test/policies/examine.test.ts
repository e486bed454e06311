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

const arm = (name: string) => ({ name, weight: 1, policy: { kind: { case: "leastBusy" as const, value: {} } } });

function deep(levels: number): Kind {
  if (levels === 1) return { case: "leastBusy", value: {} };
  return { case: "rules", value: { otherwise: { kind: deep(levels - 1) } } };
}

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
  { name: "weights of providers that are there", kind: { case: "weighted", value: { weights: { openai: 2, groq: 0 } } }, expected: [] },
  {
    name: "weights of nobody, and all 0",
    kind: { case: "weighted", value: { weights: { opanai: 0 } } },
    expected: ['error weighted.weights["opanai"]', "error weighted.weights"],
  },
  {
    name: "a weight of a provider that is not enabled",
    kind: { case: "weighted", value: { weights: { openai: 1, groq: 1 } } },
    facts: { isEnabled: (provider: string) => provider === "openai" },
    expected: ['warning weighted.weights["groq"]'],
  },
  { name: "the plain latency policy", kind: { case: "latency", value: {} }, expected: [] },
  { name: "a mean of no time", kind: { case: "latency", value: { decay: durationFromMs(0) } }, expected: ["error latency.decay"] },
  { name: "least_busy", kind: { case: "leastBusy", value: {} }, expected: [] },
  {
    name: "an experiment with all that can be wrong",
    kind: {
      case: "experiment",
      value: { unit: "tag:", arms: [{ name: "a" }, { name: "a", weight: 1, policy: { kind: failover({ primaryProvider: "no" }) } }] },
    },
    expected: [
      "error experiment.experiment",
      "error experiment.unit",
      "error experiment.arms[0].weight",
      "error experiment.arms[0].policy",
      "error experiment.arms[1].name",
      "error experiment.arms[1].policy.failover.primary_provider",
    ],
  },
  {
    name: "an experiment of one arm",
    kind: { case: "experiment", value: { experiment: "e", arms: [arm("a")] } },
    expected: ["error experiment.arms"],
  },
  {
    name: "a good experiment",
    kind: { case: "experiment", value: { experiment: "e", unit: "tag:team", arms: [arm("a"), arm("b")] } },
    expected: [],
  },
  {
    name: "rules with all that can be wrong",
    kind: {
      case: "rules",
      value: {
        rules: [
          { name: "a", when: "modle == 'x'" },
          { name: "a", when: "has_tools", model: "gtp" },
          { name: "", when: "hour > 3", policy: { kind: { case: "weighted", value: { weights: { nobody: 1 } } } } },
        ],
      },
    },
    expected: [
      "error rules.rules[0].when",
      "error rules.rules[1].name",
      "error rules.rules[1].model",
      "error rules.rules[2].name",
      'error rules.rules[2].policy.weighted.weights["nobody"]',
      "error rules.otherwise",
    ],
  },
  {
    name: "rules that never apply",
    kind: {
      case: "rules",
      value: {
        rules: [
          { name: "a", when: "has_tools" },
          { name: "b", when: "(has_tools)" },
          { name: "never", when: "1 > 2" },
          { name: "always", when: "true" },
          { name: "c", when: "hour > 3" },
        ],
        otherwise: { kind: { case: "leastBusy", value: {} } },
      },
    },
    expected: ["warning rules.rules[1].when", "warning rules.rules[2].when", "warning rules.rules[4].when"],
  },
  {
    name: "rules that lead to models that are there, or may be",
    kind: {
      case: "rules",
      value: {
        rules: ["gpt", "fast", "groq/any", "auto"].map((model, i) => ({ name: model, when: `hour > ${i}`, model })),
        otherwise: { kind: { case: "leastBusy", value: {} } },
      },
    },
    expected: [],
  },
  {
    name: "a rule to a model that only its host can know",
    kind: {
      case: "rules",
      value: { rules: [{ name: "a", when: "true", model: "x" }], otherwise: { kind: { case: "leastBusy", value: {} } } },
    },
    facts: { models: undefined },
    expected: [],
  },
  { name: "policies four deep", kind: deep(4), expected: [] },
  { name: "policies five deep", kind: deep(5), expected: ["error rules.otherwise.rules.otherwise.rules.otherwise.rules.otherwise"] },
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

test("more time constants than means can be kept of are refused", () => {
  const rules = Array.from({ length: 9 }, (_, i) => ({
    name: `r${i}`,
    when: `hour > ${i}`,
    policy: { kind: { case: "latency" as const, value: { decay: durationFromMs(1000 + i) } } },
  }));
  const nine: Kind = { case: "rules", value: { rules, otherwise: { kind: { case: "leastBusy", value: {} } } } };
  expect(issues(nine)).toEqual(["error rules"]);
  expect(issues({ ...nine, value: { ...nine.value, rules: rules.slice(1) } } as Kind)).toEqual([]);
});

test("conditions that are too long together are refused, and not compiled", () => {
  const when = `model == "${"x".repeat(4000)}"`;
  const rules = Array.from({ length: 9 }, (_, i) => ({ name: `r${i}`, when }));
  const nine: Kind = { case: "rules", value: { rules, otherwise: { kind: { case: "leastBusy", value: {} } } } };
  expect(issues(nine)).toEqual(["error rules"]);
  expect(() => createPolicy(create(RoutingPolicySchema, { kind: nine }))).toThrow("too long");
  const outer: Kind = {
    case: "rules",
    value: { rules: [{ name: "in", when: "true", policy: { kind: nine } }], otherwise: { kind: nine } },
  };
  expect(issues(outer)).toEqual(["error rules"]);
});

test("a shadow is held against what it needs", () => {
  const fields = (target: string, share = 0.5, facts: Partial<PolicyFacts> = {}) =>
    examinePolicy(create(RoutingPolicySchema, { kind: { case: "leastBusy", value: {} }, shadow: { target, share } }), {
      ...calm,
      ...facts,
    }).map(({ field, message }) => [field, message]);
  expect(fields("openai/m")).toEqual([]);
  expect(fields("openai")).toEqual([["shadow.target", 'expected provider/model, got "openai"']]);
  expect(fields("openia/m")).toEqual([["shadow.target", 'there is no provider "openia"; did you mean openai?']]);
  expect(fields("openai/m", 1.5)).toEqual([["shadow.share", "is a number from 0 to 1, not 1.5"]]);
  expect(fields("openai/m", 1, { isEnabled: () => false })).toEqual([["shadow.target", 'provider "openai" is not enabled']]);
});

test("what has no error can be compiled", () => {
  for (const kind of [{ case: "costBased", value: { costWeight: 1e308, latencyWeight: 1e308 } }, failover()] as const) {
    const policy = create(RoutingPolicySchema, { kind });
    expect(examinePolicy(policy, calm)).toEqual([]);
    expect(() => createPolicy(policy)).not.toThrow();
  }
});
