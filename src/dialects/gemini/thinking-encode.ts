import type { Target } from "../../core/catalog.ts";
import { type Reasoning, ReasoningEffort, ReasoningSummary } from "../../core/chat.ts";
import type { Fields } from "../../core/json-fields.ts";
import type { Notes } from "../../core/notes.ts";
import type { Encoding } from "./encoding.ts";
import type { ThinkingLevel, ThinkingMode } from "./model-rules.ts";

type Budget = Extract<ThinkingMode, { kind: "budget" }>;

/** `thinkingConfig`; undefined: all is left to the model. */
export function encodeThinking(reasoning: Reasoning | undefined, target: Target, { rules, notes }: Encoding): Fields | undefined {
  if (reasoning === undefined) return undefined;
  const { thinking } = rules;
  if (thinking.kind === "none" || target.capabilities.reasoning === false) {
    if (wantsThought(reasoning)) notes.dropped("reasoning", "the model does not think");
    return undefined;
  }
  const config: Fields = {};
  if (thinking.kind === "level") {
    const level = levelOf(reasoning, thinking.levels, notes);
    if (level !== undefined) config["thinkingLevel"] = level;
  } else {
    const budget = budgetOf(reasoning, thinking, notes);
    if (budget !== undefined) config["thinkingBudget"] = budget;
  }
  const shown = isShown(reasoning, notes);
  if (shown !== undefined) config["includeThoughts"] = shown;
  return Object.keys(config).length === 0 ? undefined : config;
}

function wantsThought({ effort, budgetTokens }: Reasoning): boolean {
  return effort > ReasoningEffort.NONE || (effort === ReasoningEffort.UNSPECIFIED && (budgetTokens ?? 0) > 0);
}

function isShown({ summary }: Reasoning, notes: Notes): boolean | undefined {
  if (summary === ReasoningSummary.UNSPECIFIED) return undefined;
  if (summary === ReasoningSummary.CONCISE || summary === ReasoningSummary.DETAILED)
    notes.approximated("reasoning.summary", "gemini has one kind of summary");
  return summary !== ReasoningSummary.OMITTED;
}

/** The word for each effort; undefined: as little as can be. */
const levels: ReadonlyMap<ReasoningEffort, ThinkingLevel | undefined> = new Map([
  [ReasoningEffort.NONE, undefined],
  [ReasoningEffort.MINIMAL, "MINIMAL"],
  [ReasoningEffort.LOW, "LOW"],
  [ReasoningEffort.MEDIUM, "MEDIUM"],
  [ReasoningEffort.HIGH, "HIGH"],
  [ReasoningEffort.XHIGH, "HIGH"],
  [ReasoningEffort.MAX, "HIGH"],
]);

function levelOf(reasoning: Reasoning, taken: readonly ThinkingLevel[], notes: Notes): ThinkingLevel | undefined {
  const { effort, budgetTokens } = reasoning;
  if (effort === ReasoningEffort.UNSPECIFIED && budgetTokens === undefined) return undefined;
  const wished = effort === ReasoningEffort.UNSPECIFIED ? levelOfBudget(budgetTokens ?? 0) : levels.get(effort);
  const level = nearest(wished, taken);
  if (budgetTokens !== undefined) notes.approximated("reasoning.budget_tokens", `the model takes no budget; level ${level} is used`);
  if (wished === undefined) notes.approximated("reasoning.effort", `the model cannot stop thinking; level ${level} is used`);
  else if (level !== wished || effort > ReasoningEffort.HIGH)
    notes.approximated("reasoning.effort", `the model has no such level; ${level} is used`);
  return level;
}

/** A level that the model has: the wished one, else the next above it. */
function nearest(wished: ThinkingLevel | undefined, taken: readonly ThinkingLevel[]): ThinkingLevel {
  const order: readonly ThinkingLevel[] = ["MINIMAL", "LOW", "MEDIUM", "HIGH"];
  const from = wished === undefined ? 0 : order.indexOf(wished);
  return taken.find((level) => order.indexOf(level) >= from) ?? "HIGH";
}

function levelOfBudget(tokens: number): ThinkingLevel | undefined {
  if (tokens === 0) return undefined;
  if (tokens < 5000) return tokens < 2048 ? "MINIMAL" : "LOW";
  return tokens < 10_000 ? "MEDIUM" : "HIGH";
}

const budgets: ReadonlyMap<ReasoningEffort, number> = new Map([
  [ReasoningEffort.NONE, 0],
  [ReasoningEffort.MINIMAL, 512],
  [ReasoningEffort.LOW, 1024],
  [ReasoningEffort.MEDIUM, 4096],
  [ReasoningEffort.HIGH, 16_384],
  [ReasoningEffort.XHIGH, 24_576],
  [ReasoningEffort.MAX, Number.POSITIVE_INFINITY],
]);

function budgetOf(reasoning: Reasoning, { min, max, canStop }: Budget, notes: Notes): number | undefined {
  const { effort, budgetTokens } = reasoning;
  const isOff = effort === ReasoningEffort.NONE;
  const wished = isOff ? 0 : (budgetTokens ?? budgets.get(effort));
  if (wished === undefined) return undefined;
  const least = wished === 0 && canStop ? 0 : min;
  const budget = Math.min(max, Math.max(least, wished));
  if (budget === wished) return budget;
  if (wished === 0) notes.approximated("reasoning.effort", `the model cannot stop thinking; a budget of ${budget} tokens is used`);
  else if (budgetTokens !== undefined) notes.clamped("reasoning.budget_tokens", `the budget is ${budget} tokens`);
  return budget;
}
