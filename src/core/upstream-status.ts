import type { Failure } from "./error.ts";

/** What a status means by itself. Whatever is not here, of any status from 300 up, is UPSTREAM_UNAVAILABLE. */
const byStatus: ReadonlyMap<number, Failure> = new Map<number, Failure>([
  [400, "INVALID_REQUEST"],
  [401, "UPSTREAM_AUTH"],
  [402, "QUOTA_EXHAUSTED"],
  [403, "UPSTREAM_AUTH"],
  [407, "UPSTREAM_AUTH"],
  [413, "REQUEST_TOO_LARGE"],
  [422, "INVALID_REQUEST"],
  [429, "RATE_LIMITED"],
  // Groq's flex tier has no room. https://console.groq.com/docs/flex-processing
  [498, "OVERLOADED"],
  [503, "OVERLOADED"],
  // Anthropic's, and by now of others too.
  [529, "OVERLOADED"],
]);

/** About the request itself: whoever sends another one will be served. */
const requests: readonly Failure[] = ["CONTEXT_LENGTH_EXCEEDED", "REQUEST_TOO_LARGE", "CONTENT_POLICY", "UNSUPPORTED_FEATURE"];
/** About the operator's standing with the upstream, or the upstream's own state. */
const standing: readonly Failure[] = [
  "MODEL_NOT_FOUND",
  "RATE_LIMITED",
  "QUOTA_EXHAUSTED",
  "OVERLOADED",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_AUTH",
  "UPSTREAM_PROTOCOL",
];

/** As what a typed body may unmask a status. One that is not here says all there is to say. */
const byBody: ReadonlyMap<number, ReadonlySet<Failure>> = new Map(
  (
    [
      // An error inside an answer, which has no status of its own.
      [200, [...requests, ...standing]],
      [400, [...requests, ...standing]],
      [402, ["RATE_LIMITED"]],
      [403, ["CONTENT_POLICY", "MODEL_NOT_FOUND", "QUOTA_EXHAUSTED", "RATE_LIMITED", "UPSTREAM_UNAVAILABLE"]],
      [404, ["MODEL_NOT_FOUND", "UNSUPPORTED_FEATURE"]],
      // Groq: more than is left of the limit per minute.
      [413, ["CONTEXT_LENGTH_EXCEEDED", "RATE_LIMITED"]],
      [422, [...requests, ...standing]],
      [429, ["QUOTA_EXHAUSTED", "OVERLOADED", "REQUEST_TOO_LARGE", "CONTEXT_LENGTH_EXCEEDED"]],
    ] satisfies readonly (readonly [number, readonly Failure[]])[]
  ).map(([status, failures]) => [status, new Set<Failure>(failures)]),
);

/** Of servers' own errors: never that the caller is to blame for them, but for a prompt that does not fit. */
const ofServers: ReadonlySet<Failure> = new Set<Failure>(["OVERLOADED", "RATE_LIMITED", "QUOTA_EXHAUSTED", "CONTEXT_LENGTH_EXCEEDED"]);

/**
 * The failure behind an upstream's status and what its typed body says, which is believed where it fits the status.
 * Total. INVALID_REQUEST comes of 400 and 422 alone; trouble with our own credential or account is never the caller's.
 */
export function failureOfStatus(status: number, told: Failure | undefined): Failure {
  const refined = status >= 500 ? ofServers : byBody.get(status);
  if (told !== undefined && refined?.has(told) === true) return told;
  return byStatus.get(status) ?? "UPSTREAM_UNAVAILABLE";
}

/** Failures that waiting can heal. */
export const waitHeals: ReadonlySet<Failure> = new Set<Failure>(["RATE_LIMITED", "OVERLOADED", "UPSTREAM_UNAVAILABLE"]);

/** Failures whose reason is in the caller's request, so that the caller may read what the upstream says of it. */
export const callerMayRead: ReadonlySet<Failure> = new Set<Failure>([
  "INVALID_REQUEST",
  "CONTEXT_LENGTH_EXCEEDED",
  "CONTENT_POLICY",
  "UNSUPPORTED_FEATURE",
]);

/**
 * What a body says that is a web page: it is not of the API, but of something in front of it, such as a firewall. Neither is
 * the request wrong then, nor the credential.
 */
export function failureOfPage(body: string): Failure | undefined {
  return /^\s*</.test(body) ? "UPSTREAM_UNAVAILABLE" : undefined;
}
