import type { AttemptInfo, Decision, ExplainCandidate, ProviderHealth, ScoreTerm, TargetHealth, Usage } from "./chat.ts";
import { durationFromMs, timestampFromMs } from "./clock.ts";
import { type CandidateRecord, type DecisionRecord, type TryRecord, untouched, type UsageRecord } from "./decision.ts";

/** A kept decision as the API shows it. */
export function decisionMessage(record: DecisionRecord): Decision {
  const { id, wall, key, model, revision, rule, arm, seed, requestId, replica, streamed, cache, reason, firstMs, totalMs, usage } = record;
  let rank = 0;
  return {
    $typeName: "semaroute.v1.Decision",
    id,
    time: timestampFromMs(wall),
    keyId: key,
    model,
    policyRevision: revision,
    rule,
    arm,
    candidates: record.candidates.map((each) => candidateMessage(each, each.excluded === undefined ? ++rank : 0)),
    attempts: record.attempts.map(attemptMessage),
    ...(usage !== undefined && { usage: usageMessage(usage) }),
    ...(firstMs !== undefined && { firstToken: durationFromMs(firstMs) }),
    total: durationFromMs(totalMs),
    errorReason: reason,
    cache,
    streamed,
    seed: BigInt(seed),
    requestId,
    replica,
  };
}

/** What moved a candidate beside its score is a term of no weight, named by the reason. */
export function remarkTerms(remark: string): ScoreTerm[] {
  return remark === "" ? [] : [{ $typeName: "semaroute.v1.ScoreTerm", name: remark, raw: 0, ratio: 0, weight: 0 }];
}

/** Rounded to a millionth of a US dollar; absent: unpriced. */
export function estimatedCost(costMicroUsd: number | undefined): { estimatedCostMicroUsd?: bigint } {
  return costMicroUsd === undefined ? {} : { estimatedCostMicroUsd: BigInt(Math.round(costMicroUsd)) };
}

function candidateMessage(record: CandidateRecord, rank: number): ExplainCandidate {
  const { provider, upstream, excluded, score, terms, remark, cost, notes } = record;
  return {
    $typeName: "semaroute.v1.ExplainCandidate",
    provider,
    upstreamModel: upstream,
    rank,
    score,
    terms: [
      ...terms.map(([name, raw, ratio, weight]): ScoreTerm => ({ $typeName: "semaroute.v1.ScoreTerm", name, raw, ratio, weight })),
      ...remarkTerms(remark ?? ""),
    ],
    excludedBy: excluded ?? "",
    ...estimatedCost(cost),
    notes: (notes ?? []).map(([field, action, message]) => ({ $typeName: "semaroute.v1.TranslationNote", field, action, message })),
    health: healthMessage(record),
  };
}

/** What the policy saw of the target; its provider's other targets are not the decision's business. */
function healthMessage({ target, provider, health }: CandidateRecord): ProviderHealth {
  const { status, breaker, successRatio, firstTokenMs, unaryMs, firstTokenP95Ms, warmth } = { ...untouched, ...health };
  const targetHealth: TargetHealth = {
    $typeName: "semaroute.v1.TargetHealth",
    model: target.slice(provider.length + 1),
    breaker,
    successRatio,
    ...(firstTokenP95Ms !== undefined && { firstTokenP95: durationFromMs(firstTokenP95Ms) }),
    inFlight: 0,
    bars: [],
    ...(warmth < 1 && { warmth }),
  };
  return {
    $typeName: "semaroute.v1.ProviderHealth",
    provider,
    status,
    breaker,
    inFlight: 0,
    concurrencyLimit: 0,
    successRatio,
    ...(unaryMs !== undefined && { latencyP50: durationFromMs(unaryMs) }),
    ...(firstTokenMs !== undefined && { firstTokenP50: durationFromMs(firstTokenMs) }),
    lastErrorReason: 0,
    lastError: "",
    rateLimits: [],
    targets: [targetHealth],
  };
}

/** A kept attempt likewise. */
export function attemptMessage({
  id,
  provider,
  model,
  kind,
  wall,
  ms,
  status,
  reason,
  text,
  upstreamId,
  won,
  usage,
}: TryRecord): AttemptInfo {
  return {
    $typeName: "semaroute.v1.Attempt",
    id,
    provider,
    model,
    kind,
    startTime: timestampFromMs(wall),
    latency: durationFromMs(ms),
    httpStatus: status,
    errorReason: reason,
    errorMessage: text,
    upstreamRequestId: upstreamId,
    won,
    ...(usage !== undefined && { usage: usageMessage(usage) }),
  };
}

function usageMessage({ pico, ...counts }: UsageRecord): Usage {
  return { $typeName: "semaroute.v1.Usage", ...counts, extensionsJson: {}, ...(pico !== undefined && { costPicoUsd: BigInt(pico) }) };
}
