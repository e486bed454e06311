import type { Target } from "../../core/catalog.ts";
import { type ChatRequest, type Reasoning, ReasoningEffort, ReasoningSummary } from "../../core/chat.ts";
import { effortOfBudget, encodeThinking, wishOf } from "../../core/claude-thinking.ts";
import type { Fields } from "../../core/json-fields.ts";
import type { Notes } from "../../core/notes.ts";
import type { ModelRules } from "./model-rules.ts";

/** What reasoning comes to in one request. */
export interface ReasoningWish {
  /** For `additionalModelRequestFields`. */
  readonly fields: Fields;
  /** `inferenceConfig.maxTokens`; undefined: the model's own. */
  readonly maxTokens: number | undefined;
  /** Whether sampling must be left alone, and why. */
  readonly fixedSampling: boolean;
}

/** What decides about it. */
export interface ReasoningContext {
  readonly target: Target;
  readonly rules: ModelRules;
  /** The caller's limit within the model's; undefined: none was asked for. */
  readonly limit: number | undefined;
  /** A tool call is forced. */
  readonly forced: boolean;
  /** The conversation stands in a tool turn that began without signed reasoning. */
  readonly bareToolTurn: boolean;
  readonly notes: Notes;
}

/** What a limit is taken to be where a thinking budget has to fit into one; every model can write that much. */
const outputTokensDefault = 4096;

/** Turns the neutral wish into what the model's family takes. */
export function encodeReasoning({ reasoning }: Readonly<ChatRequest>, context: ReasoningContext): ReasoningWish {
  const { rules, limit, target, notes } = context;
  if (rules.claude !== undefined) {
    const tokens = limit ?? target.capabilities.maxOutputTokens ?? outputTokensDefault;
    const thinking = encodeThinking(reasoning, { ...context, rules: rules.claude, limit: { tokens, asked: limit !== undefined } });
    const fields: Fields = {};
    if (thinking.field !== undefined) fields["thinking"] = thinking.field;
    if (thinking.effort !== undefined) fields["output_config"] = { effort: thinking.effort };
    // A budget is refused without a limit above it.
    const maxTokens = limit === undefined && thinking.field?.["type"] !== "enabled" ? undefined : thinking.maxTokens;
    return { fields, maxTokens, fixedSampling: thinking.on };
  }
  const plain: ReasoningWish = { fields: {}, maxTokens: limit, fixedSampling: false };
  if (reasoning === undefined) return plain;
  if (reasoning.summary > ReasoningSummary.AUTO) notes.dropped("reasoning.summary", "bedrock shows what reasoning there is");
  const effort = effortFor(reasoning, context);
  if (effort === undefined) return plain;
  switch (rules.reasoning) {
    case "nova":
      if (effort === "none") return plain;
      // Amazon wants neither a limit nor sampling beside high effort.
      return {
        fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: effort } },
        maxTokens: limit,
        fixedSampling: effort === "high",
      };
    case "reasoning_effort":
      return { ...plain, fields: { reasoning_effort: effort } };
    case "reasoning.effort":
      return { ...plain, fields: { reasoning: { effort } } };
    case undefined:
      notes.dropped("reasoning", "it is not known how this model is asked to reason");
      return plain;
    default:
      return rules.reasoning satisfies never;
  }
}

const words: ReadonlyMap<ReasoningEffort, string> = new Map([
  [ReasoningEffort.NONE, "none"],
  [ReasoningEffort.MINIMAL, "minimal"],
  [ReasoningEffort.LOW, "low"],
  [ReasoningEffort.MEDIUM, "medium"],
  [ReasoningEffort.HIGH, "high"],
  [ReasoningEffort.XHIGH, "xhigh"],
  [ReasoningEffort.MAX, "max"],
]);

/** The nearest word the family has; undefined: nothing was asked for. */
function effortFor(reasoning: Reasoning, { rules, limit, notes }: ReasoningContext): string | undefined {
  const wish = wishOf(reasoning);
  if (wish === "default") return undefined;
  if (wish === "off" && rules.reasoning === undefined) return undefined;
  let word = wish === "off" ? "none" : words.get(reasoning.effort);
  if (reasoning.budgetTokens !== undefined && wish === "on") {
    word ??= effortOfBudget(reasoning.budgetTokens);
    notes.approximated("reasoning.budget_tokens", `the model takes no budget; effort ${word} is used`);
  }
  const nearest = fitted(word ?? "high", rules, limit);
  if (word !== undefined && nearest !== word) notes.approximated("reasoning.effort", `the model's nearest effort is ${nearest}`);
  return nearest;
}

function fitted(word: string, { reasoning }: ModelRules, limit: number | undefined): string {
  if (word === "minimal") return "low";
  if (reasoning === "reasoning.effort") return word;
  if (reasoning === "reasoning_effort" && word === "none") return "low";
  const most = reasoning === "nova" && limit !== undefined ? "medium" : "high";
  return word === "xhigh" || word === "max" || word === "high" ? most : word;
}
