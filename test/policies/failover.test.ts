import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { durationFromMs } from "../../src/core/clock.ts";
import { createFailover } from "../../src/policies/failover.ts";
import { candidate, facts, failover, idsOf } from "./candidates.ts";

const policy = createFailover(failover("main", ["second", "third"]));

describe("the primary", () => {
  test("comes first, then the backups in their order, then everybody else with the reason", () => {
    const ids = ["unnamed/m", "third/m", "main/m", "second/m", "other/m", "main/n"];
    const { order, rule } = policy(
      facts(),
      ids.map((id) => candidate(id)),
    );
    expect(order.map((each) => [each.candidate.target.id, each.score, each.terms, each.remark])).toEqual([
      ["main/m", 0, [], ""],
      ["main/n", 0, [], ""],
      ["second/m", 0, [], ""],
      ["third/m", 0, [], ""],
      ["unnamed/m", 0, [], "not named by the policy"],
      ["other/m", 0, [], "not named by the policy"],
    ]);
    expect(rule).toBe("");
  });

  for (const { delayMs, agoMs, isFirst } of [
    { delayMs: undefined, agoMs: 29_999, isFirst: false },
    { delayMs: undefined, agoMs: 30_000, isFirst: true },
    { delayMs: 5_000, agoMs: 4_999, isFirst: false },
    { delayMs: 5_000, agoMs: 5_000, isFirst: true },
    { delayMs: 0, agoMs: 0, isFirst: true },
  ]) {
    test(`${agoMs} ms after it began to fail, with a delay of ${delayMs ?? "the default"}, is ${isFirst ? "first" : "behind its backups"}`, () => {
      const rank = createFailover(failover("main", ["second"], delayMs === undefined ? {} : { failoverDelay: durationFromMs(delayMs) }));
      const candidates = [candidate("unnamed/m"), candidate("main/m", { failedAtMs: 100_000 - agoMs }), candidate("second/m")];
      const ranking = rank(facts(), candidates);
      expect(idsOf(ranking)).toEqual(isFirst ? ["main/m", "second/m", "unnamed/m"] : ["second/m", "main/m", "unnamed/m"]);
      expect(ranking.order.find((each) => each.candidate.target.provider === "main")?.remark).toBe(
        isFirst ? "" : "the primary failed within failover_delay",
      );
    });
  }

  test("is left alone with all its targets when one of them fails", () => {
    const candidates = [candidate("main/m"), candidate("main/n", { failedAtMs: 99_000 }), candidate("third/m")];
    expect(idsOf(policy(facts(), candidates))).toEqual(["third/m", "main/m", "main/n"]);
  });

  test("is still tried where nobody else can serve", () => {
    expect(idsOf(policy(facts(), [candidate("main/m", { failedAtMs: 99_000 })]))).toEqual(["main/m"]);
  });
});

test("a failing backup keeps its place", () => {
  const candidates = [candidate("third/m"), candidate("second/m", { failedAtMs: 99_999 })];
  expect(idsOf(policy(facts(), candidates))).toEqual(["second/m", "third/m"]);
});

test("any ranking holds every candidate exactly once, providers together, in the catalogue's order within each", () => {
  const some = fc.tuple(fc.constantFrom("main", "second", "third", "other"), fc.option(fc.integer({ min: 0, max: 100_000 })));
  fc.assert(
    fc.property(fc.array(some, { maxLength: 30 }), (list) => {
      const candidates = list.map(([provider, failedAtMs], index) =>
        candidate(`${provider}/${index}`, { failedAtMs: failedAtMs ?? undefined }),
      );
      const order = policy(facts(), candidates).order.map((each) => each.candidate);
      expect(new Set(order)).toEqual(new Set(candidates));
      expect(order).toHaveLength(candidates.length);
      for (const provider of ["main", "second", "third", "other"]) {
        const ofProvider = order.filter((each) => each.target.provider === provider);
        expect(ofProvider).toEqual(candidates.filter((each) => each.target.provider === provider));
        const places = ofProvider.map((each) => order.indexOf(each));
        expect(places.every((place, index) => place === (places[0] ?? 0) + index)).toBe(true);
      }
    }),
  );
});
