import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { type Fields, isFields, textAt } from "./fields.ts";

/** What an error answer says, wherever it stood. */
interface Complaint {
  /** HTTP status; inside a stream, the one its type stands for. */
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly message: string;
}

/** The failure behind an HTTP error answer; tolerates HTML, empty and cut bodies. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const body = parsed(answer.body);
  const requestId = headerOf(answer, "request-id") ?? textAt(body, "request_id");
  const upstream = { status: answer.status, requestId };
  return errorOf(complaintIn(body, answer.status), { upstream, ...retryAfter(answer) });
}

/** The failure behind an error object inside an answer that began well. */
export function failureInside(body: Fields): ChatError {
  const said = complaintIn(body, 0);
  const upstream = { status: 200, requestId: textAt(body, "request_id") };
  return errorOf({ ...said, status: statuses.get(said.type) ?? 500 }, { upstream });
}

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

function complaintIn(body: Fields, status: number): Complaint {
  const error = isFields(body["error"]) ? body["error"] : {};
  const details = isFields(error["details"]) ? error["details"] : {};
  return { status, type: textAt(error, "type"), code: textAt(details, "error_code"), message: textAt(error, "message") };
}

function errorOf(said: Complaint, options: ChatErrorOptions): ChatError {
  const failure = failureOf(said);
  const { retryAfterMs, ...rest } = options;
  const waits = failure === "RATE_LIMITED" || failure === "OVERLOADED" || failure === "UPSTREAM_UNAVAILABLE";
  const kept: ChatErrorOptions = waits && retryAfterMs !== undefined ? { ...rest, retryAfterMs } : rest;
  if (!callersOwn.has(failure) || said.message === "") return new ChatError(failure, ownMessage(said), kept);
  const message = sanitized(said.message);
  const field = /^([a-z][\w-]*(?:\.[\w-]+)*): /.exec(message)?.[1];
  return new ChatError(failure, message, { ...kept, fromUpstream: true, ...(field !== undefined && { field }) });
}

/** Failures whose reason is in the caller's request, so that the upstream's words help. */
const callersOwn: ReadonlySet<Failure> = new Set<Failure>(["INVALID_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "CONTENT_POLICY"]);

/** The upstream's words may name accounts; its type is a plain word or is left out. */
function ownMessage(said: Complaint): string {
  return `anthropic answered ${said.status}${/^[a-z_]{1,64}$/.test(said.type) ? ` (${said.type})` : ""}`;
}

const spendCodes: ReadonlySet<string> = new Set(["enforced_spend_limit_reached", "contract_spend_limit_reached"]);
const spend = /credit balance is too low|spend(?:ing)? limit|api usage limits|payment required/i;
const tooLong =
  /prompt is too long|input is too long|exceeds? (?:the )?(?:model'?s? )?context|context (?:window|limit|length)|too many tokens/i;
const filtered = /content filtering policy/i;

function failureOf({ status, type, code, message }: Complaint): Failure {
  const refused = status >= 400 && status < 500;
  if (status === 402 || type === "billing_error" || spendCodes.has(code) || (refused && spend.test(message))) return "QUOTA_EXHAUSTED";
  if (status === 529 || status === 503 || type === "overloaded_error") return "OVERLOADED";
  if (status === 401 || status === 403) return "UPSTREAM_AUTH";
  if (status === 413 || code === "request_body_too_large_after_decoding") return "REQUEST_TOO_LARGE";
  if (status === 429) return "RATE_LIMITED";
  if (type === "not_found_error" && /^model\b/i.test(message)) return "MODEL_NOT_FOUND";
  // A wrong path, a conflict, a wait the upstream gave up: nothing the caller's request is to blame for.
  if (!refused || status === 404 || status === 408 || status === 409 || status === 425) return "UPSTREAM_UNAVAILABLE";
  if (tooLong.test(message)) return "CONTEXT_LENGTH_EXCEEDED";
  if (filtered.test(message)) return "CONTENT_POLICY";
  return "INVALID_REQUEST";
}

const messageBytesMax = 1024;
const secrets = /\b(?:sk|pk)-[\w-]{6,}|\bbearer\s+[\w.~+/=-]{8,}/gi;

function sanitized(message: string): string {
  const clean = message.replaceAll(secrets, "***").replaceAll(/[\u0000-\u001f\u007f]+/g, " ");
  const { read } = new TextEncoder().encodeInto(clean, new Uint8Array(messageBytesMax));
  return clean.slice(0, read);
}

function parsed(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
}

function headerOf(answer: UpstreamFailure, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** `retry-after` as seconds, or as a date against the answer's own, since our clock may differ. */
function retryAfter(answer: UpstreamFailure): Pick<ChatErrorOptions, "retryAfterMs"> {
  const exact = Number.parseFloat(headerOf(answer, "retry-after-ms") ?? "");
  if (exact >= 0 && Number.isFinite(exact)) return { retryAfterMs: Math.ceil(exact) };
  const text = headerOf(answer, "retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return { retryAfterMs: Math.ceil(Number(text) * 1000) };
  const wait = Date.parse(text) - Date.parse(headerOf(answer, "date") ?? "");
  return Number.isNaN(wait) ? {} : { retryAfterMs: Math.max(0, wait) };
}
