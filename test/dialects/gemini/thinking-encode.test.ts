import { describe, expect, test } from "vitest";
import { ReasoningEffort, ReasoningSummary } from "../../../src/core/chat.ts";
import { encode, type RequestInit } from "./support.ts";

function thinking(reasoning: RequestInit["reasoning"], model: string, capabilities = {}): unknown {
  const { body, notes } = encode({ ...(reasoning !== undefined && { reasoning }) }, model, capabilities);
  return [body["generationConfig"], notes];
}
const config = (thinkingConfig: Record<string, unknown>) => ({ thinkingConfig });
const effort = "APPROXIMATED reasoning.effort";

describe("an effort", () => {
  const { NONE, MINIMAL, LOW, MEDIUM, HIGH, XHIGH, MAX } = ReasoningEffort;
  test.each<{ model: string; rows: readonly (readonly [effort: ReasoningEffort, sent: number | string, ...notes: string[]])[] }>([
    {
      model: "gemini-3-flash-preview",
      rows: [
        [NONE, "MINIMAL", effort],
        [MINIMAL, "MINIMAL"],
        [LOW, "LOW"],
        [MEDIUM, "MEDIUM"],
        [HIGH, "HIGH"],
        [XHIGH, "HIGH", effort],
        [MAX, "HIGH", effort],
      ],
    },
    {
      model: "gemini-3.5-flash-lite",
      rows: [
        [NONE, "MINIMAL", effort],
        [MEDIUM, "MEDIUM"],
      ],
    },
    { model: "gemini-3.6-flash", rows: [[MINIMAL, "MINIMAL"]] },
    {
      model: "gemini-3.8-flash",
      rows: [
        [NONE, "LOW", effort],
        [MINIMAL, "LOW", effort],
        [LOW, "LOW"],
      ],
    },
    {
      model: "gemini-flash-latest",
      rows: [
        [MINIMAL, "LOW", effort],
        [HIGH, "HIGH"],
      ],
    },
    {
      model: "gemini-3.1-pro-preview",
      rows: [
        [MINIMAL, "LOW", effort],
        [MEDIUM, "MEDIUM"],
      ],
    },
    {
      model: "gemini-3-pro-preview",
      rows: [
        [NONE, "LOW", effort],
        [LOW, "LOW"],
        [MEDIUM, "HIGH", effort],
        [HIGH, "HIGH"],
      ],
    },
    {
      model: "gemini-2.5-flash",
      rows: [
        [NONE, 0],
        [MINIMAL, 512],
        [LOW, 1024],
        [MEDIUM, 4096],
        [HIGH, 16_384],
        [XHIGH, 24_576],
        [MAX, 24_576],
      ],
    },
    {
      model: "gemini-2.5-flash-lite-preview",
      rows: [
        [NONE, 0],
        [MINIMAL, 512],
      ],
    },
    {
      model: "gemini-2.5-pro",
      rows: [
        [NONE, 128, effort],
        [MINIMAL, 512],
        [XHIGH, 24_576],
        [MAX, 32_768],
      ],
    },
    { model: "models/gemini-2.5-pro", rows: [[LOW, 1024]] },
  ])("at $model", ({ model, rows }) => {
    for (const [wished, sent, ...notes] of rows)
      expect(thinking({ effort: wished }, model)).toEqual([
        config(typeof sent === "number" ? { thinkingBudget: sent } : { thinkingLevel: sent }),
        notes,
      ]);
  });
});

describe("a budget", () => {
  test.each([
    { model: "gemini-2.5-flash", budgetTokens: 2000, sent: { thinkingBudget: 2000 }, notes: [] },
    { model: "gemini-2.5-flash", budgetTokens: 0, sent: { thinkingBudget: 0 }, notes: [] },
    { model: "gemini-2.5-flash", budgetTokens: 99_999, sent: { thinkingBudget: 24_576 }, notes: ["CLAMPED reasoning.budget_tokens"] },
    { model: "gemini-2.5-flash-lite", budgetTokens: 5, sent: { thinkingBudget: 512 }, notes: ["CLAMPED reasoning.budget_tokens"] },
    { model: "gemini-2.5-pro", budgetTokens: 0, sent: { thinkingBudget: 128 }, notes: [effort] },
    {
      model: "gemini-3-flash-preview",
      budgetTokens: 0,
      sent: { thinkingLevel: "MINIMAL" },
      notes: ["APPROXIMATED reasoning.budget_tokens", effort],
    },
    {
      model: "gemini-3-flash-preview",
      budgetTokens: 1000,
      sent: { thinkingLevel: "MINIMAL" },
      notes: ["APPROXIMATED reasoning.budget_tokens"],
    },
    {
      model: "gemini-3-flash-preview",
      budgetTokens: 4000,
      sent: { thinkingLevel: "LOW" },
      notes: ["APPROXIMATED reasoning.budget_tokens"],
    },
    {
      model: "gemini-3-flash-preview",
      budgetTokens: 9000,
      sent: { thinkingLevel: "MEDIUM" },
      notes: ["APPROXIMATED reasoning.budget_tokens"],
    },
    {
      model: "gemini-3-flash-preview",
      budgetTokens: 20_000,
      sent: { thinkingLevel: "HIGH" },
      notes: ["APPROXIMATED reasoning.budget_tokens"],
    },
  ])("of $budgetTokens at $model", ({ model, budgetTokens, sent, notes }) => {
    expect(thinking({ budgetTokens }, model)).toEqual([config(sent), notes]);
  });

  test("wins over an effort where budgets are taken, and loses where not", () => {
    const reasoning = { effort: ReasoningEffort.HIGH, budgetTokens: 2000 };
    expect(thinking(reasoning, "gemini-2.5-flash")).toEqual([config({ thinkingBudget: 2000 }), []]);
    expect(thinking(reasoning, "gemini-3-flash-preview")).toEqual([
      config({ thinkingLevel: "HIGH" }),
      ["APPROXIMATED reasoning.budget_tokens"],
    ]);
  });
});

test("thoughts are shown where they are asked for", () => {
  const { OMITTED, AUTO, DETAILED } = ReasoningSummary;
  expect(thinking({ summary: AUTO }, "gemini-2.5-flash")).toEqual([config({ includeThoughts: true }), []]);
  expect(thinking({ summary: OMITTED }, "gemini-2.5-flash")).toEqual([config({ includeThoughts: false }), []]);
  expect(thinking({ summary: DETAILED, effort: ReasoningEffort.LOW }, "gemini-3-flash-preview")).toEqual([
    config({ thinkingLevel: "LOW", includeThoughts: true }),
    ["APPROXIMATED reasoning.summary"],
  ]);
});

test("what is not asked for is left to the model", () => {
  expect(thinking(undefined, "gemini-2.5-flash")).toEqual([undefined, []]);
  expect(thinking({}, "gemini-3-flash-preview")).toEqual([undefined, []]);
});

test("models that do not think lose the wish with a note, and are content not to be asked", () => {
  const dropped = [undefined, ["DROPPED reasoning"]];
  expect(thinking({ effort: ReasoningEffort.LOW }, "gemini-2.0-flash")).toEqual(dropped);
  expect(thinking({ budgetTokens: 5 }, "gemini-2.5-flash-image")).toEqual(dropped);
  expect(thinking({ effort: ReasoningEffort.LOW }, "gemini-2.5-flash", { reasoning: false })).toEqual(dropped);
  expect(thinking({ effort: ReasoningEffort.NONE }, "gemini-2.0-flash")).toEqual([undefined, []]);
});
