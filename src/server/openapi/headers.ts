import { type JsonSchema, reference } from "./words.ts";

const text = { type: "string" } as const;

interface Described {
  readonly schema: JsonSchema;
  readonly description: string;
}

function described(description: string, schema: JsonSchema = text): Described {
  return { schema, description };
}

const requestHeaders = {
  "x-request-id": described("Echoed and logged.", { type: "string", pattern: "^[A-Za-z0-9._:-]{1,128}$" }),
  "cache-control": described("no-store: the cache is not used; no-cache: it is only written."),
  "x-semaroute-cache": described("The cache is used, whatever its mode.", { const: "use" }),
  "x-semaroute-timeout-ms": described("The caller's deadline.", { type: "integer", minimum: 1 }),
  "x-semaroute-tags": described("k=v,k=v; at most 16."),
  "x-semaroute-affinity": described("Calls that belong together.", { type: "string", minLength: 1, maxLength: 256 }),
  traceparent: described("W3C trace context."),
} as const satisfies Readonly<Record<string, Described>>;

const answerHeaders = {
  "x-request-id": described("The caller's, or ours."),
  "x-semaroute-decision": described("Our id of the call."),
  "x-semaroute-policy": described("Revision of the policy."),
  "x-semaroute-provider": described("Who answered."),
  "x-semaroute-model": described("The name it was asked for."),
  "x-semaroute-attempts": described("Attempts at upstreams; 0 for a cache hit.", { type: "integer" }),
  "x-semaroute-cache": described("Where the answer comes from.", { type: "string", enum: ["hit", "miss", "bypass"] }),
  "x-semaroute-cost-usd": described("Exact; not on streams, and not for unpriced models."),
  "x-semaroute-similarity": described("Where a similar question's answer is given: the cosine of both.", { type: "number" }),
  "x-semaroute-notes": described("What the translation to the target changed."),
  "x-ratelimit-limit-requests": described("Requests a minute that the key may make; only where it has such a limit.", { type: "integer" }),
  "x-ratelimit-remaining-requests": described("Of them, those that are left.", { type: "integer" }),
  "x-ratelimit-reset-requests": described("When all of them are there again: 250ms, 12.5s, 1m0s."),
  "x-ratelimit-limit-tokens": described("Tokens a minute that the key may use; only where it has such a limit.", { type: "integer" }),
  "x-ratelimit-remaining-tokens": described("Of them, those that are left.", { type: "integer" }),
  "x-ratelimit-reset-tokens": described("When all of them are there again."),
  "server-timing": described("semaroute;dur=…: milliseconds until the head left, less the upstream's."),
  "retry-after": described("Whole seconds, on errors that waiting heals.", { type: "integer" }),
  "retry-after-ms": described("The same in milliseconds.", { type: "integer" }),
  "x-should-retry": described("Trying again would only repeat what was done already.", { const: "false" }),
} as const satisfies Readonly<Record<string, Described>>;

/** How the limits of a key stand. */
export const limitNames = [
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
] as const;

/** Headers that a call may have, as components. */
export const headerParameters: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(requestHeaders).map(([name, header]) => [name, { name, in: "header", required: false, ...header }]),
);

/** Headers of answers, as components. */
export const headerComponents: Readonly<Record<string, unknown>> = answerHeaders;

/** References to what every call may wish for. */
export const wishes = Object.keys(requestHeaders).map((name) => reference("parameters", name));

/** References to headers of an answer. */
export function headersOf(...names: readonly (keyof typeof answerHeaders)[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(names.map((name) => [name, reference("headers", name)]));
}
