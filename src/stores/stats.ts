import { usedPicoUsd, failedOverFrom, wasMade } from "../core/attempts.ts";
import type { AttemptRecord } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import type { Usage } from "../core/chat.ts";
import type { TargetCounters } from "../core/operations.ts";
import { roundedMicroUsd } from "../core/price.ts";
import type { CallObserver } from "../core/telemetry.ts";

/** Counters since start, for people without a metrics stack. */
export interface Stats extends CallObserver {
  /** In the order in which targets were first tried. */
  targets(): readonly TargetCounters[];
}

/** Targets counted apart; callers can name new ones, and the rest is counted as `other` of its provider. */
const targetsMax = 1000;

interface Counters extends Used {
  readonly provider: string;
  readonly model: string;
  requests: bigint;
  successes: bigint;
  failures: bigint;
  fallbacksFrom: bigint;
  /** Copies of calls. */
  readonly shadow: Used & { requests: bigint };
}

interface Used {
  inputTokens: bigint;
  outputTokens: bigint;
  cacheReadTokens: bigint;
  cacheWriteTokens: bigint;
  reasoningTokens: bigint;
  costPicoUsd: bigint;
  unpricedCalls: bigint;
  estimatedCalls: bigint;
}

/** Counts each attempt at its target; a cancelled one is neither a success nor a failure. */
export function createStats(): Stats {
  const byTarget = new Map<string, Counters>();
  const countersOf = (target: Target): Counters => {
    const known = byTarget.get(target.id);
    if (known !== undefined) return known;
    const model = byTarget.size < targetsMax ? target.model : "other";
    const id = model === target.model ? target.id : `${target.provider}/${model}`;
    const counters = byTarget.get(id) ?? zero(target.provider, model);
    byTarget.set(id, counters);
    return counters;
  };
  return {
    began() {
      // Attempts are counted when they are over.
    },
    shadowed(_call, attempt) {
      if (!wasMade(attempt)) return;
      const { shadow } = countersOf(attempt.target);
      shadow.requests++;
      if (attempt.usage !== undefined) addUsage(shadow, attempt.usage, usedPicoUsd(attempt.usage, attempt.target));
    },
    looked(_call, { attempts }) {
      for (const attempt of attempts) if (wasMade(attempt)) count(countersOf(attempt.target), attempt);
    },
    ended({ attempts }) {
      attempts.forEach((attempt, index) => {
        if (wasMade(attempt)) count(countersOf(attempt.target), attempt);
        const from = failedOverFrom(attempts, index);
        if (from !== undefined) countersOf(from.target).fallbacksFrom++;
      });
    },
    targets: () => [...byTarget.values()].map(shown),
  };
}

function count(counters: Counters, attempt: AttemptRecord): void {
  counters.requests++;
  if (attempt.error === undefined) counters.successes++;
  else if (attempt.error.failure !== "CANCELLED") counters.failures++;
  if (attempt.usage !== undefined) addUsage(counters, attempt.usage, usedPicoUsd(attempt.usage, attempt.target));
}

function addUsage(counters: Used, usage: Usage, pico: bigint | undefined): void {
  counters.inputTokens += BigInt(usage.inputTokens);
  counters.outputTokens += BigInt(usage.outputTokens);
  counters.cacheReadTokens += BigInt(usage.cacheReadTokens ?? 0);
  counters.cacheWriteTokens += BigInt(usage.cacheWriteTokens ?? 0);
  counters.reasoningTokens += BigInt(usage.reasoningTokens ?? 0);
  if (pico === undefined) counters.unpricedCalls++;
  else counters.costPicoUsd += pico;
  if (usage.estimated) counters.estimatedCalls++;
}

function shown(counters: Counters): TargetCounters {
  const { provider, model, requests, successes, failures, fallbacksFrom, shadow, ...used } = counters;
  const { requests: shadowRequests, ...shadowUsed } = shadow;
  const usage = totals(used);
  return { provider, model, requests, successes, failures, fallbacksFrom, usage, shadowRequests, shadowUsage: totals(shadowUsed) };
}

function totals({ costPicoUsd, ...sums }: Used): TargetCounters["usage"] {
  return { $typeName: "semaroute.v1.UsageTotals", ...sums, costMicroUsd: roundedMicroUsd(costPicoUsd) };
}

function zero(provider: string, model: string): Counters {
  return {
    provider,
    model,
    requests: 0n,
    successes: 0n,
    failures: 0n,
    fallbacksFrom: 0n,
    shadow: { requests: 0n, ...nothingUsed() },
    ...nothingUsed(),
  };
}

function nothingUsed(): Used {
  return {
    inputTokens: 0n,
    outputTokens: 0n,
    cacheReadTokens: 0n,
    cacheWriteTokens: 0n,
    reasoningTokens: 0n,
    costPicoUsd: 0n,
    unpricedCalls: 0n,
    estimatedCalls: 0n,
  };
}
