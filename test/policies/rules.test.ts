import { describe, expect, test } from "vitest";
import { decidedBy } from "../../src/core/policy.ts";
import { createPolicy } from "../../src/policies/index.ts";
import { candidate, facts, idsOf, policyOf } from "./candidates.ts";

const to = (provider: string) => policyOf({ case: "failover", value: { primaryProvider: provider } });
const all = ["a/m", "b/m", "c/m"].map((id) => candidate(id));

interface RuleInit {
  readonly name: string;
  readonly when: string;
  readonly policy?: ReturnType<typeof to>;
  readonly model?: string;
}

function rules(list: readonly RuleInit[], otherwise = to("c")) {
  return policyOf({ case: "rules", value: { rules: [...list], otherwise } });
}

const day = rules([
  { name: "tools", when: "has_tools", policy: to("a") },
  { name: "night", when: "hour < 6", policy: to("b"), model: "cheap" },
  { name: "beta", when: 'tags.beta == "yes"', model: "new" },
]);

describe("the first rule that holds", () => {
  for (const { name, init, first, rule, model, failed } of [
    { name: "decides", init: { hasTools: true }, first: "a/m", rule: "tools", model: "", failed: [] },
    { name: "decides before those behind it", init: { hasTools: true, hour: 2 }, first: "a/m", rule: "tools", model: "", failed: [] },
    {
      name: "puts its model in the place of the one asked for",
      init: { hour: 2 },
      first: "b/m",
      rule: "night",
      model: "cheap",
      failed: [],
    },
    {
      name: "goes by `otherwise` where it has no policy",
      init: { tags: { beta: "yes" } },
      first: "c/m",
      rule: "beta",
      model: "new",
      failed: [],
    },
    { name: "is none: `otherwise`", init: { tags: { beta: "no" } }, first: "c/m", rule: "", model: "", failed: [] },
    { name: "is not one that cannot be evaluated", init: {}, first: "c/m", rule: "", model: "", failed: ["beta"] },
  ]) {
    test(name, () => {
      const policy = createPolicy(day);
      expect(decidedBy(policy, facts(init))).toMatchObject({ rule, model, failedRules: failed });
      const ranking = policy(facts(init), all);
      expect([idsOf(ranking)[0], ranking.rule]).toEqual([first, rule]);
    });
  }
});

test("a rule behind one that failed is asked all the same, and the failure is told", () => {
  const policy = createPolicy(
    rules([
      { name: "bad", when: 'tags.x == "y"' },
      { name: "good", when: "streamed", policy: to("b") },
    ]),
  );
  expect(decidedBy(policy, facts())).toMatchObject({ rule: "good", failedRules: ["bad"] });
});

test("rules within rules name both, and the inner word on the model counts", () => {
  const inner = rules([{ name: "in", when: "streamed", model: "inner" }], to("b"));
  const policy = createPolicy(rules([{ name: "out", when: "true", model: "outer", policy: inner }]));
  expect(decidedBy(policy, facts())).toMatchObject({ rule: "out/in", model: "inner" });
  expect(decidedBy(policy, facts({ streamed: false }))).toMatchObject({ rule: "out", model: "outer" });
});

test("an experiment within a rule tells its arm beside the rule", () => {
  const arms = ["x", "y"].map((name) => ({ name, weight: 1, policy: to("a") }));
  const policy = createPolicy(
    rules([{ name: "r", when: "true", policy: policyOf({ case: "experiment", value: { experiment: "e", arms } }) }]),
  );
  expect(policy(facts({ affinityKey: "u" }), all)).toMatchObject({ rule: "r", arm: expect.stringMatching(/^[xy]$/) });
});

test("shadows of all policies on the way apply, and of no other", () => {
  const shadow = (target: string) => ({ $typeName: "semaroute.v1.Shadow" as const, target, share: 0.5 });
  const policy = createPolicy({
    ...rules([
      { name: "one", when: "has_tools", policy: { ...to("a"), shadow: shadow("x/in") } },
      { name: "two", when: "true", policy: { ...to("b"), shadow: shadow("x/other") } },
    ]),
    shadow: shadow("x/out"),
  });
  expect(decidedBy(policy, facts({ hasTools: true })).shadows.map(({ target }) => target)).toEqual(["x/out", "x/in"]);
  expect(decidedBy(policy, facts()).shadows.map(({ target }) => target)).toEqual(["x/out", "x/other"]);
});

test("a condition that is none is refused with its place", () => {
  expect(() => createPolicy(rules([{ name: "r", when: "modle == 'x'" }]))).toThrow(
    expect.objectContaining({
      failure: "INVALID_REQUEST",
      field: "rules.rules[0].when",
      message: "line 1, column 1: there is no variable modle",
    }),
  );
});
