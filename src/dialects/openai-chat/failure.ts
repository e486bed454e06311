import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { type ErrorFacts, factsFrom, factsFromText } from "./failure-shape.ts";
import { sanitized } from "./sanitize.ts";

/** Class of an upstream's error answer, by status, then code and type, then the words of hosts that send no codes. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const facts = factsFromText(answer.body);
  const upstream = { status: answer.status, requestId: header(answer, "x-request-id") ?? header(answer, "apim-request-id") ?? "" };
  const failure = classify(answer.status, facts);
  const retryAfterMs = failure === "QUOTA_EXHAUSTED" ? undefined : (retryAfter(answer) ?? waitIn(failure, facts));
  return chatError(failure, answer.status, facts, { upstream, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** Class of an error object that came inside an answer with status 200. */
export function failureInside(value: unknown): ChatError {
  const facts = factsFrom(value);
  const failure = classify(facts.status ?? 200, facts);
  const retryAfterMs = waitIn(failure, facts);
  return chatError(failure, facts.status ?? 200, facts, retryAfterMs === undefined ? {} : { retryAfterMs });
}

/** Only these are about the caller's request, so that the caller may read what the upstream says of it. */
const callerMayRead: ReadonlySet<Failure> = new Set<Failure>([
  "INVALID_REQUEST",
  "CONTEXT_LENGTH_EXCEEDED",
  "CONTENT_POLICY",
  "UNSUPPORTED_FEATURE",
]);

function chatError(failure: Failure, status: number, facts: ErrorFacts, known: ChatErrorOptions): ChatError {
  const answered = status === 200 ? "the upstream answered with an error" : `the upstream answered ${status}`;
  if (!callerMayRead.has(failure)) return new ChatError(failure, `${answered} (${meanings[failure] ?? "failure"})`, known);
  const text = sanitized(facts.message);
  const options = { ...known, fromUpstream: true, ...(facts.param !== undefined && { field: sanitized(facts.param) }) };
  return new ChatError(failure, text === "" ? `${answered} (${meanings[failure] ?? "failure"})` : text, options);
}

/** Our neutral words. */
const meanings: Partial<Record<Failure, string>> = {
  INVALID_REQUEST: "bad request",
  CONTEXT_LENGTH_EXCEEDED: "the prompt is too long",
  CONTENT_POLICY: "refused on policy grounds",
  UNSUPPORTED_FEATURE: "not supported by the model",
  REQUEST_TOO_LARGE: "request too large",
  UPSTREAM_AUTH: "the gateway's credential was refused",
  QUOTA_EXHAUSTED: "quota exhausted",
  MODEL_NOT_FOUND: "the model is not known there",
  RATE_LIMITED: "rate limited",
  OVERLOADED: "overloaded",
  UPSTREAM_UNAVAILABLE: "not available",
  UPSTREAM_PROTOCOL: "unusable answer",
};

/** Exact codes and types; they are believed whatever the status. */
const byWord: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  ["insufficient_quota", "QUOTA_EXHAUSTED"],
  ["credit_balance_exhausted", "QUOTA_EXHAUSTED"],
  ["billing_hard_limit_reached", "QUOTA_EXHAUSTED"],
  ["billing_not_active", "QUOTA_EXHAUSTED"],
  ["spend_limit_reached", "QUOTA_EXHAUSTED"],
  ["usage_limit_reached", "QUOTA_EXHAUSTED"],
  ["in_flight_budget_exhausted", "RATE_LIMITED"],
  ["context_length_exceeded", "CONTEXT_LENGTH_EXCEEDED"],
  ["content_policy_violation", "CONTENT_POLICY"],
  ["content_filter", "CONTENT_POLICY"],
  ["invalid_prompt", "CONTENT_POLICY"],
  ["responsibleaipolicyviolation", "CONTENT_POLICY"],
  ["unsupported_parameter", "UNSUPPORTED_FEATURE"],
  ["unsupported_value", "UNSUPPORTED_FEATURE"],
  ["invalid_api_key", "UPSTREAM_AUTH"],
  ["authentication_error", "UPSTREAM_AUTH"],
  ["permission_error", "UPSTREAM_AUTH"],
  ["unsupported_country_region_territory", "UPSTREAM_AUTH"],
  ["rate_limit_exceeded", "RATE_LIMITED"],
  ["rate_limit_error", "RATE_LIMITED"],
  ["slow_down", "RATE_LIMITED"],
  ["tokens", "RATE_LIMITED"],
  ["requests", "RATE_LIMITED"],
  ["server_is_overloaded", "OVERLOADED"],
  ["overloaded_error", "OVERLOADED"],
  ["service_unavailable_error", "OVERLOADED"],
  ["capacity_exceeded", "OVERLOADED"],
  ["request_too_large", "REQUEST_TOO_LARGE"],
  // Our name at Groq for a model that wrote a tool call nobody can read.
  ["tool_use_failed", "UPSTREAM_PROTOCOL"],
  ["model_not_found", "MODEL_NOT_FOUND"],
  ["deploymentnotfound", "MODEL_NOT_FOUND"],
  ["server_error", "UPSTREAM_UNAVAILABLE"],
  ["internal_server_error", "UPSTREAM_UNAVAILABLE"],
]);

/** What hosts say that send no codes; the first that fits. */
const byWords: readonly (readonly [pattern: RegExp, failure: Failure])[] = [
  [
    /insufficient_quota|credit balance is too low|exceeded your current quota|payment required|spend limit|insufficient balance/i,
    "QUOTA_EXHAUSTED",
  ],
  [/api key not valid|invalid api[ _]key|incorrect api key/i, "UPSTREAM_AUTH"],
  [
    /maximum context length|context_length_exceeded|(prompt|input) is too long|too many tokens|input token count|exceeds the maximum number of tokens|exceeded model token limit|context window/i,
    "CONTEXT_LENGTH_EXCEEDED",
  ],
  [/content (management )?policy|content_policy|usage guidelines|safety (system|policy|checks?)|flagged (as|by|for)/i, "CONTENT_POLICY"],
];

/** Ollama, vLLM and others say it in words only. */
const unknownModel = /\bmodel\b.{0,200}\b(?:not found|does not exist|not exist)\b/is;

function classify(status: number, facts: ErrorFacts): Failure {
  // A key that may not do this is the operator's trouble, except where the host means the prompt (xAI, OpenRouter).
  if (status === 401) return "UPSTREAM_AUTH";
  if (status === 429 || status === 413) return crowded(status, facts);
  const word = byWord.get(facts.code) ?? byWord.get(facts.type);
  if (status === 402) return word === "RATE_LIMITED" ? word : "QUOTA_EXHAUSTED";
  if (status === 403) return word === "CONTENT_POLICY" || byMessage(facts) === "CONTENT_POLICY" ? "CONTENT_POLICY" : "UPSTREAM_AUTH";
  if (status === 404) return word === "MODEL_NOT_FOUND" || unknownModel.test(facts.message) ? "MODEL_NOT_FOUND" : "UPSTREAM_UNAVAILABLE";
  if (status === 498 || status === 503 || status === 529) return "OVERLOADED";
  if (status === 400 || status === 422 || status === 200) return word ?? byMessage(facts) ?? ordinary(status, facts);
  return "UPSTREAM_UNAVAILABLE";
}

/** One request that alone is above the limit per minute never gets through; waiting helps the others. */
function crowded(status: number, facts: ErrorFacts): Failure {
  if (status === 413 || /request too large|tokens per request/i.test(facts.message)) return "REQUEST_TOO_LARGE";
  const quota =
    byWord.get(facts.code) === "QUOTA_EXHAUSTED" || byWord.get(facts.type) === "QUOTA_EXHAUSTED" || byMessage(facts) === "QUOTA_EXHAUSTED";
  if (quota) return "QUOTA_EXHAUSTED";
  return byWord.get(facts.code) === "OVERLOADED" ? "OVERLOADED" : "RATE_LIMITED";
}

function byMessage(facts: ErrorFacts): Failure | undefined {
  return byWords.find(([pattern]) => pattern.test(facts.message))?.[1];
}

/** A 400 is the request's fault; an error inside a 200 only if it says so. */
function ordinary(status: number, facts: ErrorFacts): Failure {
  if (status !== 200 || facts.type === "invalid_request_error") return "INVALID_REQUEST";
  return /overloaded|capacity/i.test(facts.message) ? "OVERLOADED" : "UPSTREAM_UNAVAILABLE";
}

function header(answer: UpstreamFailure, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** Milliseconds; `retry-after-ms` wins. A date is read against the answer's own clock, as we have none here. */
function retryAfter(answer: UpstreamFailure): number | undefined {
  const ms = positive(header(answer, "retry-after-ms"));
  if (ms !== undefined) return Math.ceil(ms);
  const text = header(answer, "retry-after");
  const seconds = positive(text);
  if (seconds !== undefined) return Math.ceil(seconds * 1000);
  const wait = Date.parse(text ?? "") - Date.parse(header(answer, "date") ?? "");
  return Number.isFinite(wait) && wait >= 0 ? wait : undefined;
}

function positive(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return Number(text);
}

/** "Please try again in 1.2s", where no header says it. */
function waitIn(failure: Failure, facts: ErrorFacts): number | undefined {
  if (failure !== "RATE_LIMITED") return undefined;
  const found = /try again in (?:(\d{1,4})m(?!s))?(?:(\d{1,6}(?:\.\d+)?)(ms|s))?/i.exec(facts.message);
  if (found === null || (found[1] === undefined && found[2] === undefined)) return undefined;
  const rest = Number(found[2] ?? 0) * (found[3] === "ms" ? 1 : 1000);
  return Math.ceil(Number(found[1] ?? 0) * 60_000 + rest);
}
