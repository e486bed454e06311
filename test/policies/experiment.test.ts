import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { KeyId } from "../../src/core/call.ts";
import type { CallFacts } from "../../src/core/policy.ts";
import { createPolicy } from "../../src/policies/index.ts";
import { candidate, facts, idsOf, policyOf } from "./candidates.ts";
import { chiSquare, limit, seedsFrom } from "./chi-square.ts";

const failover = (provider: string) => policyOf({ case: "failover", value: { primaryProvider: provider } });
const both = [candidate("a/m"), candidate("b/m")];

function experiment(weights: Readonly<Record<string, number>>, unit = "", name = "e") {
  const arms = Object.entries(weights).map(([arm, weight]) => ({ name: arm, weight, policy: failover(arm) }));
  return createPolicy(policyOf({ case: "experiment", value: { experiment: name, unit, arms } }));
}

const armOf = (policy: ReturnType<typeof experiment>, init: Partial<CallFacts>): string => policy(facts(init), both).arm ?? "";
const users = Array.from({ length: 5000 }, (_, i) => `user-${i}`);
const key = { id: "cfg_team" as KeyId, name: "team" };

describe("arms", () => {
  test("are named, and rank by their own policies", () => {
    const policy = experiment({ a: 1, b: 1 });
    for (const affinityKey of users.slice(0, 20)) {
      const ranking = policy(facts({ affinityKey }), both);
      expect(idsOf(ranking)[0]).toBe(`${ranking.arm}/m`);
    }
  });

  for (const { unit, by } of [
    { unit: "affinity_key", by: (word: string) => ({ affinityKey: word }) },
    { unit: "end_user_id", by: (word: string) => ({ endUserId: word }) },
    { unit: "key", by: (word: string) => ({ key: { id: word as KeyId, name: "k" } }) },
    { unit: "tag:tenant", by: (word: string) => ({ tags: { tenant: word } }) },
  ]) {
    test(`get callers by their weights (χ²), known by ${unit}`, () => {
      const policy = experiment({ a: 6, b: 3, c: 1 }, unit);
      const counts = { a: 0, b: 0, c: 0 };
      for (const word of users) counts[armOf(policy, by(word)) as "a" | "b" | "c"] += 1;
      expect(chiSquare(Object.values(counts), [6, 3, 1])).toBeLessThan(limit(3));
    });
  }

  test("are the same in another process", () => {
    const root = new URL("../../", import.meta.url).href;
    const message = `{ $typeName: "semaroute.v1.ExperimentPolicy", experiment: "e", unit: "", arms: [{ name: "a", weight: 6 }, { name: "b", weight: 3 }] }`;
    const script = `
      const { createExperiment } = await import("${root}src/policies/experiment.ts");
      const none = () => ({ order: [], rule: "" });
      const policy = createExperiment(${message}, [none, none]);
      const arms = Array.from({ length: 200 }, (_, i) => policy.decide({ affinityKey: "user-" + i, endUserId: "", key: { id: "k" }, tags: {}, seed: i }).arm);
      process.stdout.write(arms.join(""));`;
    const there = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
    const policy = experiment({ a: 6, b: 3 });
    expect(there).toBe(
      users
        .slice(0, 200)
        .map((affinityKey) => armOf(policy, { affinityKey }))
        .join(""),
    );
  });

  test("keep their callers, whatever the seed, the hour and the model", () => {
    const policy = experiment({ a: 1, b: 1 });
    for (const affinityKey of users.slice(0, 50)) {
      const arms = seedsFrom(0.3, 20).map((seed, hour) => armOf(policy, { affinityKey, seed, hour, model: `m${hour}` }));
      expect(new Set(arms).size).toBe(1);
    }
  });

  test("that gain weight lose no caller, and others lose them only to those", () => {
    const [before, after] = [experiment({ a: 1, b: 1, c: 1 }), experiment({ a: 1, b: 2, c: 1 })];
    let moved = 0;
    for (const affinityKey of users) {
      const [old, now] = [armOf(before, { affinityKey }), armOf(after, { affinityKey })];
      if (old === now) continue;
      moved += 1;
      expect(now).toBe("b");
    }
    // From a third to a half: a sixth of all.
    expect(Math.round((moved / users.length) * 100)).toBeGreaterThan(13);
    expect(Math.round((moved / users.length) * 100)).toBeLessThan(20);
  });

  test("of another experiment are dealt anew", () => {
    const [one, other] = [experiment({ a: 1, b: 1 }), experiment({ a: 1, b: 1 }, "", "another")];
    const same = users.filter((affinityKey) => armOf(one, { affinityKey }) === armOf(other, { affinityKey })).length;
    expect(chiSquare([same, users.length - same], [1, 1])).toBeLessThan(limit(2));
  });
});

describe("a caller is known by", () => {
  for (const { unit, by } of [
    { unit: "", by: (word: string) => ({ affinityKey: word }) },
    { unit: "affinity_key", by: (word: string) => ({ affinityKey: word }) },
    { unit: "end_user_id", by: (word: string) => ({ endUserId: word }) },
    { unit: "key", by: (word: string) => ({ key: { id: word as KeyId, name: "k" } }) },
    { unit: "tag:tenant", by: (word: string) => ({ tags: { tenant: word } }) },
  ]) {
    test(`${unit || "its affinity key"}, and by nothing else`, () => {
      const policy = experiment({ a: 1, b: 1 }, unit);
      const arms = users.slice(0, 100).map((word) => armOf(policy, by(word)));
      expect(new Set(arms)).toEqual(new Set(["a", "b"]));
      // One word, and everything else different.
      const noise = users
        .slice(0, 20)
        .map((other) => armOf(policy, { affinityKey: other, endUserId: other, tags: { tenant: other }, ...by("fixed") }));
      expect(new Set(noise).size).toBe(1);
    });
  }

  test("its key where it does not say what the unit asks for", () => {
    for (const unit of ["", "end_user_id", "tag:tenant", "tag:constructor"])
      expect(new Set(seedsFrom(0, 50).map((seed) => armOf(experiment({ a: 1, b: 1 }, unit), { key, seed }))).size).toBe(1);
  });

  test("nothing where it has no key either: then calls are dealt one by one, by the weights (χ²)", () => {
    const policy = experiment({ a: 3, b: 1 });
    const arms = seedsFrom(0.4, 4000).map((seed) => armOf(policy, { seed }));
    expect(
      chiSquare(
        ["a", "b"].map((arm) => arms.filter((each) => each === arm).length),
        [3, 1],
      ),
    ).toBeLessThan(limit(2));
  });
});

test("shares within an arm whose calls are dealt one by one are those of its weights (χ²)", () => {
  const inner = policyOf({ case: "weighted", value: { weights: { a: 1, b: 1 } } });
  const arms = ["x", "y"].map((name) => ({ name, weight: 1, policy: inner }));
  const policy = createPolicy(policyOf({ case: "experiment", value: { experiment: "e", arms } }));
  const counts = new Map<string, number>();
  for (const seed of seedsFrom(0.2, 4000)) {
    const ranking = policy(facts({ seed }), both);
    const cell = `${ranking.arm} ${idsOf(ranking)[0]}`;
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  expect(chiSquare([...counts.values()], [1, 1, 1, 1])).toBeLessThan(limit(4));
  expect(counts.size).toBe(4);
});

test("experiments within arms name both", () => {
  const arms = (policy: ReturnType<typeof failover>, names: string[]) => names.map((name) => ({ name, weight: 1, policy }));
  const inner = policyOf({ case: "experiment", value: { experiment: "in", arms: arms(failover("a"), ["red", "blue"]) } });
  const policy = createPolicy(policyOf({ case: "experiment", value: { experiment: "out", arms: arms(inner, ["left", "right"]) } }));
  expect(armOf(policy, { affinityKey: "x" })).toMatch(/^(left|right)\/(red|blue)$/);
});

test("an arm whose policy ranks nobody leaves an empty ranking", () => {
  const ranking = experiment({ a: 1, b: 1 })(facts({ affinityKey: "x" }), []);
  expect(ranking.order).toEqual([]);
  expect(ranking.arm).toMatch(/^[ab]$/);
});
