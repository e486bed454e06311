import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { MessageSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import { ReasoningEffort, ReasoningSummary } from "../../../src/core/chat.ts";
import { thinkingRules } from "../../../src/core/claude-rules.ts";
import { encode, target } from "./support.ts";

const { NONE, MINIMAL, LOW, MEDIUM, HIGH, XHIGH, MAX } = ReasoningEffort;

const budgeted = (budget_tokens: number) => ({ thinking: { type: "enabled", budget_tokens }, output_config: undefined });
const adaptive = (effort: string) => ({ thinking: { type: "adaptive" }, output_config: { effort } });
const messages = (opaque: { issuer: string; kind: string; value: string }[]): MessageInitShape<typeof MessageSchema>[] => [
  { role: 2, text: "q" },
  {
    role: 3,
    content: [
      { part: { case: "reasoning", value: { text: "Hm.", opaque } } },
      { part: { case: "toolCall", value: { id: "a", name: "f", argumentsJson: "{}" } } },
    ],
  },
  { role: 4, content: [{ part: { case: "toolResult", value: { toolCallId: "a" } } }] },
];

describe("the rules", () => {
  test.each([
    { model: "claude-3-5-haiku-20241022", rules: { modes: "none", structuredOutputs: false } },
    { model: "claude-3-opus-20240229", rules: { modes: "none" } },
    { model: "claude-3-7-sonnet-20250219", rules: { modes: "budget" } },
    { model: "claude-opus-4-20250514", rules: { modes: "budget", structuredOutputs: false } },
    { model: "claude-opus-4-1-20250805", rules: { modes: "budget", structuredOutputs: false } },
    { model: "claude-sonnet-4-5-20250929", rules: { modes: "budget", structuredOutputs: true, sampling: true, prefill: true } },
    { model: "anthropic.claude-haiku-4-5-20251001-v1:0", rules: { modes: "budget", structuredOutputs: true } },
    { model: "claude-opus-4-6", rules: { modes: "both", sampling: true, prefill: false } },
    { model: "claude-sonnet-4-6@20260101", rules: { modes: "both", prefill: true } },
    { model: "claude-opus-4-7", rules: { modes: "adaptive", onByDefault: false, sampling: false } },
    { model: "anthropic/claude-opus-4.8", rules: { modes: "adaptive", onByDefault: false } },
    { model: "claude-sonnet-5", rules: { onByDefault: true, off: "disabled", offNeedsHighAtMost: false } },
    { model: "claude-opus-5", rules: { onByDefault: true, off: "disabled", offNeedsHighAtMost: true } },
    { model: "claude-opus-5-20260701", rules: { off: "disabled", forcedChoice: true } },
    { model: "claude-haiku-5-5", rules: { off: "disabled", offNeedsHighAtMost: true } },
    { model: "claude-sonnet-5-5", rules: { off: "between_tools", forcedChoice: false } },
    { model: "claude-opus-5-5-20261001", rules: { off: undefined, forcedChoice: false } },
    { model: "claude-fable-5-1", rules: { off: undefined, forcedChoice: false } },
    { model: "claude-novel-7", rules: { modes: "adaptive", sampling: false } },
    { model: "glm-4.6", rules: { modes: "budget", sampling: true, structuredOutputs: false } },
  ])("of $model are $rules", ({ model, rules }) => {
    expect(thinkingRules(model)).toMatchObject(rules);
  });
});

describe("effort", () => {
  const nothing = { thinking: undefined, output_config: undefined };
  test.each([
    { model: "claude-sonnet-4-5", effort: NONE, wire: nothing, notes: [] },
    { model: "claude-sonnet-4-5", effort: MINIMAL, wire: budgeted(1024), notes: [] },
    { model: "claude-sonnet-4-5", effort: LOW, wire: budgeted(1024), notes: [] },
    { model: "claude-sonnet-4-5", effort: MEDIUM, wire: budgeted(4096), notes: [] },
    { model: "claude-sonnet-4-5", effort: HIGH, wire: budgeted(16_384), notes: [] },
    { model: "claude-sonnet-4-5", effort: XHIGH, wire: budgeted(32_768), notes: [] },
    { model: "claude-sonnet-4-5", effort: MAX, wire: budgeted(59_904), notes: [] },
    { model: "claude-3-5-haiku-20241022", effort: HIGH, wire: nothing, notes: ["DROPPED reasoning"] },
    { model: "claude-opus-4-6", effort: MINIMAL, wire: adaptive("low"), notes: ["APPROXIMATED reasoning.effort"] },
    { model: "claude-opus-4-6", effort: XHIGH, wire: adaptive("xhigh"), notes: [] },
    { model: "claude-opus-4-8", effort: MAX, wire: adaptive("max"), notes: [] },
    { model: "claude-opus-4-8", effort: NONE, wire: nothing, notes: [] },
    { model: "claude-sonnet-5", effort: NONE, wire: { thinking: { type: "disabled" }, output_config: undefined }, notes: [] },
    {
      model: "claude-sonnet-5-5",
      effort: NONE,
      wire: { thinking: { type: "between_tools" }, output_config: undefined },
      notes: ["APPROXIMATED reasoning.effort"],
    },
    {
      model: "claude-opus-5-5",
      effort: NONE,
      wire: { thinking: undefined, output_config: { effort: "low" } },
      notes: ["APPROXIMATED reasoning.effort"],
    },
  ])("$effort on $model is $wire", ({ model, effort, wire, notes }) => {
    const { body, notes: told } = encode({ reasoning: { effort } }, target(model, { maxOutputTokens: 64_000 }));
    expect({ thinking: body["thinking"], output_config: body["output_config"] }).toEqual(wire);
    expect(told).toEqual(notes);
  });
});

describe("a budget", () => {
  test.each([
    { asked: { budgetTokens: 2000 }, limit: 4096, cap: undefined, budget: 2000, maxTokens: 4096, notes: [] },
    { asked: { budgetTokens: 2000, effort: HIGH }, limit: 4096, cap: undefined, budget: 2000, maxTokens: 4096, notes: [] },
    {
      asked: { budgetTokens: 500 },
      limit: 4096,
      cap: undefined,
      budget: 1024,
      maxTokens: 4096,
      notes: ["CLAMPED reasoning.budget_tokens"],
    },
    {
      asked: { budgetTokens: 5000 },
      limit: 1000,
      cap: undefined,
      budget: 5000,
      maxTokens: 6000,
      notes: ["APPROXIMATED max_output_tokens"],
    },
    { asked: { effort: HIGH }, limit: undefined, cap: undefined, budget: 16_384, maxTokens: 20_480, notes: [] },
    {
      asked: { budgetTokens: 9000 },
      limit: 2000,
      cap: 8000,
      budget: 6000,
      maxTokens: 8000,
      notes: ["CLAMPED reasoning.budget_tokens", "APPROXIMATED max_output_tokens"],
    },
  ])("of $asked within $limit and $cap is $budget of $maxTokens", ({ asked, limit, cap, budget, maxTokens, notes }) => {
    const at = target("claude-sonnet-4-5", cap === undefined ? {} : { maxOutputTokens: cap });
    const encoded = encode({ reasoning: asked, ...(limit !== undefined && { maxOutputTokens: limit }) }, at);
    expect(encoded.body).toMatchObject({ thinking: { type: "enabled", budget_tokens: budget }, max_tokens: maxTokens });
    expect(encoded.notes).toEqual(notes);
  });

  test("that has no room is left out", () => {
    const encoded = encode({ reasoning: { budgetTokens: 2000 } }, target("claude-sonnet-4-5", { maxOutputTokens: 1500 }));
    expect(encoded.body["thinking"]).toBeUndefined();
    expect(encoded.notes).toEqual(["DROPPED reasoning"]);
  });

  test.each([
    { tokens: 1500, effort: "low" },
    { tokens: 3000, effort: "low" },
    { tokens: 8000, effort: "medium" },
    { tokens: 20_000, effort: "high" },
  ])("of $tokens is effort $effort where none is taken", ({ tokens, effort }) => {
    const encoded = encode({ reasoning: { budgetTokens: tokens } }, target("claude-opus-4-7"));
    expect(encoded.body).toMatchObject({ thinking: { type: "adaptive" }, output_config: { effort } });
    expect(encoded.notes).toEqual(["APPROXIMATED reasoning.budget_tokens"]);
  });

  test("of a model that takes both is kept beside the effort", () => {
    expect(encode({ reasoning: { budgetTokens: 2000, effort: LOW } }, target("claude-opus-4-6")).body).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 2000 },
      output_config: { effort: "low" },
    });
  });

  test("is left out in a tool turn that began without signed thinking", () => {
    const bare = encode({ messages: messages([]), reasoning: { effort: LOW } });
    expect(bare.body["thinking"]).toBeUndefined();
    expect(bare.notes).toContain("DROPPED reasoning");
    const signed = encode({ messages: messages([{ issuer: "anthropic", kind: "signature", value: "s" }]), reasoning: { effort: LOW } });
    expect(signed.body["thinking"]).toEqual({ type: "enabled", budget_tokens: 1024 });
  });
});

describe("while the model thinks", () => {
  test("temperature, top_k and a narrow top_p are dropped", () => {
    const encoded = encode({ reasoning: { effort: LOW }, sampling: { temperature: 0.5, topP: 0.5, topK: 2 } });
    expect(encoded.text).not.toMatch(/temperature|top_p|top_k/);
    expect(encoded.notes).toEqual(["DROPPED sampling.temperature", "DROPPED sampling.top_p", "DROPPED sampling.top_k"]);
  });

  test("a wide top_p stays", () => {
    expect(encode({ reasoning: { effort: LOW }, sampling: { topP: 0.97 } }).body["top_p"]).toBe(0.97);
  });
});

describe("a summary", () => {
  test.each([
    {
      model: "claude-opus-4-8",
      effort: HIGH,
      summary: ReasoningSummary.AUTO,
      thinking: { type: "adaptive", display: "summarized" },
      notes: 0,
    },
    {
      model: "claude-opus-4-8",
      effort: HIGH,
      summary: ReasoningSummary.OMITTED,
      thinking: { type: "adaptive", display: "omitted" },
      notes: 0,
    },
    {
      model: "claude-opus-5",
      effort: ReasoningEffort.UNSPECIFIED,
      summary: ReasoningSummary.DETAILED,
      thinking: { type: "adaptive", display: "summarized" },
      notes: 0,
    },
    { model: "claude-opus-4-8", effort: ReasoningEffort.UNSPECIFIED, summary: ReasoningSummary.CONCISE, thinking: undefined, notes: 1 },
  ])("$summary at effort $effort on $model is $thinking", ({ model, effort, summary, thinking, notes }) => {
    const encoded = encode({ reasoning: { effort, summary } }, target(model));
    expect(encoded.body["thinking"]).toEqual(thinking);
    expect(encoded.notes).toHaveLength(notes);
  });
});

test("a model said not to reason is not asked to", () => {
  const encoded = encode({ reasoning: { effort: HIGH } }, target("claude-opus-4-8", { reasoning: false }));
  expect(encoded.body["thinking"]).toBeUndefined();
  expect(encoded.notes).toEqual(["DROPPED reasoning"]);
});
