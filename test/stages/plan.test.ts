import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import type { Call, Key } from "../../src/core/call.ts";
import type { Target, TargetId } from "../../src/core/catalog.ts";
import {
  type ChatRequestSchema,
  dropped,
  type ModelCapabilities,
  note,
  ProviderState,
  Role,
  TranslationAction,
  UnsupportedFieldPolicy,
} from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { HealthView } from "../../src/core/health.ts";
import type { Provider } from "../../src/core/provider.ts";
import { noTarget, planCall, type PlanSources } from "../../src/stages/plan.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, healthy, snapshotOf, targetOf } from "./support.ts";

const { DISABLED, DRAINING, ENABLED } = ProviderState;
type Wishes = MessageInitShape<typeof ChatRequestSchema>;

interface Scene {
  readonly targets?: readonly Target[];
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  readonly request?: Wishes;
  readonly call?: Partial<Call>;
  readonly views?: Readonly<Record<string, Partial<HealthView>>>;
  readonly states?: Readonly<Record<string, ProviderState>>;
  readonly providers?: Readonly<Record<string, Provider>>;
}

function scene({ targets = [targetOf("a/m"), targetOf("b/m")], aliases = {}, request = {}, call = {}, views, states, providers }: Scene) {
  const clock = createFakeClock();
  clock.advance(1000);
  const sources: PlanSources = {
    clock,
    stateOf: (provider) => states?.[provider] ?? ENABLED,
    health: {
      view: (id) => ({ ...healthy, ...views?.[id] }),
      begin: () => ({ answered() {}, end() {} }),
      load: () => 0,
      latencyQuantileMs: () => undefined,
    },
  };
  const snapshot = { ...snapshotOf(targets, aliases), providers: new Map(Object.entries(providers ?? {})) };
  return { call: callOf(chatRequest("hello", { model: "m", ...request }), { snapshot, ...call }), sources };
}

function planned(init: Scene) {
  const { call, sources } = scene(init);
  const plan = planCall(call, sources);
  return {
    plan,
    ranked: plan.ranked.map(({ candidate }) => candidate.target.id),
    excluded: Object.fromEntries(plan.excluded.map(({ target, reason }) => [target.id, reason])),
    error: noTarget(plan, call),
  };
}

const can = (more: Partial<ModelCapabilities>): Partial<Target> => ({
  capabilities: { $typeName: "semaroute.v1.ModelCapabilities", ...more },
});
const keyOf = (models: readonly string[] | undefined): Key => ({ ...callOf().key, models: models && new Set(models) });
const media = { media: { source: { case: "data" as const, value: new Uint8Array(1) }, mimeType: "x/y" } };
const contentOf = (part: NonNullable<Wishes["messages"]>[number]): Wishes => ({ messages: [part] });
/** A provider whose translation drops what is named. */
const dropping = (...fields: string[]): Provider => ({
  name: "b",
  chat: () => {
    throw new Error("nobody is called");
  },
  translator: { notes: () => [note("n", TranslationAction.CLAMPED, "x"), ...fields.map((field) => dropped(field, "x"))] },
});

const budgeted: Key = {
  ...keyOf(undefined),
  limits: { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 1, budgetPeriod: "day" },
};

describe("why a target is out", () => {
  const price = { input: 1_000_000, output: 1_000_000, cacheRead: undefined, cacheWrite: undefined };
  const require = { unsupportedFields: UnsupportedFieldPolicy.REQUIRE };
  for (const { reason, ...init } of [
    { reason: "not in allow_providers", request: { routing: { allowProviders: ["a"] } } },
    { reason: "in deny_providers", request: { routing: { denyProviders: ["b"] } } },
    {
      reason: "unpriced, and the call has a ceiling on its cost",
      targets: [targetOf("a/m", { price }), targetOf("b/m")],
      request: { routing: { maxCostMicroUsd: 1_000_000n } },
    },
    {
      reason: "expected to cost more than max_cost_micro_usd",
      targets: [targetOf("a/m", { price: { ...price, input: 0, output: 0 } }), targetOf("b/m", { price })],
      request: { routing: { maxCostMicroUsd: 100n } },
    },
    { reason: "unpriced, and the key has a budget", targets: [targetOf("a/m", { price }), targetOf("b/m")], call: { key: budgeted } },
    { reason: "provider disabled", states: { b: DISABLED } },
    { reason: "provider draining", states: { b: DRAINING } },
    { reason: "breaker open", views: { "b/m": { openUntilMs: 4000 } } },
    { reason: "cooling down", views: { "b/m": { coolingUntilMs: 4000 } } },
    { reason: "the model cannot do stream", targets: [targetOf("a/m"), targetOf("b/m", can({ streaming: false }))] },
    {
      reason: "the model cannot do tools",
      targets: [targetOf("a/m", can({ tools: true })), targetOf("b/m", can({ tools: false }))],
      request: { tools: [{ kind: { case: "function", value: { name: "f" } } }] },
    },
    {
      reason: "the model cannot do output_format",
      targets: [targetOf("a/m"), targetOf("b/m", can({ jsonSchema: false }))],
      request: { outputFormat: { format: { case: "jsonSchema", value: { name: "s", jsonSchema: "{}" } } } },
    },
    {
      reason: "about 11 tokens do not fit its context of 10",
      targets: [targetOf("a/m", can({ contextTokens: 11 })), targetOf("b/m", can({ contextTokens: 10 }))],
      request: { messages: [{ role: Role.USER, text: "x".repeat(16) }] },
    },
    ...(["image", "audio", "document", "video"] as const).map((kind) => ({
      reason: `the model cannot do ${kind}`,
      targets: [targetOf("a/m"), targetOf("b/m", can({ [`${kind}Input`]: false }))],
      request: contentOf({ role: Role.USER, content: [{ part: { case: kind, value: media } }] }),
    })),
    {
      reason: "the model cannot do image",
      targets: [targetOf("a/m"), targetOf("b/m", can({ imageInput: false }))],
      request: contentOf({
        role: Role.TOOL,
        content: [
          { part: { case: "toolResult", value: { toolCallId: "1", content: [{ part: { case: "image" as const, value: media } }] } } },
        ],
      }),
    },
    { reason: "cannot honour sampling.top_k", request: { routing: require }, providers: { a: dropping(), b: dropping("sampling.top_k") } },
  ] satisfies (Scene & { reason: string })[]) {
    test(reason, () => {
      const { ranked, excluded } = planned(init);
      expect([ranked, excluded]).toEqual([["a/m"], { "b/m": reason }]);
    });
  }

  test("what cannot be translated at all counts as dropped", () => {
    const refuses: Provider = {
      ...dropping(),
      translator: {
        notes: () => {
          throw new ChatError("UNSUPPORTED_FEATURE", "no such thing", { field: "tools[0]" });
        },
      },
    };
    expect(planned({ request: { routing: require }, providers: { b: refuses } }).excluded).toEqual({ "b/m": "cannot honour tools[0]" });
  });

  for (const [wished, configured, out] of [
    ["UNSPECIFIED", "drop", false],
    ["UNSPECIFIED", "require", true],
    ["DROP", "require", false],
    ["REQUIRE", "drop", true],
  ] as const) {
    test(`unsupported fields: wish ${wished}, configured ${configured}: ${out ? "out" : "in"}`, () => {
      const request: Wishes = { routing: { unsupportedFields: UnsupportedFieldPolicy[wished] } };
      const { call, sources } = scene({ request, providers: { b: dropping("seed") } });
      const { options } = call.snapshot;
      const plan = planCall({ ...call, snapshot: { ...call.snapshot, options: { ...options, unsupportedFields: configured } } }, sources);
      expect(plan.excluded.map(({ target }) => target.id)).toEqual(out ? ["b/m"] : []);
    });
  }

  test("what is not known is tried", () => {
    const request: Wishes = { tools: [{ kind: { case: "function", value: { name: "f" } } }] };
    expect(planned({ request }).ranked).toEqual(["a/m", "b/m"]);
  });
});

describe("names", () => {
  const targets = ["a/m", "b/m", "a/n", "b/o"].map((id) => targetOf(id));
  for (const { what, model, fallbackModels = [], models, ranked } of [
    { what: "a bare model id is all its targets", model: "m", ranked: ["a/m", "b/m"] },
    { what: "provider/model is one", model: "b/m", ranked: ["b/m"] },
    { what: "an alias is its targets", model: "fast", ranked: ["b/o", "a/m"] },
    { what: "auto is all", model: "auto", ranked: ["a/m", "a/n", "b/m", "b/o"] },
    { what: "any name at a provider", model: "a/brand/new", ranked: ["a/brand/new"] },
    {
      what: "fallback models come after, in their order",
      model: "a/n",
      fallbackModels: ["b/o", "m"],
      ranked: ["a/n", "b/o", "a/m", "b/m"],
    },
    {
      what: "each target once, at its first place",
      model: "b/m",
      fallbackModels: ["m", "fast", "auto"],
      ranked: ["b/m", "a/m", "b/o", "a/n"],
    },
    { what: "a key's list bounds auto", model: "auto", models: ["n", "b/m"], ranked: ["a/n", "b/m"] },
    { what: "an alias in the list grants all its targets", model: "fast", models: ["fast"], ranked: ["b/o", "a/m"] },
    { what: "a model in the list", model: "m", models: ["m"], ranked: ["a/m", "b/m"] },
    { what: "a model in the list, at one provider", model: "a/m", models: ["m"], ranked: ["a/m"] },
  ]) {
    test(what, () => {
      const request: Wishes = { model, routing: { fallbackModels } };
      expect(planned({ targets, aliases: { fast: ["b/o", "a/m"] }, request, call: { key: keyOf(models) } }).ranked).toEqual(ranked);
    });
  }

  for (const { what, model, fallbackModels = [], models, failure, field } of [
    { what: "an unknown name", model: "zzz", failure: "MODEL_NOT_FOUND", field: "model" },
    {
      what: "an unknown fallback",
      model: "m",
      fallbackModels: ["n", "zzz"],
      failure: "MODEL_NOT_FOUND",
      field: "routing.fallback_models[1]",
    },
    { what: "a model for something else", model: "embed", failure: "MODEL_NOT_FOUND", field: "model" },
    {
      what: "auto, with nothing of the call's kind in the key's list,",
      model: "auto",
      models: ["embed"],
      failure: "MODEL_NOT_FOUND",
      field: "model",
    },
    { what: "a name outside the list", model: "n", models: ["m"], failure: "CALLER_FORBIDDEN", field: "model" },
    { what: "an unknown name outside the list, which is not told to be unknown", model: "zzz", models: ["m"], failure: "CALLER_FORBIDDEN" },
    { what: "a fallback outside the list", model: "m", fallbackModels: ["n"], models: ["m"], failure: "CALLER_FORBIDDEN" },
  ]) {
    test(`${what} is ${failure}`, () => {
      const request: Wishes = { model, routing: { fallbackModels } };
      const all = [...targets, targetOf("a/embed", { kind: "embedding" })];
      const { call, sources } = scene({ targets: all, request, call: { key: keyOf(models) } });
      expect(() => planCall(call, sources)).toThrow(expect.objectContaining({ failure, ...(field !== undefined && { field }) }));
    });
  }
});

test("auto waits where no provider has told of any model yet", () => {
  const { ranked, error } = planned({ targets: [], request: { model: "auto" } });
  expect([ranked, error.failure]).toEqual([[], "NO_TARGET"]);
});

describe("when no target is left", () => {
  const cooling = (id: string, until: number) => ({ [id]: { coolingUntilMs: until } });
  const small = can({ contextTokens: 1 });
  const deaf = can({ streaming: false });
  for (const { what, failure, retryAfterMs, ...init } of [
    {
      what: "all barred: after the first bar ends",
      views: { ...cooling("a/m", 9000), ...cooling("b/m", 1250) },
      failure: "NO_TARGET",
      retryAfterMs: 250,
    },
    { what: "all switched off", states: { a: DISABLED, b: DRAINING }, failure: "NO_TARGET", retryAfterMs: 1000 },
    {
      what: "one too small, one barred: waiting may help",
      targets: [targetOf("a/m", small), targetOf("b/m")],
      views: cooling("b/m", 3000),
      failure: "NO_TARGET",
      retryAfterMs: 2000,
    },
    { what: "all too small", targets: [targetOf("a/m", small), targetOf("b/m", small)], failure: "CONTEXT_LENGTH_EXCEEDED" },
    { what: "one too small, one unable", targets: [targetOf("a/m", small), targetOf("b/m", deaf)], failure: "CONTEXT_LENGTH_EXCEEDED" },
    { what: "all unable", targets: [targetOf("a/m", deaf)], failure: "UNSUPPORTED_FEATURE" },
    {
      what: "one unable, one denied",
      targets: [targetOf("a/m", deaf), targetOf("b/m")],
      request: { routing: { denyProviders: ["b"] } },
      failure: "UNSUPPORTED_FEATURE",
    },
    { what: "all unpriced, for a key with a budget", call: { key: budgeted }, failure: "INVALID_REQUEST" },
    {
      what: "one unpriced, for a key with a budget, one barred",
      targets: [targetOf("a/m"), targetOf("b/m", { price: { input: 1, output: 1, cacheRead: undefined, cacheWrite: undefined } })],
      call: { key: budgeted },
      views: cooling("b/m", 3000),
      failure: "NO_TARGET",
      retryAfterMs: 2000,
    },
    { what: "all denied", request: { routing: { denyProviders: ["a", "b"] } }, failure: "NO_TARGET", retryAfterMs: 1000 },
  ] satisfies (Scene & { what: string; failure: string; retryAfterMs?: number })[]) {
    test(`${what}: ${failure}`, () => {
      const { ranked, error } = planned(init);
      expect(ranked).toEqual([]);
      expect(error).toMatchObject({ failure, ...(retryAfterMs !== undefined && { retryAfterMs }) });
      expect(error.message).toMatch(/^no target can serve "m": a\/m: /);
    });
  }

  test("the text names eight targets at most, and no prompt", () => {
    const targets = Array.from({ length: 20 }, (_, i) => targetOf(`p${i}/m`, deaf));
    const { error } = planned({ targets, request: { messages: [{ role: Role.USER, text: "a secret" }] } });
    expect(error.message.match(/p\d+\/m/g)).toHaveLength(8);
    expect(error.message).not.toContain("secret");
  });
});

test("the policy sees the facts and the candidates' cost, and no prompt", () => {
  const seen: unknown[] = [];
  const price = { input: 2_000_000, output: 10_000_000, cacheRead: undefined, cacheWrite: undefined };
  const targets = [targetOf("a/m", { price, ...can({ maxOutputTokens: 100 }) }), targetOf("b/m")];
  const { call, sources } = scene({ targets, request: { maxOutputTokens: 200, n: 2 }, call: { seed: 9, streamed: false } });
  const plan = planCall(call, sources, (facts, candidates) => {
    seen.push(facts, ...candidates.map(({ target, costMicroUsd }) => [target.id satisfies TargetId, costMicroUsd]));
    return { order: [], rule: "none" };
  });
  expect(seen).toEqual([
    {
      model: "m",
      inputTokens: 9,
      streamed: false,
      hasTools: false,
      hasImages: false,
      hour: expect.any(Number),
      key: { id: call.key.id, name: call.key.name },
      tags: {},
      affinityKey: "",
      endUserId: "",
      nowMs: 1000,
      seed: 9,
    },
    ["a/m", 9 * 2 + 200 * 10],
    ["b/m", undefined],
  ]);
  expect(plan).toMatchObject({ ranked: [], excluded: [], rule: "none", inputTokens: 9 });
});

describe("an open tool loop", () => {
  const opaque = (issuer: string) => [{ issuer, kind: "signature", value: "sealed" }];
  const asks = { role: Role.USER, text: "q" };
  const calls = (...issuers: string[]) => ({
    role: Role.ASSISTANT,
    content: [
      ...issuers.map((issuer) => ({ part: { case: "reasoning" as const, value: { opaque: opaque(issuer) } } })),
      { part: { case: "toolCall" as const, value: { id: "a", name: "f" } } },
    ],
  });
  const result = { part: { case: "toolResult" as const, value: { toolCallId: "a" } } };
  const results = { role: Role.TOOL, content: [result] };
  const targets = [targetOf("a/m", { issuer: "one" }), targetOf("b/m", { issuer: "two" }), targetOf("c/m", { issuer: "two" })];
  const order = (messages: Wishes["messages"], more: Partial<Scene> = {}) =>
    planned({ targets, request: { messages: messages ?? [] }, ...more }).ranked;

  test.each([
    { what: "goes on at its issuer's targets, in the policy's order", messages: [asks, calls("two"), results], is: "b/m c/m a/m" },
    { what: "is open over several turns", messages: [asks, calls("two"), results, calls(), results], is: "b/m c/m a/m" },
    { what: "is the latest issuer's of several", messages: [asks, calls("two"), results, calls("one"), results], is: "a/m b/m c/m" },
    { what: "may be told by the user's role", messages: [asks, calls("two"), { role: Role.USER, content: [result] }], is: "b/m c/m a/m" },
    { what: "without sealed state goes anywhere", messages: [asks, calls(), results], is: "a/m b/m c/m" },
    { what: "is over once the user speaks", messages: [asks, calls("two"), results, calls(), asks], is: "a/m b/m c/m" },
    { what: "is another one behind the user's words", messages: [asks, calls("two"), results, asks, calls(), results], is: "a/m b/m c/m" },
    { what: "of an issuer that nobody is goes anywhere", messages: [asks, calls("three"), results], is: "a/m b/m c/m" },
  ])("$what", ({ messages, is }) => {
    expect(order(messages).join(" ")).toBe(is);
  });

  test("may be kept by a signature on the call alone", () => {
    const call = { part: { case: "toolCall" as const, value: { id: "a", name: "f" } }, opaque: opaque("two") };
    expect(order([asks, { role: Role.ASSISTANT, content: [call] }, results])[0]).toBe("b/m");
  });

  test("goes elsewhere where none of its issuer is usable", () => {
    const views = { "b/m": { coolingUntilMs: 9000 }, "c/m": { lockedUntilMs: 9000 } };
    expect(order([asks, calls("two"), results], { views })).toEqual(["a/m"]);
    expect(
      order([asks, calls("two"), results], {
        request: { messages: [asks, calls("two"), results], routing: { denyProviders: ["b", "c"] } },
      }),
    ).toEqual(["a/m"]);
  });

  test("comes before a fallback model, and stays before the model's own", () => {
    const offered = { targets: [targetOf("a/m", { issuer: "one" }), targetOf("b/n", { issuer: "two" })] };
    const request = { messages: [asks, calls("two"), results], routing: { fallbackModels: ["n"] } };
    expect(planned({ ...offered, request }).ranked).toEqual(["b/n", "a/m"]);
  });

  test("tells why it moved them", () => {
    const remarks = planned({ targets, request: { messages: [asks, calls("two"), results] } }).plan.ranked.map(({ remark }) => remark);
    expect(remarks).toEqual(["reads the open tool loop's two tokens", "reads the open tool loop's two tokens", ""]);
  });
});
