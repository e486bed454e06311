import type { UpstreamFailure } from "../../core/dialect.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../core/error.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { knownBody } from "../../core/known-bodies.ts";
import { retryAfterMs } from "../../core/retry-after.ts";
import { sanitized, shownId } from "../../core/sanitize.ts";
import { failureOfPage, failureOfStatus } from "../../core/upstream-status.ts";
import { knownBodies } from "./error-bodies.ts";

/** What an error says, wherever it stood. */
interface Complaint {
  /** HTTP status; inside a stream, the one its type stands for. */
  readonly status: number;
  /** Such as `ThrottlingException`. */
  readonly type: string;
  readonly message: string;
  /** What it means that it is no complaint of the API at all. */
  readonly page?: Failure | undefined;
  /** Seconds by which our clock differs from the answer's; undefined: not told. */
  readonly skewSeconds?: number | undefined;
}

/** The failure behind an HTTP error answer; never throws, and tolerates HTML, empty and cut bodies. */
export function failureFrom(answer: UpstreamFailure): ChatError {
  const { status, headers, wallMs } = answer;
  const body = parsed(answer.body);
  const type = typeFrom(headerOf(answer, "x-amzn-errortype") ?? textAt(body, "__type"));
  const skewSeconds = skewOf(headerOf(answer, "date"), wallMs);
  const said = { status, type, message: messageIn(body), page: failureOfPage(answer.body), skewSeconds };
  const upstream = { status, requestId: shownId(headerOf(answer, "x-amzn-requestid")) };
  return errorOf(said, { upstream, retryAfterMs: retryAfterMs({ status, headers, wallMs }) });
}

/** The failure behind an exception inside a stream, or an error inside an answer that began well. */
export function failureInside(name: string, body: Fields): ChatError {
  const type = typeFrom(name === "error" ? textAt(body, "code") : name);
  const status = statuses.get(type.toLowerCase()) ?? 500;
  return errorOf({ status, type, message: messageIn(body) }, { upstream: { status: 200, requestId: "" } });
}

/** `ValidationException:http://internal.amazon.com/…`, and `com.amazon.coral.service#ValidationException`. */
function typeFrom(written: string): string {
  const bare = written.split(":")[0] ?? "";
  return bare.slice(bare.lastIndexOf("#") + 1).trim();
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; names in streams begin with a small letter. */
const statuses: ReadonlyMap<string, number> = new Map([
  ["validationexception", 400],
  ["accessdeniedexception", 403],
  ["resourcenotfoundexception", 404],
  ["modeltimeoutexception", 408],
  ["modelerrorexception", 424],
  ["modelstreamerrorexception", 424],
  ["throttlingexception", 429],
  ["modelnotreadyexception", 429],
  ["internalserverexception", 500],
  ["serviceunavailableexception", 503],
]);

/** What types mean where the status does not say it. */
const failureByType: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  ["servicequotaexceededexception", "QUOTA_EXHAUSTED"],
  ["modelnotreadyexception", "OVERLOADED"],
  ["resourcenotfoundexception", "MODEL_NOT_FOUND"],
  ["expiredtokenexception", "UPSTREAM_AUTH"],
  ["unrecognizedclientexception", "UPSTREAM_AUTH"],
  ["invalidsignatureexception", "UPSTREAM_AUTH"],
  ["signaturedoesnotmatch", "UPSTREAM_AUTH"],
  ["incompletesignatureexception", "UPSTREAM_AUTH"],
  ["missingauthenticationtokenexception", "UPSTREAM_AUTH"],
  ["requesttimetooskewed", "UPSTREAM_AUTH"],
]);

/** What an operator can do about a credential that was refused. */
const hints: ReadonlyMap<string, string> = new Map([
  ["expiredtokenexception", "the session token has expired"],
  ["unrecognizedclientexception", "the access key or the session token is not known"],
  ["invalidsignatureexception", "the signature does not match: check secret_access_key and region"],
  ["signaturedoesnotmatch", "the signature does not match: check secret_access_key and region"],
]);

/** How models' own errors are passed on. */
const ofModel = "The model returned the following errors: ";

function failureOf({ status, type, message, page }: Complaint): { readonly failure: Failure; readonly field: string | undefined } {
  const inner = message.startsWith(ofModel) ? message.slice(ofModel.length) : message;
  const known = knownBody(knownBodies, { status, messages: [message, inner] });
  const failure = failureOfStatus(status, known?.means ?? failureByType.get(type.toLowerCase()) ?? page);
  return { failure, field: failure === known?.means ? known.field : undefined };
}

/** Failures that waiting can heal. */
const waits: ReadonlySet<Failure> = new Set<Failure>(["RATE_LIMITED", "OVERLOADED", "UPSTREAM_UNAVAILABLE"]);

/** Failures whose reason is in the caller's request, so that the upstream's words help. */
const callersOwn: ReadonlySet<Failure> = new Set<Failure>([
  "INVALID_REQUEST",
  "CONTEXT_LENGTH_EXCEEDED",
  "CONTENT_POLICY",
  "UNSUPPORTED_FEATURE",
]);

function errorOf(said: Complaint, { retryAfterMs: waitMs, ...rest }: ChatErrorOptions): ChatError {
  const { failure, field } = failureOf(said);
  const options: ChatErrorOptions = { ...rest, ...(waits.has(failure) && { retryAfterMs: waitMs }), ...(field !== undefined && { field }) };
  if (!callersOwn.has(failure) || said.message === "") return new ChatError(failure, ownMessage(said, failure), options);
  return new ChatError(failure, sanitized(said.message), { ...options, fromUpstream: true });
}

/** The upstream's words may name accounts, and say a signature back; its type is a plain word or is left out. */
function ownMessage(said: Complaint, failure: Failure): string {
  const plain = `bedrock answered ${said.status}${/^[A-Za-z]{1,64}$/.test(said.type) ? ` (${said.type})` : ""}`;
  if (failure !== "UPSTREAM_AUTH") return plain;
  const hint = isOfClock(said) ? clockHint(said.skewSeconds) : hints.get(said.type.toLowerCase());
  return hint === undefined ? plain : `${plain}: ${hint}`;
}

/** https://github.com/aws/aws-sdk-js/issues/1652, https://github.com/anthropics/anthropic-sdk-go/issues/122 */
function isOfClock({ type, message }: Complaint): boolean {
  return type.toLowerCase() === "requesttimetooskewed" || /^Signature (?:expired|not yet current)\b/.test(message);
}

function clockHint(seconds: number | undefined): string {
  const by = seconds === undefined || Math.abs(seconds) < 60 ? "" : `; it is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`;
  return `a signature holds for five minutes, so check this machine's clock${by}`;
}

function skewOf(date: string | undefined, wallMs: number): number | undefined {
  const theirs = Date.parse(date ?? "");
  return Number.isNaN(theirs) ? undefined : Math.round((wallMs - theirs) / 1000);
}

function messageIn(body: Fields): string {
  const message = textAt(body, "message");
  return message === "" ? textAt(body, "Message") : message;
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
