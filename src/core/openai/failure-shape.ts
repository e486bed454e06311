import type { Failure } from "../../core/error.ts";
import { isDailyQuota, retryDelayMs } from "../../core/google-errors.ts";
import { failureOfPage } from "../../core/upstream-status.ts";
import { failureByOpenRouter } from "./error-words.ts";
import { isJsonObject, type JsonObject } from "../json-fields.ts";

/** What an error answer says, whatever its shape. */
export interface ErrorFacts {
  /** The upstream's own words, unchanged, and those it wraps: to be compared, and sanitized before anybody sees them. */
  readonly messages: readonly string[];
  /** Codes and types in lower case, the most exact first. */
  readonly words: readonly string[];
  /** What it says in a vocabulary of its own, where words of the same name mean something else. */
  readonly means: Failure | undefined;
  /** A numeric code, which some hosts use for the status they meant. */
  readonly status: number | undefined;
  /** Path of the field at fault, in OpenAI's words. */
  readonly param: string | undefined;
  /** How long to wait, in milliseconds; infinite: until tomorrow. */
  readonly waitMs: number | undefined;
  /** Headers that a gateway tells of the answer it got; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

const nothing: ErrorFacts = {
  messages: [],
  words: [],
  means: undefined,
  status: undefined,
  param: undefined,
  waitMs: undefined,
  headers: {},
};
/** Errors wrapped in errors, and arrays around them, are followed so far. */
const depthMax = 4;

/** Facts in an error body's text: JSON of any shape we know of, HTML, plain text, nothing. */
export function factsFromText(text: string): ErrorFacts {
  return factsOfText(text, 0);
}

/**
 * Facts in parsed JSON: `{error:{…}}` of OpenAI, `{error:"text"}`, the flat objects of Mistral and old vLLM, `{detail}` of
 * FastAPI, and the arrays of Google's compatible endpoint.
 */
export function factsFrom(value: unknown): ErrorFacts {
  return factsOfValue(value, 0);
}

/** Whether parsed JSON is an error where an answer was expected. */
export function isErrorBody(value: unknown): boolean {
  if (Array.isArray(value)) return isJsonObject(value[0]) && isErrorBody(value[0]);
  return isJsonObject(value) && (Boolean(value["error"]) || value["object"] === "error");
}

function factsOfText(text: string, depth: number): ErrorFacts {
  const trimmed = text.trim();
  if (trimmed === "") return nothing;
  const page = failureOfPage(trimmed);
  if (page !== undefined) return { ...nothing, means: page };
  return factsOfJson(trimmed, depth) ?? { ...nothing, messages: [trimmed] };
}

function factsOfJson(text: string, depth: number): ErrorFacts | undefined {
  if (!/^[[{"]/.test(text)) return undefined;
  try {
    return factsOfValue(JSON.parse(text), depth);
  } catch {
    return undefined;
  }
}

function factsOfValue(value: unknown, depth: number): ErrorFacts {
  if (depth > depthMax) return nothing;
  if (typeof value === "string") return factsOfText(value, depth + 1);
  if (Array.isArray(value)) return factsOfValue(value[0], depth + 1);
  if (!isJsonObject(value)) return nothing;
  const { error } = value;
  if (isJsonObject(error)) return factsOfError(error, messageOf(error), depth);
  return factsOfError(value, typeof error === "string" ? error : messageOf(value), depth);
}

function factsOfError(error: JsonObject, message: string, depth: number): ErrorFacts {
  const { code, type, param, status, innererror, metadata } = error;
  const details = objectsIn(error["details"]);
  const inner = isJsonObject(innererror) ? innererror["code"] : undefined;
  const reasons = details.map((detail) => detail["reason"]);
  const own: ErrorFacts = {
    messages: message === "" ? [] : [message],
    words: [inner, ...reasons, code, type, status].map(word).filter((each) => each !== ""),
    means: undefined,
    status: statusIn(code) ?? statusIn(status),
    param: typeof param === "string" && param !== "" ? param.slice(0, 256) : locationOf(error),
    waitMs: waitIn(details),
    headers: {},
  };
  // Gateways put the body of the vendor behind them into the message.
  const wrapped = message.startsWith("{") || message.startsWith("[") ? factsOfJson(message, depth + 1) : undefined;
  const facts = wrapped === undefined ? own : withInner({ ...own, messages: [] }, wrapped);
  return isJsonObject(metadata) ? withMetadata(facts, metadata, depth) : facts;
}

/** OpenRouter: its own words, and what the vendor behind it said. https://openrouter.ai/docs/api/reference/errors-and-debugging */
function withMetadata(facts: ErrorFacts, metadata: JsonObject, depth: number): ErrorFacts {
  const { raw, headers } = metadata;
  const told = [metadata["limit_source"], metadata["reason"], metadata["error_type"]]
    .map(word)
    .find((each) => each !== "" && failureByOpenRouter.has(each));
  const flagged = metadata["flagged_input"] !== undefined;
  const own: ErrorFacts = {
    ...facts,
    // Its `invalid_prompt` is no matter of policy.
    words: told === "invalid_prompt" ? [] : facts.words,
    means: flagged ? "CONTENT_POLICY" : told === undefined ? undefined : failureByOpenRouter.get(told),
    headers: isJsonObject(headers) ? lowerCased(headers) : {},
  };
  return typeof raw === "string" ? withInner(own, factsOfText(raw, depth + 1)) : own;
}

function withInner(outer: ErrorFacts, inner: ErrorFacts): ErrorFacts {
  return {
    messages: [...outer.messages, ...inner.messages],
    words: [...outer.words, ...inner.words],
    means: outer.means ?? inner.means,
    status: outer.status ?? inner.status,
    param: outer.param ?? inner.param,
    waitMs: outer.waitMs ?? inner.waitMs,
    headers: { ...inner.headers, ...outer.headers },
  };
}

/** Google's wait; a quota of the day is back tomorrow, whatever it says. */
function waitIn(details: readonly JsonObject[]): number | undefined {
  return isDailyQuota(details) ? Number.POSITIVE_INFINITY : retryDelayMs(details);
}

function statusIn(value: unknown): number | undefined {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  return Number.isInteger(number) && number >= 400 && number <= 599 ? number : undefined;
}

/** Lower case; empty for what is no word, such as a number. */
function word(value: unknown): string {
  return typeof value === "string" && value.length <= 128 && Number.isNaN(Number(value)) ? value.toLowerCase() : "";
}

function lowerCased(headers: JsonObject): Record<string, string> {
  const pairs = Object.entries(headers).filter((pair): pair is [string, string] => typeof pair[1] === "string");
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
}

/** A text, or the list of complaints that pydantic writes: `{detail:[{loc,msg}]}`. */
function messageOf(error: JsonObject): string {
  const value = error["message"] ?? error["detail"];
  if (typeof value === "string") return value.trim();
  return complaints(value)
    .map((each) => [pathOf(each).join("."), each["msg"]].filter((text) => typeof text === "string" && text !== "").join(": "))
    .join("; ");
}

function locationOf(error: JsonObject): string | undefined {
  const [first] = complaints(error["message"] ?? error["detail"]);
  const path = first === undefined ? [] : pathOf(first).filter((step) => step !== "body");
  return path.length === 0 ? undefined : path.join(".").slice(0, 256);
}

function pathOf(complaint: JsonObject): readonly (string | number)[] {
  const { loc } = complaint;
  return Array.isArray(loc) ? loc.filter((step) => typeof step === "string" || typeof step === "number") : [];
}

function complaints(value: unknown): readonly JsonObject[] {
  return isJsonObject(value) ? objectsIn(value["detail"]) : objectsIn(value);
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
