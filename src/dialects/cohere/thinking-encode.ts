import { type ChatRequest, type Reasoning, ReasoningEffort, ReasoningSummary } from "../../core/chat.ts";
import type { Encoding } from "./encoding.ts";
import type { Fields } from "./fields.ts";

/** Efforts with a budget of tokens; what is above thinks without one. */
const budgets: ReadonlyMap<ReasoningEffort, number> = new Map([
  [ReasoningEffort.MINIMAL, 512],
  [ReasoningEffort.LOW, 1024],
  [ReasoningEffort.MEDIUM, 4096],
]);

/** Puts `thinking` into the body; models that think do so unless told not to. */
export function encodeThinking(request: Readonly<ChatRequest>, body: Fields, encoding: Encoding): void {
  const { reasoning, maxOutputTokens } = request;
  if (reasoning === undefined) return;
  const wanted = wantedThinking(reasoning);
  if (encoding.target.capabilities.reasoning === false) {
    if (wanted === "some" || typeof wanted === "number") encoding.notes.dropped("reasoning", "the model does not think");
    return;
  }
  if (reasoning.summary === ReasoningSummary.OMITTED && wanted !== "none")
    encoding.notes.dropped("reasoning.summary", "cohere shows all of its thinking");
  if (reasoning.summary === ReasoningSummary.CONCISE || reasoning.summary === ReasoningSummary.DETAILED)
    encoding.notes.dropped("reasoning.summary", "cohere shows its thinking as it is");
  if (wanted === "none") body["thinking"] = { type: "disabled" };
  if (wanted === "some") body["thinking"] = { type: "enabled" };
  if (typeof wanted !== "number") return;
  // The caller's limit holds thoughts as well, and must leave room for the answer.
  const most = maxOutputTokens === undefined ? wanted : Math.max(1, Math.floor(maxOutputTokens / 2));
  if (wanted > most) {
    const field = reasoning.budgetTokens === undefined ? "reasoning.effort" : "reasoning.budget_tokens";
    encoding.notes.clamped(field, `the thinking budget is ${most} tokens, half of the output limit`);
  }
  body["thinking"] = { type: "enabled", token_budget: Math.min(wanted, most) };
}

/** A budget in tokens, or whether to think at all; undefined: as the model does by itself. */
function wantedThinking({ effort, budgetTokens }: Reasoning): number | "some" | "none" | undefined {
  if (budgetTokens !== undefined) return budgetTokens === 0 ? "none" : budgetTokens;
  if (effort === ReasoningEffort.UNSPECIFIED) return undefined;
  return effort === ReasoningEffort.NONE ? "none" : (budgets.get(effort) ?? "some");
}
