import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import type { KeyId } from "../../src/core/call.ts";
import type { Target } from "../../src/core/catalog.ts";
import { BreakerState, type ChatRequestSchema, ProviderState, Role, type Usage, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { HealthView } from "../../src/core/health.ts";
import type { Policy } from "../../src/core/policy.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { createFailover } from "../../src/policies/failover.ts";
import { learnFrom } from "../../src/stages/lessons.ts";
import { planCall, type PlanSources } from "../../src/stages/plan.ts";
import { createAffinity } from "../../src/stores/affinity.ts";
import { createOutputForecasts } from "../../src/stores/output-forecasts.ts";
import { costBased, failover } from "../policies/candidates.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { streamOfOutcome } from "./outcomes.ts";
import { callOf, healthy, snapshotOf, targetOf } from "./support.ts";

/** Of the two shapes that make a request, the plain one. */
type Wishes = Exclude<MessageInitShape<typeof ChatRequestSchema>, { readonly $typeName: string }>;

const prices = { input: 1_000_000, output: 4_000_000, cacheRead: 100_000, cacheWrite: undefined };
const a = targetOf("a/m", { price: prices });
/** A tenth cheaper, with a cache that is worth as much. */
const b = targetOf("b/m", { price: { input: 900_000, output: 3_600_000, cacheRead: 90_000, cacheWrite: undefined } });
const long = [
  { role: Role.SYSTEM, text: "rules ".repeat(1000) },
  { role: Role.USER, text: "first question" },
];

function world(targets: readonly Target[] = [a, b], rank: Policy = createCostBased(costBased())) {
  const clock = createFakeClock();
  clock.advance(1000);
  const views: Record<string, Partial<HealthView>> = {};
  const sources: PlanSources = {
    clock,
    stateOf: () => ProviderState.ENABLED,
    health: {
      view: (id) => ({ ...healthy, ...views[id] }),
      begin: () => ({ answered() {}, end() {} }),
      latencyQuantileMs: () => undefined,
      load: () => 0,
    },
    affinity: createAffinity(clock),
    forecasts: createOutputForecasts(clock),
  };
  const snapshot = { ...snapshotOf(targets), policy: { revision: "r", name: "p", rank } };
  const callFor = (wishes: Wishes, key = "one") =>
    callOf(chatRequest("hi", { model: "m", ...wishes }), { snapshot, key: { ...callOf().key, id: key as KeyId } });
  const plan = (wishes: Wishes, key?: string) => planCall(callFor(wishes, key), sources);
  return {
    clock,
    views,
    plan,
    order: (wishes: Wishes, key?: string) => plan(wishes, key).ranked.map(({ candidate }) => candidate.target.id),
    /** `target` has answered such a call. */
    answered: (target: Target, wishes: Wishes, { usage, error, key }: { usage?: Usage; error?: ChatError; key?: string } = {}): void => {
      const call = callFor(wishes, key);
      const made = planCall(call, sources);
      learnFrom({ call, plan: made, target, stream: streamOfOutcome({ error, usage: usage ?? usageOf(made.inputTokens, 100) }) }, sources);
    },
  };
}

const named: Wishes = { messages: long, routing: { affinityKey: "conversation-7" } };
const ways: readonly { how: string; wishes: Wishes; other: Wishes }[] = [
  { how: "its affinity key", wishes: named, other: { ...named, routing: { affinityKey: "conversation-8" } } },
  { how: "its prompt cache key", wishes: { messages: long, promptCacheKey: "p" }, other: { messages: long, promptCacheKey: "q" } },
  { how: "how it began", wishes: { messages: long }, other: { messages: [{ role: Role.SYSTEM, text: "others ".repeat(1000) }] } },
];

describe("a conversation", () => {
  for (const { how, wishes, other } of ways) {
    test(`is known by ${how}, and stays where its prompt is warm as long as that is cheaper`, () => {
      const { order, answered } = world();
      expect(order(wishes)).toEqual(["b/m", "a/m"]);
      answered(a, wishes);
      expect(order(wishes)).toEqual(["a/m", "b/m"]);
      expect(order({ ...wishes, messages: [...(wishes.messages ?? []), { role: Role.USER, text: "next" }] })).toEqual(["a/m", "b/m"]);
      expect(order(other)).toEqual(["b/m", "a/m"]);
    });
  }

  test("is another one under another key, and of another model", () => {
    const { order, answered } = world();
    answered(a, named);
    expect(order(named, "two")).toEqual(["b/m", "a/m"]);
  });

  test("is forgotten when the vendor's cache is, and renewed by use", () => {
    const { order, answered, clock } = world();
    answered(a, named);
    clock.advance(299_000);
    answered(a, named);
    clock.advance(299_000);
    expect(order(named)).toEqual(["a/m", "b/m"]);
    clock.advance(2000);
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });

  test("is kept for as long as its vendor keeps prompts, and for an hour where that was paid for", () => {
    const marked = { ...prices, cacheWrite: 1_250_000 };
    const kept = targetOf("a/m", { price: marked, promptCache: { keeps: "marked", ttlMs: 300_000 } });
    const wishes: Wishes = {
      messages: [{ role: Role.SYSTEM, content: [{ part: { case: "text", value: { text: "rules ".repeat(1000) } }, cacheControl: {} }] }],
    };
    const { order, answered, clock } = world([kept, b]);
    const written = { ...usageOf(1510, 100), cacheWriteTokens: 1500 };
    answered(kept, wishes, { usage: { ...written, cacheWriteHourTokens: 1500 } });
    clock.advance(3_000_000);
    expect(order(wishes)).toEqual(["a/m", "b/m"]);
    answered(kept, wishes, { usage: { ...usageOf(1510, 100), cacheReadTokens: 1500 } });
    clock.advance(3_500_000);
    expect(order(wishes)).toEqual(["a/m", "b/m"]);
    clock.advance(200_000);
    expect(order(wishes)).toEqual(["b/m", "a/m"]);
  });

  test("is held by whoever answered last", () => {
    const { order, answered } = world();
    answered(a, named);
    answered(b, named);
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });

  test("is held by nobody who broke off", () => {
    const { order, answered } = world();
    answered(a, named, { error: new ChatError("STREAM_INTERRUPTED", "it broke off") });
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });

  for (const [why, view] of [
    ["its breaker is open", { openUntilMs: 9000, breaker: BreakerState.OPEN }],
    ["it is cooling down", { coolingUntilMs: 9000 }],
    ["its credential is out", { lockedUntilMs: 9000 }],
  ] as const) {
    test(`does not go to its holder while ${why}`, () => {
      const { plan, answered, views } = world([a, b, targetOf("c/m", { price: b.price })]);
      answered(a, named);
      views["a/m"] = view;
      const { ranked, excluded } = plan(named);
      expect(ranked.map(({ candidate }) => candidate.target.id)).toEqual(["b/m", "c/m"]);
      expect(excluded.map(({ target }) => target.id)).toEqual(["a/m"]);
    });
  }

  test("is not counted on where the vendor kept nothing", () => {
    const { order, answered } = world();
    answered(a, named);
    answered(a, named, { usage: { ...usageOf(1510, 100), cacheReadTokens: 0 } });
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });

  test("of a prompt too short for any cache is none, unless the caller names it", () => {
    const { plan, answered } = world();
    const short = { messages: [{ role: Role.USER, text: "hello" }] };
    answered(a, short);
    expect(plan(short)).toMatchObject({ conversation: undefined });
    expect(plan({ ...short, promptCacheKey: "x" }).conversation?.named).toBe(true);
  });

  test("is remembered without a word of it", () => {
    const { plan } = world();
    const id = plan({ messages: long, promptCacheKey: "secret-name" }).conversation?.id ?? "";
    expect(id).toMatch(/^one p [0-9a-z]{1,12}$/);
    expect(plan({ messages: long }).conversation?.id).toMatch(/^one d [0-9a-z]{1,12}$/);
  });
});

describe("a named conversation", () => {
  const asGiven: Policy = (_facts, candidates) => ({
    order: candidates.map((candidate) => ({ candidate, score: 0, terms: [], remark: "" })),
    rule: "",
  });

  test("comes first at its holder under a policy that has no word on it, with the reason", () => {
    const { plan, answered } = world([a, b], asGiven);
    answered(b, named);
    const [first, second] = plan(named).ranked;
    expect([first?.candidate.target.id, first?.remark]).toEqual([
      "b/m",
      expect.stringMatching(/^holds about \d+ tokens of this conversation$/),
    ]);
    expect([second?.candidate.target.id, second?.remark]).toEqual(["a/m", ""]);
  });

  test("that only began alike does not move such a policy's order", () => {
    const { plan, answered } = world([a, b], asGiven);
    answered(b, { messages: long });
    expect(plan({ messages: long }).ranked.map(({ candidate }) => candidate.target.id)).toEqual(["a/m", "b/m"]);
  });

  test("does not change the order of failover, which is the operator's word", () => {
    const { order, answered } = world([a, b], createFailover(failover("a", ["b"])));
    answered(b, named);
    expect(order(named)).toEqual(["a/m", "b/m"]);
  });

  test("stays under cost_based where nobody is cheaper, though another is quicker, and goes where its holder fails", () => {
    const flat = { ...prices, cacheRead: undefined };
    const twins = [targetOf("a/m", { price: flat }), targetOf("b/m", { price: flat })] as const;
    const { order, answered, views } = world(twins);
    views["a/m"] = { firstTokenMs: 900 };
    views["b/m"] = { firstTokenMs: 100 };
    expect(order(named)).toEqual(["b/m", "a/m"]);
    answered(twins[0], named);
    expect(order(named)).toEqual(["a/m", "b/m"]);
    views["a/m"] = { firstTokenMs: 900, successRatio: 0.5 };
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });

  test("does not keep an unpriced holder from coming last", () => {
    const { order, answered } = world([targetOf("a/m"), b]);
    answered(targetOf("a/m"), named);
    expect(order(named)).toEqual(["b/m", "a/m"]);
  });
});
