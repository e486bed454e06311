import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { failureByGoogleReason, isDailyQuota, retryDelayMs } from "../../core/google-errors.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { knownBody } from "../../core/known-bodies.ts";
import { retryAfterMs } from "../../core/retry-after.ts";
import { sanitized, shownId } from "../../core/sanitize.ts";
import { callerMayRead, failureOfPage, failureOfStatus, waitHeals } from "../../core/upstream-status.ts";
import { knownBodies } from "./error-bodies.ts";

/** What an error says, wherever it stood. */
interface Complaint {
  /** HTTP status; inside an answer, the one it names or its word stands for. */
  readonly status: number;
  /** Google's canonical code, such as `INVALID_ARGUMENT`. */
  readonly word: string;
  readonly message: string;
  readonly details: readonly Fields[];
  /** What it means that it is no complaint of the API at all. */
  readonly page?: Failure | undefined;
}

/** An answer that broke Gemini's protocol. */
export function broken(text: string): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", `gemini: ${text}`);
}

/** The failure behind an HTTP error answer; never throws, and tolerates HTML, empty and cut bodies. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const { status, headers, wallMs } = answer;
  const said = { ...complaintIn(parsed(answer.body), status), page: failureOfPage(answer.body) };
  const upstream = { status, requestId: shownId(headerOf(answer, "x-request-id")) };
  return errorOf(said, { upstream, retryAfterMs: retryAfterMs({ status, headers, wallMs, bodyMs: retryDelayMs(said.details) }) });
}

/** The failure behind an error object inside an answer that began well. */
export function failureInside(body: Fields): ChatError {
  const said = complaintIn(body, 0);
  const code = isJsonObject(body["error"]) ? body["error"]["code"] : undefined;
  const status = typeof code === "number" && code >= 400 && code <= 599 ? code : (statuses.get(said.word) ?? 500);
  const waitMs = retryAfterMs({ status: 200, headers: {}, wallMs: 0, bodyMs: retryDelayMs(said.details) });
  return errorOf({ ...said, status }, { upstream: { status: 200, requestId: "" }, retryAfterMs: waitMs });
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const statuses: ReadonlyMap<string, number> = new Map([
  ["INVALID_ARGUMENT", 400],
  ["FAILED_PRECONDITION", 400],
  ["OUT_OF_RANGE", 400],
  ["UNAUTHENTICATED", 401],
  ["PERMISSION_DENIED", 403],
  ["NOT_FOUND", 404],
  ["RESOURCE_EXHAUSTED", 429],
  ["CANCELLED", 499],
  ["INTERNAL", 500],
  ["UNAVAILABLE", 503],
  ["DEADLINE_EXCEEDED", 504],
]);

/** What codes mean where the status does not say it. https://ai.google.dev/gemini-api/docs/troubleshooting */
const failureByCode: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  // The region, or billing that is not enabled: the operator's standing with Google, not the request.
  ["FAILED_PRECONDITION", "UPSTREAM_AUTH"],
  ["NOT_FOUND", "MODEL_NOT_FOUND"],
]);

function complaintIn(body: Fields, status: number): Complaint {
  const error = isJsonObject(body["error"]) ? body["error"] : {};
  const details = Array.isArray(error["details"]) ? error["details"].filter(isJsonObject) : [];
  return { status, word: textAt(error, "status"), message: textAt(error, "message"), details };
}

function failureOf({ status, word, message, details, page }: Complaint): Failure {
  if (isDailyQuota(details)) return failureOfStatus(status, "QUOTA_EXHAUSTED");
  const reasons = details.map((detail) => failureByGoogleReason.get(textAt(detail, "reason").toLowerCase()));
  const told = reasons.find((each) => each !== undefined) ?? knownBody(knownBodies, { status, messages: [message] })?.means;
  return failureOfStatus(status, told ?? failureByCode.get(word) ?? page);
}

function errorOf(said: Complaint, { retryAfterMs: waitMs, ...rest }: ChatErrorOptions): ChatError {
  const failure = failureOf(said);
  const options: ChatErrorOptions = waitHeals.has(failure) ? { ...rest, retryAfterMs: waitMs } : rest;
  if (!callerMayRead.has(failure) || said.message === "") return new ChatError(failure, ownMessage(said), options);
  const field = knownBody(knownBodies, { status: said.status, messages: [said.message] })?.field ?? violatedField(said.details);
  const more = field === undefined ? {} : { field: sanitized(field) };
  return new ChatError(failure, sanitized(said.message), { ...options, fromUpstream: true, ...more });
}

/** The field at fault in a BadRequest, in Google's words. */
function violatedField(details: readonly Fields[]): string | undefined {
  const violations = details.flatMap(({ fieldViolations: list }) => (Array.isArray(list) ? list.filter(isJsonObject) : []));
  const field = violations.map((violation) => textAt(violation, "field")).find((each) => each !== "");
  return field?.slice(0, 256);
}

/** The upstream's words may name projects; its code is a plain word or is left out. */
function ownMessage({ status, word }: Complaint): string {
  return `gemini answered ${status}${/^[A-Z_]{1,64}$/.test(word) ? ` (${word})` : ""}`;
}

/** The error object; streams that were not asked for events wrap it in a list, as Google's imitation of OpenAI's API does. */
function parsed(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    const error: unknown = Array.isArray(value) ? value[0] : value;
    return isJsonObject(error) ? error : {};
  } catch {
    return {};
  }
}

function headerOf(answer: UpstreamFailure, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : value?.[0];
}
