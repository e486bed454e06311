import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { knownBody } from "../../core/known-bodies.ts";
import { retryAfterMs, spanMs } from "../../core/retry-after.ts";
import { sanitized, shownId } from "../../core/sanitize.ts";
import { callerMayRead, failureOfStatus, waitHeals } from "../../core/upstream-status.ts";
import { knownBodies } from "./error-bodies.ts";
import { failureByWord, statusByType, wordsOfStaleState, wordsOfTheModel } from "./error-words.ts";
import { type ErrorFacts, factsFrom, factsFromText } from "./failure-shape.ts";

/** The failure behind an upstream's error answer; never throws, whatever the body. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const { status, headers, wallMs } = answer;
  const facts = factsFromText(answer.body);
  const said = verdictOn(status, facts);
  const upstream = { status, requestId: shownId(header(answer, "apim-request-id") ?? header(answer, "x-request-id")) };
  const wait = { status, headers: { ...facts.headers, ...headers }, wallMs, bodyMs: facts.waitMs ?? waitInWords(said.failure, facts) };
  return chatError(said, facts, `the upstream answered ${status}`, {
    upstream,
    ...(waitHeals.has(said.failure) && { retryAfterMs: retryAfterMs(wait) }),
  });
}

/** The failure behind an error object that came inside an answer with status 200. */
export function failureInside(value: unknown): ChatError {
  const facts = factsFrom(value);
  const meant = facts.status ?? facts.words.map((word) => statusByType.get(word)).find((status) => status !== undefined);
  const said = verdictOn(meant ?? 200, facts);
  const bodyMs = facts.waitMs ?? waitInWords(said.failure, facts);
  return chatError(said, facts, "the upstream answered with an error", {
    upstream: { status: 200, requestId: "" },
    ...(waitHeals.has(said.failure) && { retryAfterMs: retryAfterMs({ status: 200, headers: {}, wallMs: 0, bodyMs }) }),
  });
}

/** Which failure it is, and the field at fault. */
interface Verdict {
  readonly failure: Failure;
  readonly field: string | undefined;
  /** It is what the model wrote that failed. */
  readonly blameless: boolean;
  /** Sealed state of earlier turns was refused. */
  readonly staleState: boolean;
}

/** By status and typed body; words alone only where they are a vendor's own, in a table. */
function verdictOn(status: number, facts: ErrorFacts): Verdict {
  const known = knownBody(knownBodies, { status, messages: facts.messages });
  const alone = known?.means ?? aboveLimit(facts);
  const told = alone ?? facts.means ?? facts.words.map((word) => failureByWord.get(word)).find((failure) => failure !== undefined);
  const failure = failureOfStatus(status, told);
  const blameless = failure === "UPSTREAM_PROTOCOL" && facts.words.some((word) => wordsOfTheModel.has(word));
  const staleState = known?.stale === true || facts.words.some((word) => wordsOfStaleState.has(word));
  return {
    failure,
    blameless,
    staleState,
    field: known !== undefined && known.means === failure ? (known.field ?? facts.param) : facts.param,
  };
}

/** One request that is alone above the limit per minute never gets through, however long it waits. */
function aboveLimit({ messages }: ErrorFacts): Failure | undefined {
  for (const message of messages) {
    const [, limit, requested] = /^Request too large for [^:]{1,300}: Limit (\d{1,12}), Requested (\d{1,12})\b/.exec(message) ?? [];
    if (Number(requested) > Number(limit)) return "REQUEST_TOO_LARGE";
  }
  return undefined;
}

function chatError(
  { failure, field, blameless, staleState }: Verdict,
  facts: ErrorFacts,
  answered: string,
  known: ChatErrorOptions,
): ChatError {
  const plain = `${answered} (${meanings[failure] ?? "failure"})`;
  if (!callerMayRead.has(failure)) return new ChatError(failure, plain, { ...known, blameless });
  const text = sanitized(facts.messages.join(": "));
  const options = { ...known, fromUpstream: true, staleState, ...(field !== undefined && { field: sanitized(field) }) };
  return new ChatError(failure, text === "" ? plain : text, options);
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

function header(answer: UpstreamFailure, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** "Please try again in 1.2s", which OpenAI and Groq say under this code. */
function waitInWords(failure: Failure, { messages, words }: ErrorFacts): number | undefined {
  if (failure !== "RATE_LIMITED" || !words.includes("rate_limit_exceeded")) return undefined;
  for (const message of messages) {
    const [, span] = /\bPlease try again in ((?:\d{1,12}(?:\.\d{1,12})?(?:ms|h|m|s)){1,4})/.exec(message) ?? [];
    if (span !== undefined) return spanMs(span);
  }
  return undefined;
}
