import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { knownBody } from "../../core/known-bodies.ts";
import { retryAfterMs } from "../../core/retry-after.ts";
import { sanitized, shownId } from "../../core/sanitize.ts";
import { callerMayRead, failureOfPage, failureOfStatus, waitHeals } from "../../core/upstream-status.ts";
import { knownBodies } from "./error-bodies.ts";
import { type Fields, isJsonObject, textAt } from "./fields.ts";

/** What an error says, wherever it stood. */
interface Complaint {
  /** HTTP status; 200: inside an answer, which has none of its own. */
  readonly status: number;
  /** Cohere's `error_type`, in upper case as it came; empty where it has none. */
  readonly type: string;
  readonly message: string;
  /** What it means that it is no complaint of the API at all. */
  readonly page?: Failure | undefined;
}

/** The failure behind an HTTP error answer; never throws, and tolerates HTML, empty and cut bodies. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const { status, headers, wallMs } = answer;
  const body = parsed(answer.body);
  const upstream = {
    status,
    requestId: shownId(headerOf(answer, "x-debug-trace-id") ?? headerOf(answer, "x-request-id") ?? textAt(body, "id")),
  };
  const said = { ...complaintIn(body, status), page: failureOfPage(answer.body) };
  return errorOf(said, { upstream, retryAfterMs: retryAfterMs({ status, headers, wallMs }) });
}

/** The failure behind an error inside an answer that began well. */
export function failureInside(body: Fields): ChatError {
  return errorOf(complaintIn(body, 200), { upstream: { status: 200, requestId: shownId(textAt(body, "id")) } });
}

/** Whether parsed JSON is an error where an answer was expected: an answer's `message` is an object. */
export function isErrorBody(body: Fields): boolean {
  return typeof body["message"] === "string" || isJsonObject(body["error"]) || textAt(body, "error_type") !== "";
}

/** What `error_type` means. */
const failureByType: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  ["TOO_MANY_TOKENS", "CONTEXT_LENGTH_EXCEEDED"],
  // What its model wrote nobody can read: another try may fare better.
  ["INVALID_TOOL_GENERATION", "UPSTREAM_PROTOCOL"],
]);

/** Where `error_type` is missing, this says the same. https://docs.cohere.com/reference/errors */
const unreadableCall = /^your request resulted in an invalid tool generation\b/;

function complaintIn(body: Fields, status: number): Complaint {
  const inner = isJsonObject(body["error"]) ? body["error"] : body;
  return { status, type: textAt(inner, "error_type"), message: textAt(inner, "message") };
}

function verdictOn({ status, type, message, page }: Complaint): { readonly failure: Failure; readonly field: string | undefined } {
  // A word on Cohere's deny list, in the prompt or the answer. Elsewhere 498 is a matter of capacity.
  if (status === 498) return { failure: "CONTENT_POLICY", field: undefined };
  const known = knownBody(knownBodies, { status, messages: [message] });
  const unreadable: Failure | undefined = unreadableCall.test(message) ? "UPSTREAM_PROTOCOL" : undefined;
  const told = known?.means ?? failureByType.get(type) ?? unreadable ?? page;
  const failure = failureOfStatus(status, told);
  return { failure, field: known?.means === failure ? known.field : undefined };
}

function errorOf(said: Complaint, { retryAfterMs: waitMs, ...rest }: ChatErrorOptions): ChatError {
  const { failure, field } = verdictOn(said);
  const options: ChatErrorOptions = {
    ...rest,
    ...(waitHeals.has(failure) && { retryAfterMs: waitMs }),
    // It is what the model wrote that failed.
    blameless: failure === "UPSTREAM_PROTOCOL",
  };
  if (!callerMayRead.has(failure) || said.message === "") return new ChatError(failure, ownMessage(said), options);
  return new ChatError(failure, sanitized(said.message), { ...options, fromUpstream: true, ...(field !== undefined && { field }) });
}

/** The upstream's words may name accounts; its type is a plain word or is left out. */
function ownMessage({ status, type }: Complaint): string {
  const answered = status === 200 ? "cohere answered with an error" : `cohere answered ${status}`;
  return `${answered}${/^[A-Z_]{1,64}$/.test(type) ? ` (${type.toLowerCase()})` : ""}`;
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
