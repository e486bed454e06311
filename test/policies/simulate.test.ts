import { describe, expect, test } from "vitest";
import { CacheStatus } from "../../src/core/chat.ts";
import type { DecisionRecord } from "../../src/core/decision.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { createFailover } from "../../src/policies/failover.ts";
import { createSimulator } from "../../src/policies/simulate.ts";
import { costBased, facts, failover } from "./candidates.ts";

const cheap = { target: "cheap/m", provider: "cheap", upstream: "m", score: 1, terms: [], cost: 100, health: { firstTokenMs: 500 } };
const fast = { target: "fast/m", provider: "fast", upstream: "m", score: 0.5, terms: [], cost: 1000, health: { firstTokenMs: 50 } };
const out = { ...fast, target: "out/m", provider: "out", cost: 1, excluded: "provider disabled" };

/** A streamed call that went to the cheap one, and cost twice of what was expected. */
function decision(init: Partial<DecisionRecord> = {}): DecisionRecord {
  return {
    id: "d",
    wall: 0,
    key: "k",
    model: "m",
    revision: "r",
    rule: "",
    arm: "",
    seed: 1,
    requestId: "",
    replica: "",
    streamed: true,
    cache: CacheStatus.BYPASS,
    reason: 0,
    firstMs: 400,
    totalMs: 900,
    target: "cheap/m",
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2, estimated: false, pico: "200000000" },
    facts: facts(),
    groups: [2],
    candidates: [cheap, fast, out],
    attempts: [],
    ...init,
  };
}

const never = () => undefined;
const toFast = createFailover(failover("fast", ["cheap"]));

describe("a replay", () => {
  test("under another policy tells what would have moved, cost and taken", () => {
    const { replay, sum } = createSimulator(toFast, never);
    for (let each = 0; each < 3; each++) replay(decision());
    expect(sum()).toEqual({
      decisions: 3,
      moved: 3,
      costBeforeMicroUsd: 600,
      // Ten times as dear, and the call took twice of what was expected.
      costAfterMicroUsd: 6000,
      firstTokenP50BeforeMs: 400,
      firstTokenP50AfterMs: 50,
      shareBefore: new Map([["cheap/m", 3]]),
      shareAfter: new Map([["fast/m", 3]]),
    });
  });

  test("under a policy that chooses the same moves nothing", () => {
    const { replay, sum } = createSimulator(createCostBased(costBased({ costWeight: 1, latencyWeight: 0, healthWeight: 0 })), never);
    replay(decision());
    expect(sum()).toMatchObject({ moved: 0, costBeforeMicroUsd: 200, costAfterMicroUsd: 200, firstTokenP50AfterMs: 400 });
  });

  test("never chooses who was excluded, nor one of a later group before the first", () => {
    const all = createSimulator(createCostBased(costBased({ costWeight: 1, latencyWeight: 0, healthWeight: 0 })), never);
    all.replay(decision());
    all.replay(decision({ groups: [1, 1], candidates: [{ ...cheap, cost: 9999 }, fast] }));
    all.replay(decision({ groups: [0, 2] }));
    expect(all.sum().shareAfter).toEqual(new Map([["cheap/m", 3]]));
  });

  test("passes over calls for which nothing was ranked: stored answers, and those refused before", () => {
    const { replay, sum } = createSimulator(toFast, never);
    const { facts: _facts, ...unplanned } = decision({ groups: [], candidates: [], cache: CacheStatus.HIT });
    replay(unplanned);
    replay(decision({ candidates: [out], groups: [] }));
    expect(sum()).toMatchObject({ decisions: 0, firstTokenP50BeforeMs: undefined });
  });

  test("uses what was known then: who failed just before the call is left alone", () => {
    const { replay, sum } = createSimulator(toFast, never);
    replay(decision({ candidates: [cheap, { ...fast, health: { failedAtMs: facts().nowMs - 10 } }] }));
    expect(sum().shareAfter).toEqual(new Map([["cheap/m", 1]]));
  });

  test("an unpriced target adds no cost, and none where no call was answered", () => {
    const { replay, sum } = createSimulator(toFast, never);
    const { cost: _cost, ...unpriced } = fast;
    replay(decision({ candidates: [cheap, unpriced] }));
    expect(sum().costAfterMicroUsd).toBe(0);
  });

  test("of 10,000 decisions as they are kept takes less than a second", () => {
    const text = JSON.stringify(
      decision({ candidates: Array.from({ length: 10 }, (_, n) => ({ ...cheap, target: `p${n}/m`, provider: `p${n}` })), groups: [10] }),
    );
    const begun = performance.now();
    const { replay, sum } = createSimulator(createCostBased(costBased()), never);
    for (let each = 0; each < 10_000; each++) replay(JSON.parse(text));
    expect(sum().decisions).toBe(10_000);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
