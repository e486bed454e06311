import type { Target } from "./catalog.ts";
import { type Reasoning, ReasoningEffort, ReasoningSummary } from "./chat.ts";
import { ChatError } from "./error.ts";
import type { Fields } from "./json-fields.ts";
import type { Notes } from "./notes.ts";
import type { ThinkingRules } from "./claude-rules.ts";

/** How a caller asks for thinking in Anthropic's own words. */
export interface ThinkingWords {
  /** The body's `thinking`. */
  readonly thinking: Fields | undefined;
  /** `output_config.effort`. */
  readonly effort: string | undefined;
}

/** What thinking comes to in one request. */
export interface Thinking {
  /** The body's `thinking`; undefined: left to the model. */
  readonly field: Fields | undefined;
  /** Word for `output_config.effort`. */
  readonly effort: string | undefined;
  /** `max_tokens`, which holds the thinking as well. */
  readonly maxTokens: number;
  /** Whether the model will think. */
  readonly on: boolean;
}

/** What decides about it. */
export interface ThinkingContext {
  readonly target: Target;
  readonly rules: ThinkingRules;
  /** The limit so far; `asked`: the caller's own. */
  readonly limit: { readonly tokens: number; readonly asked: boolean };
  /** A tool call is forced, which excludes thinking. */
  readonly forced: boolean;
  /** The conversation stands in a tool turn that began without signed thinking, which a budget would demand. */
  readonly bareToolTurn: boolean;
  readonly notes: Notes;
  /** The wish as the caller said it in Anthropic's own words; undefined: it said it otherwise. */
  readonly words?: ThinkingWords | undefined;
}

/** Turns the wish into what the model's family takes: the caller's own words where it takes those. */
export function encodeThinking(reasoning: Reasoning | undefined, context: ThinkingContext): Thinking {
  const { rules, forced, words } = context;
  if (forced && !rules.forcedChoice)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model's tool calls cannot be forced", { field: "tool_choice" });
  const said = words === undefined ? undefined : asSaid(words, context);
  if (said !== undefined) return said;
  // Who asks for adaptive thinking and nothing more asks for Anthropic's own default.
  const adapts = words?.thinking?.["type"] === "adaptive" && rules.modes === "budget" && wishOf(reasoning) === "default";
  return fromNeutral(adapts && reasoning !== undefined ? { ...reasoning, effort: ReasoningEffort.HIGH } : reasoning, context);
}

function fromNeutral(reasoning: Reasoning | undefined, context: ThinkingContext): Thinking {
  const { rules, notes, forced } = context;
  const wish = wishOf(reasoning);
  if (rules.modes === "none" || context.target.capabilities.reasoning === false) {
    if (wish === "on") notes.dropped("reasoning", "the model does not think");
    return left(context);
  }
  if (wish === "off") return off(reasoning, context);
  if (forced && (wish === "on" || rules.onByDefault)) {
    notes.dropped("reasoning", "thinking is off, because the tool choice is forced");
    return off(reasoning, context);
  }
  if (reasoning === undefined || wish === "default") return byDefault(reasoning, context);
  const budget = reasoning.budgetTokens;
  if (rules.modes === "budget" || (rules.modes === "both" && budget !== undefined)) return withBudget(reasoning, context);
  return adaptive(reasoning, context);
}

/** The words as they are; undefined where the model's family would refuse them, or would not think the same. */
function asSaid({ thinking, effort }: ThinkingWords, context: ThinkingContext): Thinking | undefined {
  const { rules, forced, notes } = context;
  if (rules.modes === "none" || context.target.capabilities.reasoning === false) return undefined;
  if (!takes(thinking, effort, context)) return undefined;
  const type = thinking?.["type"];
  const on = thinking === undefined ? rules.onByDefault : type !== "disabled";
  if (forced && on) return undefined;
  if (effort !== undefined && !rules.effort) notes.dropped("reasoning.effort", "the model takes no effort");
  return { ...left(context), field: thinking, effort: rules.effort ? effort : undefined, on };
}

function takes(thinking: Fields | undefined, effort: string | undefined, { rules, limit, bareToolTurn }: ThinkingContext): boolean {
  switch (thinking?.["type"]) {
    case "adaptive":
      return rules.modes === "adaptive" || rules.modes === "both";
    case "enabled": {
      const budget = thinking["budget_tokens"];
      return rules.modes !== "adaptive" && !bareToolTurn && typeof budget === "number" && budget < limit.tokens;
    }
    case "disabled":
      if (rules.offNeedsHighAtMost && (effort === "xhigh" || effort === "max")) return false;
      return !rules.onByDefault || rules.off === "disabled";
    case "between_tools":
      return rules.off === "between_tools";
    default:
      // No word, or one that is younger than this code.
      return true;
  }
}

/** Whether the caller wants the model to think. */
export function wishOf(reasoning: Reasoning | undefined): "default" | "off" | "on" {
  if (reasoning === undefined) return "default";
  if (reasoning.effort === ReasoningEffort.NONE) return "off";
  if (reasoning.budgetTokens !== undefined) return reasoning.budgetTokens === 0 ? "off" : "on";
  return reasoning.effort === ReasoningEffort.UNSPECIFIED ? "default" : "on";
}

function left(context: ThinkingContext): Thinking {
  return { field: undefined, effort: undefined, maxTokens: context.limit.tokens, on: false };
}

function byDefault(reasoning: Reasoning | undefined, context: ThinkingContext): Thinking {
  const display = displayOf(reasoning);
  if (context.rules.onByDefault) return { ...left(context), field: display && { type: "adaptive", ...display }, on: true };
  if (display?.display === "summarized")
    context.notes.dropped("reasoning.summary", "the model thinks only when an effort or a budget is set");
  return left(context);
}

function off(reasoning: Reasoning | undefined, context: ThinkingContext): Thinking {
  const { rules, notes } = context;
  const effort = rules.modes === "budget" ? undefined : effortWord(reasoning, rules.offNeedsHighAtMost);
  if (!rules.onByDefault) return { ...left(context), effort };
  if (rules.off === undefined) {
    notes.approximated("reasoning.effort", "the model cannot stop thinking; the lowest effort is used");
    return { ...left(context), effort: "low", on: true };
  }
  if (rules.off === "between_tools") notes.approximated("reasoning.effort", "the model can only be kept to thinking between tools");
  return { ...left(context), field: { type: rules.off }, effort, on: rules.off === "between_tools" };
}

const efforts: ReadonlyMap<ReasoningEffort, string> = new Map([
  [ReasoningEffort.MINIMAL, "low"],
  [ReasoningEffort.LOW, "low"],
  [ReasoningEffort.MEDIUM, "medium"],
  [ReasoningEffort.HIGH, "high"],
  [ReasoningEffort.XHIGH, "xhigh"],
  [ReasoningEffort.MAX, "max"],
]);

function effortWord(reasoning: Reasoning | undefined, highAtMost: boolean): string | undefined {
  const word = reasoning === undefined ? undefined : efforts.get(reasoning.effort);
  return highAtMost && (word === "xhigh" || word === "max") ? "high" : word;
}

function adaptive(reasoning: Reasoning, context: ThinkingContext): Thinking {
  const { notes } = context;
  const { budgetTokens } = reasoning;
  if (reasoning.effort === ReasoningEffort.MINIMAL) notes.approximated("reasoning.effort", "the model's lowest effort is low");
  let effort = effortWord(reasoning, false);
  if (budgetTokens !== undefined) {
    effort ??= effortOfBudget(budgetTokens);
    notes.approximated("reasoning.budget_tokens", `the model takes no budget; effort ${effort} is used`);
  }
  return { ...left(context), field: { type: "adaptive", ...displayOf(reasoning) }, effort, on: true };
}

/** The effort that a budget of tokens stands for. */
export function effortOfBudget(tokens: number): string {
  if (tokens < 2048) return "low";
  return tokens < 10_000 ? (tokens < 5000 ? "low" : "medium") : "high";
}

function displayOf(reasoning: Reasoning | undefined): { readonly display: string } | undefined {
  if (reasoning === undefined || reasoning.summary === ReasoningSummary.UNSPECIFIED) return undefined;
  return { display: reasoning.summary === ReasoningSummary.OMITTED ? "omitted" : "summarized" };
}

const budgetMin = 1024;
/** What is kept for the answer where the model's limit is near. */
const answerReserve = 4096;
const budgets: ReadonlyMap<ReasoningEffort, number> = new Map([
  [ReasoningEffort.MINIMAL, 1024],
  [ReasoningEffort.LOW, 1024],
  [ReasoningEffort.MEDIUM, 4096],
  [ReasoningEffort.HIGH, 16_384],
  [ReasoningEffort.XHIGH, 32_768],
]);

function withBudget(reasoning: Reasoning, context: ThinkingContext): Thinking {
  const { notes, limit } = context;
  if (context.bareToolTurn) {
    notes.dropped("reasoning", "thinking is off, because the tool turn under way began without it");
    return left(context);
  }
  const wanted = wantedBudget(reasoning, context);
  const fitted = fit(wanted, context);
  if (fitted === undefined) {
    notes.dropped("reasoning", `the output limit leaves no room for ${budgetMin} tokens of thinking`);
    return left(context);
  }
  if (reasoning.budgetTokens !== undefined && fitted.budget !== reasoning.budgetTokens)
    notes.clamped("reasoning.budget_tokens", `the budget is ${fitted.budget} tokens`);
  if (limit.asked && fitted.maxTokens !== limit.tokens)
    notes.approximated("max_output_tokens", `raised to ${fitted.maxTokens}, which includes the thinking budget`);
  const effort = context.rules.modes === "both" ? effortWord(reasoning, false) : undefined;
  const field = { type: "enabled", budget_tokens: fitted.budget, ...displayOf(reasoning) };
  return { field, effort, maxTokens: fitted.maxTokens, on: true };
}

function wantedBudget(reasoning: Reasoning, context: ThinkingContext): number {
  if (reasoning.budgetTokens !== undefined) return Math.max(budgetMin, reasoning.budgetTokens);
  const cap = context.target.capabilities.maxOutputTokens;
  const most = cap === undefined ? 32_768 : Math.max(budgetMin, cap - answerReserve);
  return budgets.get(reasoning.effort) ?? most;
}

/** A budget must be below `max_tokens`: the limit is raised as far as the model goes, then the budget lowered. */
function fit(budget: number, context: ThinkingContext): { readonly budget: number; readonly maxTokens: number } | undefined {
  const { tokens } = context.limit;
  if (budget < tokens) return { budget, maxTokens: tokens };
  const maxTokens = Math.min(budget + tokens, context.target.capabilities.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  const fitting = Math.min(budget, maxTokens - Math.min(tokens, answerReserve));
  return fitting < budgetMin ? undefined : { budget: fitting, maxTokens };
}
