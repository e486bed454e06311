import type { Settings } from "../config/schema.ts";
import type { CallOptions } from "../core/call.ts";
import { Secret } from "../core/secret.ts";
import type { SimilarChoice } from "../core/similar.ts";
import type { BreakerOptions } from "../stores/breaker.ts";

/** What bounds a call, from the configuration. */
export function callOptionsFrom({ resilience, unsupported_fields }: Settings): CallOptions {
  const { retry, timeouts, hedge } = resilience;
  return {
    attemptsMax: resilience.max_attempts,
    retryBaseMs: retry.base_delay,
    retryMaxMs: retry.max_delay,
    firstTokenMs: timeouts.first_token,
    idleMs: timeouts.idle,
    totalMs: timeouts.total,
    progressMs: timeouts.progress,
    retryBudget: retry.budget,
    hedge: hedge.enabled ? { quantile: hedge.percentile / 100, extraCostRatioMax: hedge.max_extra_cost_ratio } : undefined,
    unsupportedFields: unsupported_fields,
  };
}

/** The breaker's numbers, from the configuration. */
export function breakerOptionsFrom({ resilience }: Settings): BreakerOptions {
  const { circuit_breaker: breaker } = resilience;
  return {
    consecutiveFailures: breaker.consecutive_failures,
    failureRatio: breaker.failure_ratio,
    callsMin: breaker.min_calls,
    windowMs: breaker.window,
    openMs: breaker.open,
    openMsMax: breaker.max_open,
  };
}

/** Which model embeds questions; undefined: the semantic cache is off. */
export function similarChoiceFrom({ cache: { semantic } }: Settings): SimilarChoice | undefined {
  const { enabled, model, threshold } = semantic;
  return enabled && model !== undefined ? { model, threshold } : undefined;
}

/** Settings that a running process cannot take over; by their path in the file. */
const needRestart: readonly (readonly [path: string, read: (settings: Settings) => unknown])[] = [
  ["server.host", ({ server }) => server.host],
  ["server.port", ({ server }) => server.port],
  ["server.tls", ({ server }) => server.tls],
  ["server.max_body", ({ server }) => server.max_body],
  ["server.workers", ({ server }) => server.workers],
  ["admin.token", ({ admin }) => admin.token?.reveal()],
  ["admin.host", ({ admin }) => admin.host],
  ["admin.port", ({ admin }) => admin.port],
  ["resilience.circuit_breaker", ({ resilience }) => resilience.circuit_breaker],
  ["health", ({ health }) => health],
  ["cache.ttl", ({ cache }) => cache.ttl],
  ["cache.max_bytes", ({ cache }) => cache.max_bytes],
  ["cache.backend", ({ cache }) => cache.backend],
  // Another model or threshold is taken over at once; the memory is dealt out at the start.
  ["cache.semantic.enabled", ({ cache }) => cache.semantic.enabled],
  ["redis", ({ redis }) => [redis.url?.reveal(), redis.timeout]],
  ["store", ({ store }) => [store.url?.reveal(), store.retention]],
  ["observability", ({ observability }) => observability],
];

/** Paths of what changed between two configurations and will not take effect before a restart. */
export function restartNeeded(before: Settings, after: Settings): string[] {
  return needRestart.filter(([, read]) => JSON.stringify(read(before)) !== JSON.stringify(read(after))).map(([path]) => path);
}

/** Whether two configurations say the same, the values of their secrets included. */
export function sameSettings(before: Settings, after: Settings): boolean {
  return JSON.stringify(before, withSecrets) === JSON.stringify(after, withSecrets);
}

/** A secret prints as stars; its holder still has it. The text is compared and forgotten. */
function withSecrets(this: unknown, name: string, value: unknown): unknown {
  const held: unknown = typeof this === "object" && this !== null ? Reflect.get(this, name) : undefined;
  return held instanceof Secret ? held.reveal() : value;
}
