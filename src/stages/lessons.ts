import { type Holding, usualPromptCache } from "../core/affinity.ts";
import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { isEmbedRequest, type Usage } from "../core/chat.ts";
import type { AttemptStream } from "../core/handler.ts";
import type { Expectation } from "../core/policy.ts";
import type { Memory } from "./expectation.ts";
import type { Plan } from "./plan.ts";

const hourMs = 3_600_000;

/** What an answer that is about to be sent will teach once it has come to its good end. */
export interface Lesson {
  readonly call: Call;
  readonly plan: Plan;
  readonly target: Target;
  readonly stream: AttemptStream;
}

/** Only a success counts: who broke off holds nothing, and how long the answer would have been nobody knows. */
export function learnFrom({ call, plan, target, stream }: Lesson, { affinity, forecasts }: Memory): void {
  const { request, key } = call;
  if (isEmbedRequest(request)) return;
  stream.onEnd(({ error, usage }) => {
    if (error !== undefined || usage === undefined) return;
    const choices = request.n ?? 1;
    const tokens = usage.outputTokens / choices;
    const cut = request.maxOutputTokens !== undefined && tokens >= request.maxOutputTokens;
    forecasts?.learn({ key: key.id, asked: request.model, writer: target.model, tokens, cut });
    const { conversation } = plan;
    if (affinity === undefined || conversation === undefined) return;
    const before = affinity.find(conversation.id);
    affinity.bind(conversation.id, {
      target: target.id,
      tokens: heldTokens(usage, target, { inputTokens: plan.inputTokens, expected: expectedOf(plan, target) }),
      ttlMs: ttlOf(usage, target, before),
    });
  });
}

function expectedOf({ ranked }: Plan, target: Target): Expectation | undefined {
  return ranked.find(({ candidate }) => candidate.target.id === target.id)?.candidate.expected;
}

interface Estimates {
  /** By our own estimate. */
  readonly inputTokens: number;
  readonly expected: Expectation | undefined;
}

/** How much of the prompt the vendor has in its cache now, in tokens of our own estimate. */
function heldTokens(usage: Usage, { promptCache = usualPromptCache }: Target, { inputTokens, expected }: Estimates): number {
  const { cacheReadTokens: read, cacheWriteTokens: written } = usage;
  if (promptCache.keeps === "marked")
    return Math.floor((inputTokens * Math.min((read ?? 0) + (written ?? 0), usage.inputTokens)) / Math.max(1, usage.inputTokens));
  // It should have been there, and was not: what this vendor keeps is not to be counted on.
  if (read === 0 && (expected?.cacheReadTokens ?? 0) > 0) return 0;
  return inputTokens;
}

/** Reading renews what was written for an hour, for another. */
function ttlOf(usage: Usage, { id, promptCache = usualPromptCache }: Target, before: Holding | undefined): number {
  if ((usage.cacheWriteHourTokens ?? 0) > 0) return hourMs;
  return before?.target === id ? Math.max(before.ttlMs, promptCache.ttlMs) : promptCache.ttlMs;
}
