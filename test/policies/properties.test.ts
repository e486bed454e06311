/** What holds of every policy, whatever its candidates. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate, Policy } from "../../src/core/policy.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import { candidate, costBased, facts, idsOf } from "./candidates.ts";
import { everyPolicy } from "./every-policy.ts";

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

describe.each(Object.entries(everyPolicy))("%s", (_name, message) => {
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

function policyNamed(name: string): Policy {
  const message = everyPolicy[name];
  if (message === undefined) throw new Error(`no policy ${name}`);
  return createPolicy(message);
}

/** Better in all that a policy could look at. */
const better = { cost: 1, load: 0.1, successRatio: 0.9, firstTokenMs: 100, unaryMs: 100, heardMs: 99_000 };
const factor = fc.double({ min: 1.001, max: 100, noNaN: true });

for (const name of ["cost_based", "latency", "least_busy"] as const) {
  test(`under ${name} a target that is better in every term is not behind`, () => {
    const policy = policyNamed(name);
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
  const policy = policyNamed("latency");
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

test("under least_busy, of many, nobody is before one that is less busy and fails less", () => {
  const policy = policyNamed("least_busy");
  fc.assert(
    fc.property(candidates, call, (list, init) => {
      const { order } = policy(facts(init), list);
      for (const [index, { candidate: before }] of order.entries()) {
        for (const { candidate: behind } of order.slice(index + 1)) {
          const isBetter = behind.load < before.load && healthOf(behind) > healthOf(before);
          expect(isBetter, `${behind.target.id} behind ${before.target.id}`).toBe(false);
        }
      }
    }),
  );
});

const healthOf = ({ health }: Candidate): number => health.successRatio * health.warmth;

describe("a greater weight in cost_based", () => {
  const names = ["costWeight", "latencyWeight", "healthWeight"] as const;
  const weight = fc.double({ min: 0.01, max: 10, noNaN: true });
  const raised = fc.double({ min: 1, max: 100, noNaN: true });

  for (const [term, name] of names.entries()) {
    test(`of ${name} puts nobody behind one that is worse in that term`, () => {
      fc.assert(
        fc.property(candidates, call, fc.tuple(weight, weight, weight), raised, (list, init, [cost, latency, health], times) => {
          const weights = { costWeight: cost, latencyWeight: latency, healthWeight: health };
          const before = createCostBased(costBased(weights))(facts(init), list).order;
          const after = createCostBased(costBased({ ...weights, [name]: weights[name] * times }))(facts(init), list).order;
          for (const [index, one] of before.entries()) {
            for (const other of before.slice(index + 1)) {
              if ((one.terms[term]?.ratio ?? 0) < (other.terms[term]?.ratio ?? 0)) continue;
              const [now, than] = [one, other].map((each) =>
                after.findIndex((ranked) => ranked.candidate.target === each.candidate.target),
              );
              // Scores that differ by rounding alone may change places.
              const gap = Math.abs((after[now ?? 0]?.score ?? 0) - (after[than ?? 0]?.score ?? 0));
              if (gap > 1e-12) expect(now, `${one.candidate.target.id} before ${other.candidate.target.id}`).toBeLessThan(than ?? -1);
            }
          }
        }),
      );
    });
  }
});
