import type { TargetCounters } from "../core/operations.ts";

/** Sums over processes, by target, in the order in which targets were first tried. */
export function sumStats(parts: Iterable<readonly TargetCounters[]>): readonly TargetCounters[] {
  const sums = new Map<string, TargetCounters>();
  for (const counters of parts) {
    for (const each of counters) {
      const id = `${each.provider}/${each.model}`;
      const sum = sums.get(id);
      sums.set(id, sum === undefined ? each : added(sum, each));
    }
  }
  return [...sums.values()];
}

function added(one: TargetCounters, other: TargetCounters): TargetCounters {
  return {
    provider: one.provider,
    model: one.model,
    requests: one.requests + other.requests,
    successes: one.successes + other.successes,
    failures: one.failures + other.failures,
    fallbacksFrom: one.fallbacksFrom + other.fallbacksFrom,
    usage: addedUsage(one.usage, other.usage),
    shadowRequests: one.shadowRequests + other.shadowRequests,
    shadowUsage: addedUsage(one.shadowUsage, other.shadowUsage),
  };
}

type Usage = TargetCounters["usage"];

function addedUsage(one: Usage, other: Usage): Usage {
  return {
    $typeName: one.$typeName,
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cacheReadTokens: one.cacheReadTokens + other.cacheReadTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
    costMicroUsd: one.costMicroUsd + other.costMicroUsd,
    unpricedCalls: one.unpricedCalls + other.unpricedCalls,
    estimatedCalls: one.estimatedCalls + other.estimatedCalls,
  };
}
