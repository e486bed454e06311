import { describe, expect, test } from "vitest";

import { BreakerState, dropped, HealthStatus, type ProviderHealth, ProviderState } from "../../src/core/chat.ts";
import type { Policy } from "../../src/core/policy.ts";
import type { Provider } from "../../src/core/provider.ts";
import { explainCall } from "../../src/stages/explain.ts";
import type { PlanSources } from "../../src/stages/plan.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, healthy, snapshotOf, targetOf } from "./support.ts";

const price = { input: 1_000_000, output: 0, cacheRead: undefined, cacheWrite: undefined };
const sources: PlanSources = {
  clock: createFakeClock(),
  stateOf: (provider) => (provider === "c" ? ProviderState.DISABLED : ProviderState.ENABLED),
  health: { view: () => healthy, begin: () => ({ answered() {}, end() {} }), load: () => 0, latencyQuantileMs: () => undefined },
};
const report = (provider: string): ProviderHealth => ({
  $typeName: "semaroute.v1.ProviderHealth",
  provider,
  status: HealthStatus.HEALTHY,
  breaker: BreakerState.CLOSED,
  targets: [],
  successRatio: 1,
  inFlight: 0,
  concurrencyLimit: 0,
  lastErrorReason: 0,
  lastError: "",
  rateLimits: [],
});
const term = { $typeName: "semaroute.v1.ScoreTerm", name: "cost", raw: 1, ratio: 0.5, weight: 0.6 } as const;
/** Ranks backwards, with a score, and remarks on the last. */
const backwards: Policy = (_facts, candidates) => ({
  rule: "backwards",
  order: candidates
    .toReversed()
    .map((candidate, i, all) => ({ candidate, score: 1 - i / 10, terms: [term], remark: i === all.length - 1 ? "unpriced" : "" })),
});

function callWith(targets = [targetOf("a/m"), targetOf("b/m", { price }), targetOf("c/m", { price })]) {
  const provider: Provider = {
    name: "b",
    chat: () => {
      throw new Error("nobody is called");
    },
    translator: { notes: () => [dropped("seed", "not taken")] },
  };
  const snapshot = { ...snapshotOf(targets), providers: new Map([["b", provider]]) };
  return callOf(chatRequest("hello", { model: "m" }), { snapshot: { ...snapshot, policy: { ...snapshot.policy, rank: backwards } } });
}

describe("Explain", () => {
  test("tells the plan in words: ranked first, then excluded with the reason", () => {
    const told = explainCall(callWith(), sources, report);
    expect(told).toMatchObject({ resolvedModel: "m", policyRevision: "rev-1", rule: "backwards", estimatedInputTokens: 9 });
    expect(told.candidates.map(({ provider, rank, score, excludedBy }) => [provider, rank, score, excludedBy])).toEqual([
      ["b", 1, 1, ""],
      ["a", 2, 0.9, ""],
      ["c", 0, 0, "provider disabled"],
    ]);
  });

  test("tells of each candidate its upstream name, cost, terms, notes and health", () => {
    const [b, a, c] = explainCall(callWith(), sources, report).candidates;
    expect(b).toMatchObject({ upstreamModel: "m-upstream", estimatedCostMicroUsd: 9n, terms: [term] });
    expect(b?.notes).toMatchObject([{ field: "seed" }]);
    expect(b?.health).toEqual(report("b"));
    expect(a?.terms).toEqual([term, { $typeName: "semaroute.v1.ScoreTerm", name: "unpriced", raw: 0, ratio: 0, weight: 0 }]);
    expect(a).not.toHaveProperty("estimatedCostMicroUsd");
    expect(c).toMatchObject({ estimatedCostMicroUsd: 9n, terms: [], notes: [] });
  });

  test("under another policy tells that one's plan, which has no revision", () => {
    const forwards: Policy = (facts, candidates) => ({ ...backwards(facts, candidates.toReversed()), rule: "forwards" });
    const told = explainCall(callWith(), sources, report, forwards);
    expect(told).toMatchObject({ policyRevision: "", rule: "forwards" });
    expect(told.candidates.map(({ provider }) => provider)).toEqual(["a", "b", "c"]);
  });

  test("with no target left still tells who is out", () => {
    const told = explainCall(callWith([targetOf("c/m")]), sources, report);
    expect(told).toMatchObject({ resolvedModel: "", candidates: [{ provider: "c", excludedBy: "provider disabled" }] });
  });
});
