import type { ChatRequest } from "../../core/chat.ts";
import { ReasoningEffort, ReasoningSummary } from "../../core/chat.ts";
import type { EncodeContext } from "./encode-context.ts";
import { effortFromBudget, wordByEffort } from "../../core/openai/words.ts";

/** Puts the sampling fields into the body; models that think sample as they like, and refuse them. */
export function encodeSampling(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const { sampling } = request;
  if (sampling === undefined) return;
  const fields: readonly (readonly [key: string, value: unknown, neutral?: unknown])[] = [
    ["temperature", sampling.temperature, 1],
    ["top_p", sampling.topP, 1],
    ["top_k", sampling.topK],
    ["min_p", sampling.minP, 0],
    ["frequency_penalty", sampling.frequencyPenalty, 0],
    ["presence_penalty", sampling.presencePenalty, 0],
    ["repetition_penalty", sampling.repetitionPenalty, 1],
    ["logit_bias", Object.keys(sampling.logitBias).length > 0 ? sampling.logitBias : undefined],
    ["logprobs", sampling.logprobs, false],
    ["top_logprobs", sampling.topLogprobs],
  ];
  const fixed = context.target.capabilities.samplingParameters === false && request.reasoning?.effort !== ReasoningEffort.NONE;
  for (const [key, value, neutral] of fields) {
    if (value === undefined) continue;
    if (!fixed) body[key] = value;
    else if (value !== neutral) context.notes.dropped(`sampling.${key}`, "the model takes no sampling parameters");
  }
  // Raw, because a seed may have more digits than a double holds.
  if (sampling.seed !== undefined) body[context.quirks.seedField ?? "seed"] = JSON.rawJSON(sampling.seed.toString());
  if (sampling.stop.length > 0) body["stop"] = sampling.stop;
}

/** Puts the thinking wishes into the body. */
export function encodeReasoning(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const { reasoning } = request;
  if (reasoning === undefined) return;
  const { effort, budgetTokens, summary } = reasoning;
  const word = wordByEffort.get(effort);
  if (context.target.capabilities.reasoning === false) {
    if ((word !== undefined && word !== "none") || (budgetTokens ?? 0) > 0) context.notes.dropped("reasoning", "the model does not think");
    return;
  }
  if (context.quirks.reasoningObject === true) {
    const wishes: Record<string, unknown> = {};
    // The host takes one of the two.
    if (budgetTokens !== undefined) wishes["max_tokens"] = budgetTokens;
    else if (word !== undefined) wishes["effort"] = word;
    if (summary === ReasoningSummary.OMITTED) wishes["exclude"] = true;
    else if (summary > ReasoningSummary.AUTO) context.notes.approximated("reasoning.summary", "the host has one kind of summary");
    if (Object.keys(wishes).length > 0) body["reasoning"] = wishes;
    return;
  }
  // OpenAI itself never shows it here.
  const isDone = summary === ReasoningSummary.OMITTED && context.target.issuer === "openai";
  if (summary !== ReasoningSummary.UNSPECIFIED && !isDone) context.notes.dropped("reasoning.summary", "this dialect has no word for it");
  if (word !== undefined) body["reasoning_effort"] = word;
  else if (budgetTokens !== undefined) {
    body["reasoning_effort"] = effortFromBudget(budgetTokens);
    context.notes.approximated("reasoning.budget_tokens", "sent as an effort word");
  }
}
