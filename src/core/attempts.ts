import type { AttemptRecord, Source } from "./call.ts";
import type { Target } from "./catalog.ts";
import { AttemptKind, type Usage } from "./chat.ts";
import { costPicoUsd } from "./price.ts";
import type { CallRecord } from "./telemetry.ts";

/** Attempts that called an upstream; what a breaker, a cool-down or full slots refused beforehand is not among them. */
export function wasMade(attempt: AttemptRecord): boolean {
  return attempt.error?.skipped === undefined;
}

/** What it takes to tell the upstream's time from ours. */
export interface UpstreamTimes extends Pick<CallRecord, "attempts" | "endMs"> {
  readonly source: Pick<Source, "sharedMs"> | undefined;
}

/** Milliseconds of a call in which at least one upstream was at work for it; attempts that overlap count once. */
export function upstreamMs({ attempts, source, endMs }: UpstreamTimes): number {
  let sum = source?.sharedMs ?? 0;
  let until = 0;
  // In the order they began, which with hedges is not the order they are recorded in, one pass finds the union of their times.
  const begun = attempts.length > 1 ? attempts.toSorted((a, b) => a.startMs - b.startMs) : attempts;
  for (const attempt of begun) {
    if (attempt.kind === AttemptKind.SHADOW) continue;
    const end = Math.min(attempt.endMs ?? endMs, endMs);
    const start = Math.max(attempt.startMs, until);
    if (end <= start) continue;
    sum += end - start;
    until = end;
  }
  return sum;
}

/** The attempt whose failure led to this one; undefined where it is no failover. */
export function failedOverFrom(attempts: readonly AttemptRecord[], index: number): AttemptRecord | undefined {
  const attempt = attempts[index];
  if (attempt?.kind !== AttemptKind.FAILOVER) return undefined;
  for (let i = index - 1; i >= 0; i--) {
    const earlier = attempts[i];
    if (earlier?.error !== undefined && earlier.target.id !== attempt.target.id) return earlier;
  }
  return undefined;
}

/** What was used, in 10^-12 US dollars; undefined: it used nothing, or its target is unpriced. */
export function usedPicoUsd(usage: Usage | undefined, target: Target | undefined): bigint | undefined {
  if (usage === undefined) return undefined;
  return usage.costPicoUsd ?? (target?.price === undefined ? undefined : costPicoUsd(target.price, usage));
}
