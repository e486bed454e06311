/** What holds of every policy, whatever its candidates. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../src/core/policy.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import { candidate, facts, idsOf, policyOf } from "./candidates.ts";

const nested = policyOf({ case: "leastBusy", value: {} });
const policies = {
  cost_based: policyOf({ case: "costBased", value: {} }),
  failover: policyOf({ case: "failover", value: { primaryProvider: "p1", backupProviders: ["p2"] } }),
  weighted: policyOf({ case: "weighted", value: { weights: { p0: 3, p1: 2, p2: 1, p3: 0 } } }),
  latency: policyOf({ case: "latency", value: {} }),
  least_busy: nested,
  experiment: policyOf({
    case: "experiment",
    value: {
      experiment: "e",
      arms: [
        { name: "a", weight: 1, policy: nested },
        { name: "b", weight: 2, policy: policyOf({ case: "latency", value: {} }) },
      ],
    },
  }),
  rules: policyOf({
    case: "rules",
    value: {
      rules: [{ name: "r", when: "input_tokens > 5 && streamed", policy: nested }],
      otherwise: policyOf({ case: "costBased", value: {} }),
    },
  }),
} as const;

const ratio = fc.double({ min: 0, max: 1, noNaN: true });
const ms = fc.double({ min: 0, max: 10_000, noNaN: true });
const target = fc.record({
  provider: fc.integer({ min: 0, max: 6 }),
  cost: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
  load: fc.double({ min: 0, max: 4, noNaN: true }),
  successRatio: ratio,
  warmth: fc.double({ min: 0.1, max: 1, noNaN: true }),
  firstTokenMs: fc.option(ms, { nil: undefined }),
  unaryMs: fc.option(ms, { nil: undefined }),
  heardMs: fc.option(fc.double({ min: 0, max: 100_000, noNaN: true }), { nil: undefined }),
});
const candidates = fc
  .array(target, { maxLength: 12 })
  .map((list) => list.map(({ provider, ...each }, i): Candidate => candidate(`p${provider}/m${i}`, each)));
const call = fc.record({
  seed: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  streamed: fc.boolean(),
  inputTokens: fc.nat({ max: 10 }),
  affinityKey: fc.string(),
});

describe.each(Object.entries(policies))("%s", (_name, message) => {
  const policy = createPolicy(withDefaults(message));

  test("ranks every candidate exactly once, and nobody else", () => {
    fc.assert(
      fc.property(candidates, call, (list, init) => {
        const ids = idsOf(policy(facts(init), list));
        expect(ids.toSorted()).toEqual(list.map(({ target: { id } }) => id).toSorted());
      }),
    );
  });

  test("makes the same ranking again from the same facts, and leaves them as they were", () => {
    fc.assert(
      fc.property(candidates, call, (list, init) => {
        const before = JSON.stringify(list);
        const again = createPolicy(withDefaults(message));
        expect(again(facts(init), list)).toEqual(policy(facts(init), list));
        expect(JSON.stringify(list)).toBe(before);
      }),
    );
  });

  test("scores with numbers, terms in [0, 1]", () => {
    fc.assert(
      fc.property(candidates, call, (list, init) => {
        for (const { score, terms } of policy(facts(init), list).order) {
          expect(Number.isFinite(score)).toBe(true);
          for (const term of terms) {
            expect(term.ratio).toBeGreaterThanOrEqual(0);
            expect(term.ratio).toBeLessThanOrEqual(1);
            expect(Number.isFinite(term.raw)).toBe(true);
          }
        }
      }),
    );
  });
});

/** Better in all that a policy could look at. */
const better = { cost: 1, load: 0.1, successRatio: 0.9, firstTokenMs: 100, unaryMs: 100, heardMs: 99_000 };
const factor = fc.double({ min: 1.001, max: 100, noNaN: true });

for (const name of ["cost_based", "latency", "least_busy"] as const) {
  test(`under ${name} a target that is better in every term is not behind`, () => {
    const policy = createPolicy(policies[name]);
    fc.assert(
      fc.property(factor, factor, factor, fc.nat({ max: Number.MAX_SAFE_INTEGER }), (cost, load, latency, seed) => {
        const worse = candidate("worse/m", {
          ...better,
          cost: cost,
          load: 0.1 * load,
          successRatio: 0.9 / load,
          firstTokenMs: 100 * latency,
          unaryMs: 100 * latency,
        });
        for (const list of [
          [worse, candidate("better/m", better)],
          [candidate("better/m", better), worse],
        ])
          expect(idsOf(policy(facts({ seed }), list))[0]).toBe("better/m");
      }),
    );
  });
}

test("under latency, of many, only the one first by lot can be before a quicker one", () => {
  const policy = createPolicy(policies.latency);
  fc.assert(
    fc.property(fc.array(ms, { minLength: 2, maxLength: 12 }), fc.nat({ max: Number.MAX_SAFE_INTEGER }), (list, seed) => {
      const [first, ...others] = policy(
        facts({ seed }),
        list.map((each, i) => candidate(`p/${i}`, { firstTokenMs: each })),
      ).order;
      const means = others.map(({ candidate: { health } }) => health.firstTokenMs ?? 0);
      expect(means).toEqual(means.toSorted((a, b) => a - b));
      expect(first?.candidate.health.firstTokenMs).toBeLessThanOrEqual(Math.max(...means));
    }),
  );
});
