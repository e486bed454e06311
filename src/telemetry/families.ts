import { Histogram, type Registry } from "prom-client";
import type { PendingCounters } from "./pending-counters.ts";

const target = ["provider", "model"] as const;
/** Seconds; from a cache hit to the longest deadline. */
const callBuckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** Seconds; people wait for this. */
const firstContentBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60];
/** Seconds; our own work, which is microseconds, up to pauses between attempts. */
const overheadBuckets = [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 0.25, 1, 5];

/** Seconds; from a command on this machine to the longest that anybody waits. */
const redisBuckets = [100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.25, 1];

/** All counters and histograms that calls move, by name. docs/observability.md tells the same. */
export function createFamilies(counters: PendingCounters, registry: Registry) {
  const histogram = (name: string, help: string, labelNames: readonly string[], buckets: number[]): Histogram =>
    new Histogram({ name: `semaroute_${name}`, help, labelNames: [...labelNames], buckets, registers: [registry] });
  const counter = (name: string, help: string, labelNames: readonly string[]) => counters.family(`semaroute_${name}`, help, labelNames);
  return {
    calls: counter("calls_total", "Calls by their outcome: ok, or the reason of the error", ["door", ...target, "outcome"]),
    duration: histogram("call_duration_seconds", "From the request's last byte to the answer's", ["door", ...target], callBuckets),
    firstContent: histogram(
      "first_content_seconds",
      "From the request's last byte to the answer's first content",
      target,
      firstContentBuckets,
    ),
    overhead: histogram("overhead_seconds", "Time of a call in which no upstream was at work for it", ["door"], overheadBuckets),
    upstream: histogram("upstream_duration_seconds", "Whole attempts at an upstream, whatever their outcome", target, callBuckets),
    tokens: counter("tokens_total", "Tokens of attempts; cache_read and cache_write are parts of input, reasoning of output", [
      ...target,
      "kind",
    ]),
    cost: counter("cost_usd_total", "US dollars by the price table; approximate, the ledger is exact", target),
    unpriced: counter("unpriced_calls_total", "Attempts that used tokens no price is known for", target),
    attempts: counter("attempts_total", "Attempts at an upstream", [...target, "kind", "outcome"]),
    shadowTokens: counter("shadow_tokens_total", "Tokens of copies that a policy's shadow sent; in no other counter", [...target, "kind"]),
    shadowCost: counter("shadow_cost_usd_total", "US dollars of copies that a policy's shadow sent; in no other counter", target),
    failedRules: counter("policy_rule_errors_total", "Conditions of rules that could not be evaluated, and so did not hold", []),
    failovers: counter("failovers_total", "Calls that went on elsewhere after this target failed", target),
    cache: counter("cache_total", "Calls by the cache's part in them", ["result"]),
    similar: counter("cache_semantic_total", "What came of asking the semantic cache", ["result"]),
    redisCommand: histogram("redis_command_seconds", "Commands to Redis, whatever came of them", ["use"], redisBuckets),
    redisFailures: counter("redis_failures_total", "Commands to Redis that came to nothing", ["use", "failure"]),
    sharedCache: counter("cache_shared_total", "What the cache in Redis did", ["result"]),
    hints: counter("hints_total", "What replicas told each other of targets", ["result", "kind"]),
    reloads: counter("config_reloads_total", "Times the configuration was read again", ["result"]),
  };
}

/** See `createFamilies`. */
export type Families = ReturnType<typeof createFamilies>;
