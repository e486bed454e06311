import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { knownBody } from "../../core/known-bodies.ts";
import { retryAfterMs } from "../../core/retry-after.ts";
import { sanitized, shownId } from "../../core/sanitize.ts";
import { callerMayRead, failureOfPage, failureOfStatus, waitHeals } from "../../core/upstream-status.ts";
import { knownBodies } from "./error-bodies.ts";
import { type Fields, isJsonObject, textAt } from "./fields.ts";

/** What an error answer says, wherever it stood. */
interface Complaint {
  /** HTTP status; inside a stream, the one its type stands for. */
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly message: string;
  /** What it means that it is no complaint of the API at all. */
  readonly page?: Failure | undefined;
}

/** The failure behind an HTTP error answer; never throws, and tolerates HTML, empty and cut bodies. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const { status, headers, wallMs } = answer;
  const body = parsed(answer.body);
  const upstream = { status, requestId: shownId(headerOf(answer, "request-id") ?? textAt(body, "request_id")) };
  const said = { ...complaintIn(body, status), page: failureOfPage(answer.body) };
  return errorOf(said, { upstream, retryAfterMs: retryAfterMs({ status, headers, wallMs }) });
}

/** The failure behind an error object inside an answer that began well. */
export function failureInside(body: Fields): ChatError {
  const said = complaintIn(body, 0);
  const upstream = { status: 200, requestId: shownId(textAt(body, "request_id")) };
  return errorOf({ ...said, status: statuses.get(said.type) ?? 500 }, { upstream });
}

/** https://docs.claude.com/en/api/errors */
const statuses: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["billing_error", 402],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["conflict_error", 409],
  ["request_too_large", 413],
  ["rate_limit_error", 429],
  ["api_error", 500],
  ["timeout_error", 504],
  ["overloaded_error", 529],
]);

/** What types and `details.error_code` mean where the status does not say it. */
const failureByWord: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  ["enforced_spend_limit_reached", "QUOTA_EXHAUSTED"],
  ["contract_spend_limit_reached", "QUOTA_EXHAUSTED"],
  ["request_body_too_large_after_decoding", "REQUEST_TOO_LARGE"],
  ["billing_error", "QUOTA_EXHAUSTED"],
  ["authentication_error", "UPSTREAM_AUTH"],
  ["request_too_large", "REQUEST_TOO_LARGE"],
  ["rate_limit_error", "RATE_LIMITED"],
  ["overloaded_error", "OVERLOADED"],
]);

function complaintIn(body: Fields, status: number): Complaint {
  const error = isJsonObject(body["error"]) ? body["error"] : {};
  const details = isJsonObject(error["details"]) ? error["details"] : {};
  return { status, type: textAt(error, "type"), code: textAt(details, "error_code"), message: textAt(error, "message") };
}

function verdictOn({ status, type, code, message, page }: Complaint): { readonly failure: Failure; readonly staleState: boolean } {
  const known = knownBody(knownBodies, { status, messages: [message] });
  const failure = failureOfStatus(status, known?.means ?? failureByWord.get(code) ?? failureByWord.get(type) ?? page);
  return { failure, staleState: known?.stale === true };
}

function errorOf(said: Complaint, { retryAfterMs: waitMs, ...rest }: ChatErrorOptions): ChatError {
  const { failure, staleState } = verdictOn(said);
  const options: ChatErrorOptions = waitHeals.has(failure) ? { ...rest, retryAfterMs: waitMs } : rest;
  if (!callerMayRead.has(failure) || said.message === "") return new ChatError(failure, ownMessage(said), options);
  const message = sanitized(said.message);
  const field = /^([a-z][\w-]*(?:\.[\w-]+)*): /.exec(message)?.[1];
  return new ChatError(failure, message, { ...options, fromUpstream: true, staleState, ...(field !== undefined && { field }) });
}

/** The upstream's words may name accounts; its type is a plain word or is left out. */
function ownMessage(said: Complaint): string {
  return `anthropic answered ${said.status}${/^[a-z_]{1,64}$/.test(said.type) ? ` (${said.type})` : ""}`;
}

function parsed(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

function headerOf(answer: UpstreamFailure, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : value?.[0];
}
