import type { Door } from "../core/call.ts";
import { AttemptKind, CacheStatus, Priority } from "../core/chat.ts";
import type { ChatError, Failure } from "../core/error.ts";

/** All doors; each has its own counters from the start. */
export const doors = ["openai", "responses", "anthropic", "websocket", "grpc", "grpc-web", "connect"] as const satisfies readonly Door[];

/** The cache's part in a call, as headers, logs and metrics say it; undefined where it was not asked. */
export const cacheWords: Readonly<Partial<Record<CacheStatus, "hit" | "miss" | "bypass">>> = {
  [CacheStatus.HIT]: "hit",
  [CacheStatus.MISS]: "miss",
  [CacheStatus.BYPASS]: "bypass",
};

/** Who is shed first, as the configuration says it. */
export const priorityWords: ReadonlyMap<Priority, string> = new Map([
  [Priority.LOW, "low"],
  [Priority.NORMAL, "normal"],
  [Priority.HIGH, "high"],
]);

/** Why an attempt was made. */
export function attemptKindWord(kind: AttemptKind): string {
  return attemptKindWords[kind] ?? "primary";
}

const attemptKindWords: Readonly<Partial<Record<AttemptKind, string>>> = {
  [AttemptKind.PRIMARY]: "primary",
  [AttemptKind.RETRY]: "retry",
  [AttemptKind.FAILOVER]: "failover",
  [AttemptKind.HEDGE]: "hedge",
  [AttemptKind.SHADOW]: "shadow",
};

/** `ok`, or the ErrorReason in lower case. */
export function outcomeWord(error: ChatError | undefined): string {
  return error === undefined ? "ok" : failureWord(error.failure);
}

/** A failure as a label. */
export function failureWord(failure: Failure): string {
  return failure.toLowerCase();
}

const callersFaults: ReadonlySet<Failure> = new Set([
  "INVALID_REQUEST",
  "CONTEXT_LENGTH_EXCEEDED",
  "REQUEST_TOO_LARGE",
  "CONTENT_POLICY",
  "UNSUPPORTED_FEATURE",
  "CALLER_UNAUTHENTICATED",
  "CALLER_FORBIDDEN",
  "MODEL_NOT_FOUND",
  "CALLER_RATE_LIMITED",
  "BUDGET_EXHAUSTED",
  "CANCELLED",
]);

/** Whether a failure is the caller's doing: no operator needs to hear of it. */
export function isCallersFault(failure: Failure): boolean {
  return callersFaults.has(failure);
}
