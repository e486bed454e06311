/** What holds of the planner under every policy, whatever the targets, their state and the caller's wishes. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Holding } from "../../src/core/affinity.ts";
import type { Call, KeyId } from "../../src/core/call.ts";
import type { Target, TargetId } from "../../src/core/catalog.ts";
import { type ChatRequestSchema, ProviderState, Role, type RoutingPolicy } from "../../src/core/chat.ts";
import { decisionFrom, type DecisionRecord, noteCall } from "../../src/core/decision.ts";
import type { HealthView } from "../../src/core/health.ts";
import { decidedBy } from "../../src/core/policy.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import { createSimulator, rankAgain } from "../../src/policies/simulate.ts";
import { type Plan, planCall, type PlanSources } from "../../src/stages/plan.ts";
import { everyPolicy } from "../policies/every-policy.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { record } from "../telemetry/records.ts";
import { callOf, healthy, snapshotOf, targetOf } from "./support.ts";

const nowMs = 50_000;
const providers = ["p0", "p1", "p2", "p3", "p4"];
const issuers = ["one", "two"];

const mostly = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const ms = fc.double({ min: 1, max: 10_000, noNaN: true });
const maybeMs = fc.option(ms, { nil: undefined });
const later = mostly(0, fc.integer({ min: nowMs + 1, max: nowMs + 60_000 }));
const rate = fc.integer({ min: 0, max: 20_000_000 });

const price = fc.record({
  input: rate,
  output: rate,
  cacheRead: fc.option(rate, { nil: undefined }),
  cacheWrite: fc.option(rate, { nil: undefined }),
});
const target = fc.record({
  price: fc.option(price, { nil: undefined, freq: 5 }),
  issuer: fc.constantFrom(...issuers),
  tools: fc.option(fc.boolean(), { nil: undefined }),
  contextTokens: mostly<number | undefined>(undefined, fc.integer({ min: 1, max: 40 })),
});
const view = fc.record({
  openUntilMs: later,
  coolingUntilMs: later,
  lockedUntilMs: later,
  lacks: mostly<HealthView["lacks"]>([], fc.constant(["model"])),
  hearsay: mostly<HealthView["hearsay"]>(undefined, fc.constantFrom("failing", "limited", "refused")),
  warmth: mostly(1, fc.double({ min: 0.1, max: 1, noNaN: true })),
  successRatio: mostly(1, fc.double({ min: 0, max: 1, noNaN: true })),
  firstTokenMs: maybeMs,
  unaryMs: maybeMs,
  firstTokenP95Ms: maybeMs,
  failedAtMs: fc.option(fc.integer({ min: 0, max: nowMs }), { nil: undefined }),
  heardMs: fc.option(fc.integer({ min: 0, max: nowMs }), { nil: undefined }),
  otherMeans: fc.record({ firstTokenMs: maybeMs, unaryMs: maybeMs }).map((means) => new Map([[3000, means]])),
});
const world = fc.record({
  targets: fc.uniqueArray(
    fc.record({
      id: fc.tuple(fc.constantFrom(...providers), fc.constantFrom("m0", "m1")).map((parts) => parts.join("/")),
      target,
      view,
      load: fc.double({ min: 0, max: 2, noNaN: true }),
    }),
    { selector: ({ id }) => id, minLength: 1, maxLength: 9 },
  ),
  states: fc.array(mostly<ProviderState>(ProviderState.ENABLED, fc.constantFrom(ProviderState.DISABLED, ProviderState.DRAINING)), {
    minLength: providers.length,
    maxLength: providers.length,
  }),
  holder: fc.record({ at: fc.nat({ max: 8 }), tokens: fc.nat({ max: 30 }) }),
});
const wishes = fc.record({
  model: fc.constantFrom("m0", "m1", "auto"),
  fallback: fc.boolean(),
  allow: mostly<string[]>([], fc.subarray(providers)),
  deny: mostly<string[]>([], fc.subarray(providers)),
  ceiling: mostly<bigint | undefined>(undefined, fc.bigInt({ min: 0n, max: 20_000n })),
  affinityKey: fc.constantFrom("", "", "c1", "c2"),
  tier: fc.constantFrom("gold", "lead", ""),
  hasTools: fc.boolean(),
  loop: mostly<string | undefined>(undefined, fc.constantFrom(...issuers)),
  streamed: fc.boolean(),
  seed: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;
type Wished = typeof wishes extends fc.Arbitrary<infer T> ? T : never;

const requestOf = ({ model, fallback, allow, deny, ceiling, affinityKey, tier, hasTools, loop }: Wished, names: ReadonlySet<string>) => {
  const seal = [{ issuer: loop ?? "", kind: "signature", value: "sealed" }];
  const messages: MessageInitShape<typeof ChatRequestSchema>["messages"] = [
    { role: Role.USER, text: "q" },
    { role: Role.ASSISTANT, content: [{ part: { case: "toolCall", value: { id: "a", name: "f" } }, opaque: seal }] },
    { role: Role.TOOL, content: [{ part: { case: "toolResult", value: { toolCallId: "a" } } }] },
  ];
  return chatRequest("hello there", {
    model: names.has(model) ? model : "auto",
    ...(loop !== undefined && { messages }),
    ...(hasTools && { tools: [{ kind: { case: "function" as const, value: { name: "f" } } }] }),
    routing: {
      fallbackModels: fallback ? ["auto"] : [],
      allowProviders: allow,
      denyProviders: deny,
      ...(ceiling !== undefined && { maxCostMicroUsd: ceiling }),
      affinityKey,
      tags: tier === "" ? {} : { tier },
    },
  });
};

interface Planned {
  readonly plan: Plan;
  readonly call: Call;
  readonly targets: readonly Target[];
  readonly views: ReadonlyMap<string, HealthView>;
  readonly record: DecisionRecord;
}

function planned(message: RoutingPolicy, { targets: drawn, states, holder }: World, wished: Wished): Planned {
  const clock = createFakeClock();
  clock.advance(nowMs);
  const views = new Map(drawn.map(({ id, view: each }): [string, HealthView] => [id, { ...healthy, ...each }]));
  const loads = new Map(drawn.map(({ id, load }): [string, number] => [id, load]));
  const targets = drawn.map(({ id, target: { price: cost, issuer, tools, contextTokens } }) =>
    targetOf(id, {
      price: cost,
      issuer,
      capabilities: {
        $typeName: "semaroute.v1.ModelCapabilities",
        ...(tools !== undefined && { tools }),
        ...(contextTokens !== undefined && { contextTokens }),
      },
    }),
  );
  const held = targets[holder.at % targets.length];
  const holding: Holding | undefined = held && { target: held.id, tokens: holder.tokens, ttlMs: 1000 };
  const sources: PlanSources = {
    clock,
    stateOf: (provider) => states[providers.indexOf(provider)] ?? ProviderState.ENABLED,
    health: {
      view: (id) => views.get(id) ?? healthy,
      load: (id) => loads.get(id) ?? 0,
      begin: () => ({ answered() {}, end() {} }),
      latencyQuantileMs: () => undefined,
    },
    affinity: { find: () => holding, bind() {} },
  };
  const snapshot = snapshotOf(targets);
  const policy = { ...snapshot.policy, rank: createPolicy(withDefaults(message)) };
  const call = callOf(requestOf(wished, new Set(targets.map(({ model }) => model))), {
    snapshot: { ...snapshot, policy },
    streamed: wished.streamed,
    seed: wished.seed,
    key: { ...callOf().key, id: "cfg_team" as KeyId },
  });
  const plan = planCall(call, sources);
  const noted = noteCall({ ...record(), call, plan, source: undefined, usage: undefined, attempts: [] }, clock, "here");
  // As a store keeps it.
  const kept: DecisionRecord = JSON.parse(JSON.stringify(decisionFrom(noted)));
  return { plan, call, targets, views, record: kept };
}

/** Said once more and apart from the planner: whoever must not be asked, whoever else is out. */
function mustNotBeAsked({ call, views }: Planned, { states }: World, { target: at, cost }: { target: Target; cost: number | undefined }) {
  const { request } = call;
  const { routing } = request;
  const { openUntilMs: _open, coolingUntilMs, lockedUntilMs } = views.get(at.id) ?? healthy;
  const { tools, contextTokens } = at.capabilities;
  const ceiling = routing?.maxCostMicroUsd;
  return (
    (routing !== undefined && routing.allowProviders.length > 0 && !routing.allowProviders.includes(at.provider)) ||
    routing?.denyProviders.includes(at.provider) === true ||
    (ceiling !== undefined && (cost === undefined || cost > Number(ceiling))) ||
    states[providers.indexOf(at.provider)] !== ProviderState.ENABLED ||
    ("tools" in request && request.tools.length > 0 && tools === false) ||
    (contextTokens !== undefined && contextTokens < 4) ||
    coolingUntilMs > 0 ||
    lockedUntilMs > 0
  );
}

const idOf = ({ candidate }: Plan["ranked"][number]): TargetId => candidate.target.id;

/** The same as if nobody had said anything. */
function unsaid(drawn: World): World {
  return { ...drawn, targets: drawn.targets.map((each) => ({ ...each, view: { ...each.view, hearsay: undefined } })) };
}

describe.each(Object.entries(everyPolicy))("under %s", (_name, message) => {
  const forAll = (check: (made: Planned, drawn: World) => void): void =>
    fc.assert(
      fc.property(world, wishes, (drawn, wished) => check(planned(message, drawn, wished), drawn)),
      { numRuns: 300 },
    );

  test("nobody is tried who must not be asked, and everybody is either ranked or excluded with a reason, once", () => {
    forAll((made, drawn) => {
      const { ranked, excluded } = made.plan;
      for (const { candidate } of ranked)
        expect(mustNotBeAsked(made, drawn, { target: candidate.target, cost: candidate.costMicroUsd })).toBe(false);
      for (const { reason } of excluded) expect(reason).not.toBe("");
      const seen = [...ranked.map(idOf), ...excluded.map(({ target: { id } }) => id)];
      expect(new Set(seen).size).toBe(seen.length);
      const { model, routing } = made.call.request;
      const asked = made.targets.filter((each) => model === "auto" || routing?.fallbackModels.length === 1 || each.model === model);
      expect(seen.toSorted()).toEqual(asked.map(({ id }) => id).toSorted());
    });
  });

  test("what other replicas say takes nobody out, moves nobody to another model's group, and a group of one not at all", () => {
    fc.assert(
      fc.property(world, wishes, (drawn, wished) => {
        const heard = planned(message, drawn, wished).plan;
        const deaf = planned(message, unsaid(drawn), wished).plan;
        const idsOf = ({ ranked, excluded }: Plan): unknown => [
          ranked.map(idOf).toSorted(),
          excluded.map(({ target: { id }, reason }) => `${id}: ${reason}`).toSorted(),
        ];
        expect(idsOf(heard)).toEqual(idsOf(deaf));
        expect([heard.insist, heard.arm, heard.shadows]).toEqual([deaf.insist, deaf.arm, deaf.shadows]);
        let at = 0;
        for (const { candidates, isLastResort } of deaf.groups) {
          const members = heard.ranked.slice(at, at + candidates.length);
          at += candidates.length;
          expect(members.map(idOf).toSorted()).toEqual(candidates.map(({ target: { id } }) => id).toSorted());
          const said = members.map(({ candidate }) => candidate.health.hearsay !== undefined);
          // Those of whom something is said come last.
          if (!isLastResort) expect(said).toEqual(said.toSorted((one, other) => Number(one) - Number(other)));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a decision as it is kept makes the same ranking again, group by group", () => {
    const ranker = { policy: createPolicy(withDefaults(message)), find: () => undefined };
    forAll(({ plan, record: kept }) => {
      const again = kept.groups.flatMap((_size, group) => rankAgain(kept, group, ranker));
      expect(again.map(({ candidate, score, terms }) => [candidate.target.id, score, terms])).toEqual(
        plan.ranked.map(({ candidate, score, terms }) => [candidate.target.id, score, terms]),
      );
      const { facts } = kept;
      if (facts === undefined) throw new Error("nothing was planned");
      const { rule, arm, shadows, failedRules } = decidedBy(ranker.policy, facts);
      expect({ rule, arm, shadows, failedRules }).toEqual({
        rule: plan.rule,
        arm: plan.arm,
        shadows: plan.shadows,
        failedRules: plan.failedRules,
      });
    });
  });

  test("a simulation of the policy that decided moves no call", () => {
    const { replay, sum } = createSimulator(createPolicy(withDefaults(message)), () => undefined);
    forAll(({ record: kept }) => replay(kept));
    expect(sum().decisions).toBeGreaterThan(50);
    expect(sum().moved).toBe(0);
  });
});
