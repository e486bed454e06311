import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import type { ExplainCandidate, ProviderHealth } from "../core/chat.ts";
import { estimatedCost, remarkTerms } from "../core/decision-message.ts";
import type { Policy } from "../core/policy.ts";
import type { Explanation } from "../core/router.ts";
import { notesFor, planCall, type PlanSources } from "./plan.ts";

/** The plan that `dispatch` would follow now, in words; calls nobody. */
export function explainCall(call: Call, sources: PlanSources, report: (provider: string) => ProviderHealth, policy?: Policy): Explanation {
  const plan = planCall(call, sources, policy);
  const candidate = (target: Target, rest: Partial<ExplainCandidate>): ExplainCandidate => ({
    $typeName: "semaroute.v1.ExplainCandidate",
    provider: target.provider,
    upstreamModel: target.upstreamModel,
    rank: 0,
    score: 0,
    terms: [],
    excludedBy: "",
    notes: [...notesFor(call, target)],
    health: report(target.provider),
    ...rest,
  });
  const ranked = plan.ranked.map(({ candidate: { target, costMicroUsd }, score, terms, remark }, index) =>
    candidate(target, { rank: index + 1, score, terms: [...terms, ...remarkTerms(remark)], ...estimatedCost(costMicroUsd) }),
  );
  const excluded = plan.excluded.map(({ target, costMicroUsd, reason }) =>
    candidate(target, { excludedBy: reason, ...estimatedCost(costMicroUsd) }),
  );
  return {
    resolvedModel: plan.ranked[0]?.candidate.target.model ?? "",
    policyRevision: policy === undefined ? call.snapshot.policy.revision : "",
    rule: plan.rule,
    arm: plan.arm,
    failedRules: [...plan.failedRules],
    candidates: [...ranked, ...excluded],
    estimatedInputTokens: plan.inputTokens,
    priceVersion: call.snapshot.priceVersion ?? "",
  };
}
