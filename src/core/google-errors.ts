import type { Failure } from "./error.ts";
import { type Fields, isJsonObject } from "./json-fields.ts";
import type { KnownBody } from "./known-bodies.ts";
import { spanMs } from "./retry-after.ts";

// Google says the same in its own API and in its imitation of OpenAI's.

/** What `reason` of an ErrorInfo means, in lower case. https://cloud.google.com/apis/design/errors */
export const failureByGoogleReason: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  ["api_key_invalid", "UPSTREAM_AUTH"],
  ["api_key_service_blocked", "UPSTREAM_AUTH"],
  ["consumer_suspended", "UPSTREAM_AUTH"],
  ["service_disabled", "UPSTREAM_AUTH"],
  ["model_capacity_exhausted", "OVERLOADED"],
]);

/** What Google says in words under a status that says less. */
export const googleBodies: readonly KnownBody[] = [
  {
    vendor: "Google",
    source: "https://github.com/dyad-sh/dyad/issues/717",
    status: [400],
    says: /^The input token count (?:\(\d+\) )?exceeds the maximum number of tokens allowed\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Google",
    source: "https://discuss.ai.google.dev/t/api-update-depleted-prepay-credits-now-return-http-402-instead-of-429/183654",
    status: [429],
    says: /^Your prepayment credits are depleted\b/,
    means: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Google",
    source: "https://github.com/cequence-io/openai-scala-client/issues/109",
    status: [400],
    says: /^API key (?:not valid|expired)\. Please /,
    means: "UPSTREAM_AUTH",
  },
  {
    vendor: "Google",
    source: "https://ai.google.dev/gemini-api/docs/troubleshooting",
    status: [400],
    says: /^User location is not supported for the API use\./,
    means: "UPSTREAM_AUTH",
  },
  {
    vendor: "Google",
    source: "https://github.com/continuedev/continue/issues/9939",
    status: [404],
    says: /^models\/\S{1,256} is not found for API version \w+/,
    means: "MODEL_NOT_FOUND",
  },
];

/** The wait that a RetryInfo among an error's details asks for, in milliseconds; undefined: there is none. */
export function retryDelayMs(details: readonly Readonly<Fields>[]): number | undefined {
  const delay = details.map((detail) => detail["retryDelay"]).find((each) => typeof each === "string");
  const ms = spanMs(delay ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

/** Whether a quota of the day is used up, which is whole again tomorrow, whatever RetryInfo says. */
export function isDailyQuota(details: readonly Readonly<Fields>[]): boolean {
  const violations = details.flatMap(({ violations: list }) => (Array.isArray(list) ? list.filter(isJsonObject) : []));
  return violations.some(({ quotaId }) => typeof quotaId === "string" && quotaId.includes("PerDay"));
}
