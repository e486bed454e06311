import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { isEmbedRequest } from "../core/chat.ts";
import type { AnswerSizes, Spend } from "../core/limits.ts";
import { mostPicoUsd } from "../core/price.ts";
import { mustNotRunTwice } from "./needs.ts";
import type { Plan } from "./plan.ts";

/** Output of a choice that is set aside for where neither the caller nor earlier answers say how long it can be; tokens. */
const moneyTokensAssumed = 4096;
/** The same of a limit of tokens a minute, where too much would keep calls out that could be served. */
const tokensAssumed = 512;
/** How much longer than the longest of its like an answer may be. */
const slack = 1.25;
/** The same of the input, whose estimate is good for English prose: other texts have more tokens. */
const inputSlack = 2;

/** What a call may use at most, whichever of its targets answers. */
export function mostOf(call: Call, plan: Plan, sizes: AnswerSizes): Spend {
  const { key, request, snapshot } = call;
  const targets = targetsOf(plan);
  const named = isEmbedRequest(request) ? 0 : request.maxOutputTokens;
  const choices = isEmbedRequest(request) ? 1 : (request.n ?? 1);
  const longest = named === undefined ? sizes.longest(key.id, request.model) : undefined;
  const likely = longest === undefined ? undefined : Math.ceil(longest * slack);
  const tokensLimit = key.limits?.tokensPerMinute ?? 0;

  let tokens = 0;
  let picoUsd = 0n;
  for (const { price, capabilities } of targets) {
    const outputMax = capabilities.maxOutputTokens ?? Number.POSITIVE_INFINITY;
    const output = (assumed: number): number => choices * Math.min(named ?? likely ?? assumed, outputMax);
    tokens = Math.max(tokens, plan.inputTokens + output(tokensAssumed));
    if (price === undefined) continue;
    const most = mostPicoUsd(price, { inputTokens: plan.inputTokens * inputSlack, outputTokens: output(moneyTokensAssumed) });
    if (most > picoUsd) picoUsd = most;
  }
  // What is only assumed must not keep a call out that may well fit.
  if (named === undefined && tokensLimit > 0) tokens = Math.max(plan.inputTokens, Math.min(tokens, tokensLimit));
  // A hedge costs once more.
  const isHedged = snapshot.options.hedge !== undefined && targets.length > 1 && !mustNotRunTwice(call);
  return { tokens, picoUsd: isHedged ? picoUsd * 2n : picoUsd };
}

/** Everybody who may come to be asked, those who are out at the moment among them. */
function targetsOf({ ranked, excluded }: Plan): readonly Target[] {
  return [...ranked.map(({ candidate }) => candidate.target), ...excluded.flatMap((each) => (each.kind === "state" ? [each.target] : []))];
}
