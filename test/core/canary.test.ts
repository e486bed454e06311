import { describe, expect, test } from "vitest";
import type { KeyId, Snapshot } from "../../src/core/call.ts";
import { sideOf } from "../../src/core/canary.ts";
import { create } from "@bufbuild/protobuf";
import { ChatRequestSchema } from "../../src/core/chat.ts";
import { createPolicy } from "../../src/policies/index.ts";
import { facts, policyOf } from "../policies/candidates.ts";
import { chiSquare, limit, seedsFrom } from "../policies/chi-square.ts";
import { placeOf } from "../../src/core/chance.ts";
import { call } from "../telemetry/records.ts";

function snapshots(share: number, revision = "new"): { readonly old: Snapshot; readonly tried: Snapshot } {
  const { snapshot } = call();
  const tried = { ...snapshot, policy: { ...snapshot.policy, revision } };
  return { old: { ...snapshot, canary: { snapshot: tried, share } }, tried };
}

const caller = (key: string, init: { affinityKey?: string; endUserId?: string } = {}, id = "1") => ({
  key: { ...call().key, id: key as KeyId },
  request: create(ChatRequestSchema, { endUserId: init.endUserId ?? "", routing: { affinityKey: init.affinityKey ?? "" } }),
  id,
});
const callers = Array.from({ length: 4000 }, (_, number) => number);

describe("the side of a caller", () => {
  test("is the old one where nothing is tried", () => {
    const { snapshot } = call();
    expect(sideOf(snapshot, caller("a"))).toBe(snapshot);
  });

  test.for([
    { by: "affinity", of: (n: number) => caller("k", { affinityKey: `c${n}` }) },
    { by: "end user", of: (n: number) => caller("k", { endUserId: `u${n}` }) },
    { by: "key", of: (n: number) => caller(`k${n}`) },
    { by: "call, where nothing tells callers apart", of: (n: number) => caller("anonymous", {}, `id${n}`) },
  ])("is the same each time by $by, and the share is kept", ({ of }) => {
    for (const share of [0.05, 0.3, 0.8]) {
      const { old, tried } = snapshots(share);
      const onNew = callers.filter((n) => sideOf(old, of(n)) === tried);
      // Six standard deviations: a fair deal never fails it.
      expect(Math.abs(onNew.length - share * callers.length)).toBeLessThan(6 * Math.sqrt(share * (1 - share) * callers.length));
      for (const n of onNew) expect(sideOf(old, of(n))).toBe(tried);
    }
  });

  test("does not depend on the call, where the caller is known", () => {
    const { old } = snapshots(0.5);
    for (const n of callers.slice(0, 200)) expect(sideOf(old, caller(`k${n}`, {}, "1"))).toBe(sideOf(old, caller(`k${n}`, {}, "2")));
  });

  test("stays the new one as the share grows", () => {
    const small = snapshots(0.1);
    const large = snapshots(0.4);
    for (const n of callers)
      if (sideOf(small.old, caller(`k${n}`)) === small.tried) expect(sideOf(large.old, caller(`k${n}`))).toBe(large.tried);
  });

  test("is dealt anew for another policy", () => {
    const one = snapshots(0.1, "one");
    const two = snapshots(0.1, "two");
    const both = callers.filter((n) => sideOf(one.old, caller(`k${n}`)) === one.tried && sideOf(two.old, caller(`k${n}`)) === two.tried);
    expect(both.length).toBeLessThan(100);
  });

  /** How many callers are in each of four cells: on which side, and in which half by something else. */
  const cells = (isNew: (n: number) => boolean, isUpper: (n: number) => boolean): number[] => {
    const counts = [0, 0, 0, 0];
    for (const n of callers) {
      const cell = (isNew(n) ? 2 : 0) + (isUpper(n) ? 1 : 0);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
    return counts;
  };

  test("has nothing to do with the arm of an experiment over the same callers (χ²)", () => {
    const leastBusy = policyOf({ case: "leastBusy", value: {} });
    const arms = ["a", "b"].map((name) => ({ name, weight: 1, policy: leastBusy }));
    const { old, tried } = snapshots(0.5);
    for (const [unit, of, by] of [
      ["end_user_id", (n: number) => caller("k", { endUserId: `u${n}` }), (n: number) => ({ endUserId: `u${n}` })],
      ["key", (n: number) => caller(`k${n}`), (n: number) => ({ key: { id: `k${n}` as KeyId, name: "k" } })],
    ] as const) {
      const policy = createPolicy(policyOf({ case: "experiment", value: { experiment: "e", unit, arms } }));
      const counts = cells(
        (n) => sideOf(old, of(n)) === tried,
        (n) => policy(facts(by(n)), []).arm === "b",
      );
      expect(chiSquare(counts, [1, 1, 1, 1])).toBeLessThan(limit(4));
    }
  });

  test("has nothing to do with where a call's seed stands, by which weights are kept (χ²)", () => {
    const seeds = seedsFrom(0.3, callers.length);
    const { old, tried } = snapshots(0.5);
    const counts = cells(
      (n) => sideOf(old, caller("anonymous", {}, `0193a2b4-${n}`)) === tried,
      (n) => placeOf(seeds[n] ?? 0) >= 0.5,
    );
    expect(chiSquare(counts, [1, 1, 1, 1])).toBeLessThan(limit(4));
  });

  test("is even over shares (χ²), whatever callers are called", () => {
    for (const name of [(n: number) => `u${n}`, (n: number) => `${n}@example.com`, (n: number) => `tenant-${n}-${"x".repeat(60)}`]) {
      const counts = Array.from({ length: 10 }, () => 0);
      for (const n of callers) {
        // The first tenth of the share that has this caller.
        const tenth = counts.findIndex((_, i) => {
          const { old, tried } = snapshots((i + 1) / 10);
          return sideOf(old, caller("k", { endUserId: name(n) })) === tried;
        });
        counts[tenth < 0 ? 9 : tenth] = (counts[tenth < 0 ? 9 : tenth] ?? 0) + 1;
      }
      expect(
        chiSquare(
          counts,
          counts.map(() => 1),
        ),
      ).toBeLessThan(limit(10));
    }
  });
});
