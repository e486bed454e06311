import { describe, expect, test } from "vitest";

import type { Target, TargetId } from "../../src/core/catalog.ts";
import { type ProviderHealth, ProviderState } from "../../src/core/chat.ts";
import { durationFromMs } from "../../src/core/clock.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { Policy } from "../../src/core/policy.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { createFailover } from "../../src/policies/failover.ts";
import { explainCall } from "../../src/stages/explain.ts";
import { noTarget, planCall, type PlanSources } from "../../src/stages/plan.ts";
import { createWindowHealth, type WindowHealth } from "../../src/stores/window-health.ts";
import { costBased, failover } from "../policies/candidates.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { callOf, snapshotOf, targetOf } from "./support.ts";

/** States of the moment that a target can be brought into by what its calls come to. */
type Moment = "well" | "open" | "half-open" | "on trial" | "limited" | "locked" | "incapable" | "open and limited";

function bring(health: WindowHealth, clock: FakeClock, id: TargetId, moment: Moment): void {
  const fail = (failure: Failure, times: number, more = {}): void => {
    const trials = Array.from({ length: times }, () => health.begin(id, "lone"));
    const error = new ChatError(failure, "no", { upstream: { status: 400, requestId: "" }, ...more });
    for (const trial of trials) if (!("barred" in trial)) trial.end({ kind: "failed", streamed: true, error });
  };
  switch (moment) {
    case "well":
      break;
    case "open":
      fail("UPSTREAM_UNAVAILABLE", 5);
      break;
    case "half-open":
    case "on trial":
      fail("UPSTREAM_UNAVAILABLE", 5);
      clock.advance(5_000);
      if (moment === "on trial") health.begin(id, undefined);
      break;
    case "limited":
      fail("RATE_LIMITED", 1, { retryAfterMs: 20_000 });
      break;
    case "locked":
      fail("UPSTREAM_AUTH", 1);
      break;
    case "incapable":
      fail("UNSUPPORTED_FEATURE", 1, { field: "seed" });
      break;
    case "open and limited":
      fail("OVERLOADED", 5, { retryAfterMs: 20_000 });
  }
}

interface Scene {
  /** State of each target, `p0/m` on. */
  readonly moments: readonly Moment[];
  readonly policy?: Policy;
  /** Whether the call asks for what incapable targets refused. */
  readonly seeded?: boolean;
  readonly fallbackModels?: string[];
  readonly targets?: readonly Target[];
}

const price = { input: 1_000_000, output: 1_000_000, cacheRead: undefined, cacheWrite: undefined };

function scene({ moments, policy, seeded = true, fallbackModels = [], targets: given }: Scene) {
  const clock = createFakeClock();
  const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };
  const health = createWindowHealth({ clock, random: () => 0.5, breaker });
  const targets = given ?? moments.map((_, i) => targetOf(`p${i}/m`, { price }));
  health.declare(targets.map(({ id, provider }) => ({ name: provider, targets: [id], concurrencyMax: 10 })));
  // Half-open takes time to come to, in which nothing else should pass.
  const order = moments.map((moment, i) => ({ moment, i })).toSorted((a, b) => Number(takesTime(b.moment)) - Number(takesTime(a.moment)));
  for (const { moment, i } of order) bring(health, clock, targets[i]?.id ?? ("none/none" as TargetId), moment);
  const made = snapshotOf(targets);
  const snapshot = { ...made, policy: { ...made.policy, ...(policy && { rank: policy }) } };
  const request = chatRequest("hi", { model: "m", ...(seeded && { sampling: { seed: 1n } }), routing: { fallbackModels } });
  const sources: PlanSources = { clock, health, stateOf: () => ProviderState.ENABLED };
  const call = callOf(request, { snapshot });
  const plan = planCall(call, sources);
  const report = (provider: string): ProviderHealth => health.report(provider);
  return {
    clock,
    plan,
    ranked: plan.ranked.map(({ candidate }) => candidate.target.provider),
    remarks: plan.ranked.map(({ remark }) => remark),
    excluded: Object.fromEntries(plan.excluded.map(({ target, reason }) => [target.provider, reason])),
    error: noTarget(plan, call),
    explanation: explainCall(call, sources, report),
  };
}

function takesTime(moment: Moment): boolean {
  return moment === "half-open" || moment === "on trial";
}

const policies = {
  "as given": undefined,
  cost_based: createCostBased(costBased()),
  failover: createFailover(failover("p0", ["p1", "p2"], { failoverDelay: durationFromMs(0) })),
} as const;

describe("who is asked, by policy and state", () => {
  for (const [name, policy] of Object.entries(policies)) {
    const set = (moments: readonly Moment[]) => scene({ moments, ...(policy && { policy }) });

    for (const { moment, asked, why } of [
      { moment: "well", asked: ["p0", "p1", "p2"], why: undefined },
      { moment: "half-open", asked: ["p0", "p1", "p2"], why: undefined },
      { moment: "open", asked: ["p1", "p2"], why: "breaker open" },
      { moment: "on trial", asked: ["p1", "p2"], why: "breaker open" },
      { moment: "limited", asked: ["p1", "p2"], why: "cooling down" },
      { moment: "locked", asked: ["p1", "p2"], why: "credential refused" },
      { moment: "incapable", asked: ["p1", "p2"], why: "lately refused seed" },
      { moment: "open and limited", asked: ["p1", "p2"], why: "cooling down; breaker open" },
    ] as const) {
      test(`${name}: one of three is ${moment}`, () => {
        const { ranked, excluded, plan } = set([moment, "well", "well"]);
        expect(new Set(ranked)).toEqual(new Set(asked));
        expect([excluded["p0"], plan.insist]).toEqual([why, undefined]);
      });
    }

    for (const moment of ["limited", "locked", "open and limited"] as const) {
      test(`${name}: all are ${moment}, and the call fails at once with the soonest end`, () => {
        const { ranked, error } = set([moment, moment, moment]);
        expect(ranked).toEqual([]);
        expect(error).toMatchObject({ failure: "NO_TARGET", retryAfterMs: moment === "locked" ? 60_000 : 20_000 });
      });
    }

    for (const moment of ["open", "on trial", "incapable"] as const) {
      test(`${name}: all are ${moment}, and are asked all the same`, () => {
        const { ranked, excluded } = set([moment, moment, moment]);
        expect([new Set(ranked), excluded]).toEqual([new Set(["p0", "p1", "p2"]), {}]);
      });
    }
  }
});

describe("panic", () => {
  for (const { what, moments, insist, ranked, out } of [
    { what: "half of them usable is enough", moments: ["open", "well"], insist: undefined, ranked: ["p1"], out: ["p0"] },
    { what: "one of three usable is not", moments: ["open", "well", "open"], insist: "panic", ranked: ["p1", "p0", "p2"], out: [] },
    {
      what: "what is limited or locked counts as out",
      moments: ["open", "limited", "well", "locked"],
      insist: "panic",
      ranked: ["p2", "p0"],
      out: ["p1", "p3"],
    },
    {
      what: "what cannot serve the call counts as out",
      moments: ["open", "incapable", "well"],
      insist: "panic",
      ranked: ["p2", "p0"],
      out: ["p1"],
    },
    {
      what: "of none only those whose breaker is open are asked",
      moments: ["open", "limited"],
      insist: "panic",
      ranked: ["p0"],
      out: ["p1"],
    },
    { what: "a half-open one is usable", moments: ["half-open", "locked"], insist: undefined, ranked: ["p0"], out: ["p1"] },
    {
      what: "who could serve it if asked comes before who could not",
      moments: ["incapable", "open"],
      insist: "panic",
      ranked: ["p1"],
      out: ["p0"],
    },
    { what: "who could not is the last resort", moments: ["incapable", "limited"], insist: "panic", ranked: ["p0"], out: ["p1"] },
  ] satisfies { what: string; moments: Moment[]; insist: string | undefined; ranked: string[]; out: string[] }[]) {
    test(`${what}: ${moments.join(", ")}`, () => {
      const seen = scene({ moments });
      expect([seen.plan.insist, seen.ranked, Object.keys(seen.excluded)]).toEqual([insist, ranked, out]);
    });
  }

  test("usable targets of fallback models come before those whose breaker is open", () => {
    const targets = [targetOf("p0/m"), targetOf("p1/m"), targetOf("p2/n")];
    const { ranked, plan } = scene({ moments: ["open", "open", "well"], targets, fallbackModels: ["n"] });
    expect([ranked, plan.insist]).toEqual([["p2", "p0", "p1"], "panic"]);
  });

  test("says of each why it is asked", () => {
    expect(scene({ moments: ["open", "well", "open"] }).remarks).toEqual([
      "",
      "breaker open; most targets are out",
      "breaker open; most targets are out",
    ]);
  });
});

describe("a lone target", () => {
  for (const { moment, ranked, remark } of [
    { moment: "well", ranked: ["p0"], remark: "" },
    { moment: "open", ranked: ["p0"], remark: "breaker open; the only target" },
    { moment: "on trial", ranked: ["p0"], remark: "breaker open; the only target" },
    { moment: "incapable", ranked: ["p0"], remark: "" },
    { moment: "limited", ranked: [], remark: undefined },
    { moment: "locked", ranked: [], remark: undefined },
    { moment: "open and limited", ranked: [], remark: undefined },
  ] satisfies { moment: Moment; ranked: string[]; remark: string | undefined }[]) {
    test(`that is ${moment} is ${ranked.length === 0 ? "not " : ""}asked`, () => {
      const seen = scene({ moments: [moment] });
      expect([seen.plan.insist, seen.ranked, seen.remarks[0]]).toEqual(["lone", ranked, remark]);
    });
  }

  test("that is limited is refused with the true wait, whatever its breaker says", () => {
    const { error, excluded } = scene({ moments: ["open and limited"] });
    expect(error).toMatchObject({ failure: "NO_TARGET", retryAfterMs: 20_000, message: 'no target can serve "m": p0/m: cooling down' });
    expect(excluded).toEqual({ p0: "cooling down" });
  });

  test("is lone by what can serve the call, not by what is named alike", () => {
    const unable = { capabilities: { $typeName: "semaroute.v1.ModelCapabilities" as const, streaming: false } };
    const { plan, ranked } = scene({ moments: ["open", "well"], targets: [targetOf("p0/m"), targetOf("p1/m", unable)] });
    expect([plan.insist, ranked]).toEqual(["lone", ["p0"]]);
  });
});

describe("what a target lacks", () => {
  test("keeps only those calls from it that need it", () => {
    expect(scene({ moments: ["incapable", "well"], seeded: false }).ranked).toEqual(["p0", "p1"]);
    expect(scene({ moments: ["incapable", "well"], seeded: true }).ranked).toEqual(["p1"]);
  });

  test("is told where it is asked for want of others", () => {
    expect(scene({ moments: ["incapable", "limited"] }).remarks).toEqual(["lately refused seed; nobody else can"]);
  });
});

test("Explain tells who is out on which axis, and who is asked against its breaker", () => {
  const { explanation } = scene({ moments: ["open and limited", "open", "well", "locked", "incapable"] });
  expect(
    explanation.candidates.map(({ provider, rank, excludedBy, terms }) => [provider, rank, excludedBy, terms.map(({ name }) => name)]),
  ).toEqual([
    ["p2", 1, "", []],
    ["p1", 2, "", ["breaker open; most targets are out"]],
    ["p4", 0, "lately refused seed", []],
    ["p0", 0, "cooling down", []],
    ["p3", 0, "credential refused", []],
  ]);
  expect(explanation.candidates.map(({ health }) => health?.targets[0]?.bars.map(({ axis }) => axis))).toEqual([[], [1], [4], [1, 2], [3]]);
});
