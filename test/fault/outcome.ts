/**
 * What a caller must see of each end of a call, by every door: the published table of outcomes (docs/protocols.md), written down a
 * second time on purpose, so that a slip in the server's own table shows.
 */
import { expect } from "vitest";
import type { Failure } from "../../src/core/error.ts";
import { type Answer, type DoorClient, Refused } from "../e2e/doors.ts";
import { canaries, expectNoCanary, expectNoSecret } from "./canaries.ts";

/** How a call must end. */
export type Expected = Answered | Failed | Cut;

/** The caller got a whole answer. */
export interface Answered {
  readonly ends: "answered";
  /** Undefined: the row looks at the text itself. */
  readonly text: string | undefined;
  /** Undefined: the row looks at the number itself. */
  readonly attempts: number | undefined;
  /** A heartbeat had to go first: SSE tells no attempts, because its head had left. */
  readonly afterHead?: true;
}

/** The caller was told why there is none, before any content. */
export interface Failed {
  readonly ends: "failed";
  readonly reason: Exclude<Failure, "CANCELLED" | "STREAM_INTERRUPTED">;
  /** Undefined: the row looks at the number itself. */
  readonly attempts: number | undefined;
  /** Bounds of the wait in milliseconds that the answer must name; undefined: as the table has it. */
  readonly waitMs?: readonly [least: number, most: number];
  /** A heartbeat had to go first: SSE has its status already, and the error is an event of the stream. */
  readonly afterHead?: true;
}

/** The caller got content, and then was told that there is no more. */
export interface Cut {
  readonly ends: "cut";
  /** Undefined: the row looks at the text itself. */
  readonly text: string | undefined;
  readonly attempts: number;
}

/** A good end. */
export function answered(text: string | undefined, attempts: number | undefined, more: Pick<Answered, "afterHead"> = {}): Answered {
  return { ends: "answered", text, attempts, ...more };
}

/** A refusal. */
export function failed(reason: Failed["reason"], attempts: number | undefined, more: Pick<Failed, "waitMs" | "afterHead"> = {}): Failed {
  return { ends: "failed", reason, attempts, ...more };
}

/** An end within the answer. */
export function cut(text: string | undefined, attempts: number): Cut {
  return { ends: "cut", text, attempts };
}

/** One row of the table. */
export interface OutcomeRow {
  readonly http: number;
  readonly type: string;
  readonly code: string;
  /** Type, and status where it is another, in Anthropic's shape. */
  readonly anthropic: readonly [type: string, http?: number];
  readonly grpc: number;
  /** `never`: the answer says `x-should-retry: false`; `after`: it names a wait. */
  readonly retry?: "never" | "after";
}

const invalid = { http: 400, type: "invalid_request_error", anthropic: ["invalid_request_error"], grpc: 3 } as const;
const server = "server_error";
const api = { anthropic: ["api_error"] } as const;
const full = { anthropic: ["overloaded_error", 529] } as const;
const limited = { anthropic: ["rate_limit_error"] } as const;

/** Every end that a caller can see. */
export const outcomes: Readonly<Record<Exclude<Failure, "CANCELLED">, OutcomeRow>> = {
  INVALID_REQUEST: { ...invalid, code: "invalid_request" },
  CONTEXT_LENGTH_EXCEEDED: { ...invalid, code: "context_length_exceeded" },
  CONTENT_POLICY: { ...invalid, code: "content_policy_violation" },
  UNSUPPORTED_FEATURE: { ...invalid, code: "unsupported_parameter" },
  REQUEST_TOO_LARGE: { anthropic: ["request_too_large"], http: 413, type: "invalid_request_error", code: "request_too_large", grpc: 8 },
  CALLER_UNAUTHENTICATED: {
    anthropic: ["authentication_error"],
    http: 401,
    type: "authentication_error",
    code: "invalid_api_key",
    grpc: 16,
  },
  CALLER_FORBIDDEN: { anthropic: ["permission_error"], http: 403, type: "permission_error", code: "permission_denied", grpc: 7 },
  MODEL_NOT_FOUND: { anthropic: ["not_found_error"], http: 404, type: "invalid_request_error", code: "model_not_found", grpc: 5 },
  CALLER_RATE_LIMITED: { ...limited, http: 429, type: "rate_limit_error", code: "rate_limit_exceeded", grpc: 8, retry: "after" },
  BUDGET_EXHAUSTED: { ...limited, http: 429, type: "insufficient_quota", code: "insufficient_quota", grpc: 8, retry: "never" },
  RATE_LIMITED: { ...limited, http: 429, type: "rate_limit_error", code: "upstream_rate_limited", grpc: 8, retry: "after" },
  QUOTA_EXHAUSTED: { ...api, http: 502, type: server, code: "upstream_quota_exhausted", grpc: 13, retry: "never" },
  UPSTREAM_AUTH: { ...api, http: 502, type: server, code: "upstream_auth", grpc: 13, retry: "never" },
  UPSTREAM_UNAVAILABLE: { ...api, http: 502, type: server, code: "upstream_unavailable", grpc: 14, retry: "never" },
  UPSTREAM_PROTOCOL: { ...api, http: 502, type: server, code: "upstream_invalid_response", grpc: 14, retry: "never" },
  OVERLOADED: { ...full, http: 503, type: "overloaded_error", code: "upstream_overloaded", grpc: 14, retry: "after" },
  NO_TARGET: { ...full, http: 503, type: server, code: "no_target_available", grpc: 14, retry: "after" },
  SHED: { ...full, http: 503, type: "overloaded_error", code: "overloaded", grpc: 14, retry: "after" },
  DRAINING: { ...full, http: 503, type: server, code: "draining", grpc: 14 },
  STORE_UNAVAILABLE: { ...api, http: 503, type: server, code: "store_unavailable", grpc: 14, retry: "after" },
  TIMEOUT: { ...api, http: 504, type: server, code: "upstream_timeout", grpc: 14, retry: "never" },
  DEADLINE_EXCEEDED: { ...api, http: 504, type: server, code: "deadline_exceeded", grpc: 4, retry: "never" },
  STREAM_INTERRUPTED: { ...api, http: 200, type: server, code: "stream_interrupted", grpc: 14 },
  INTERNAL: { ...api, http: 500, type: server, code: "internal_error", grpc: 13, retry: "never" },
};

/** What came of a call: an answer, a refusal, or what is neither. */
export type End = Answer | Refused | { readonly broke: unknown };

/** Waits for the call and keeps what came of it. */
export async function endOf(call: Promise<Answer>): Promise<End> {
  try {
    return await call;
  } catch (thrown) {
    return thrown instanceof Refused ? thrown : { broke: thrown };
  }
}

/** The caller saw what it must see by this door, and no canary where it does not belong. */
export function expectEnd(end: End, expected: Expected, door: DoorClient): void {
  if ("broke" in end) throw new Error(`${door.name} ended without a word of the server: ${String(end.broke)}`, { cause: end.broke });
  expectNoCanary(withoutWords(JSON.stringify([...end.headers])), "headers");
  if (expected.ends === "answered") {
    if (end instanceof Refused) throw new Error(`expected an answer, got ${end.message}`, { cause: end });
    if (expected.text !== undefined) expect(end.text).toBe(expected.text);
    if (expected.attempts !== undefined)
      expectAttempts(
        end.headers,
        expected.afterHead === true && door.streamed && door.rest && door.name !== "WebSocket" ? null : expected.attempts,
      );
    return;
  }
  if (!(end instanceof Refused)) throw new Error(`expected ${reasonOf(expected)}, got the answer ${JSON.stringify(end.text)}`);
  expectRefusal(end, expected, door);
}

/** As log lines name it. */
export function reasonOf(expected: Expected): Failure | undefined {
  if (expected.ends === "answered") return undefined;
  return expected.ends === "cut" ? "STREAM_INTERRUPTED" : expected.reason;
}

function expectRefusal(end: Refused, expected: Failed | Cut, door: DoorClient): void {
  const reason = expected.ends === "cut" ? "STREAM_INTERRUPTED" : expected.reason;
  const row = outcomes[reason];
  const { rest } = door;
  const anthropic = door.door === "anthropic";
  // A WebSocket's signs of life are no head of an answer.
  const inStream = expected.ends === "cut" || (expected.afterHead === true && door.streamed && door.name !== "WebSocket");
  const seen = { reason: end.word, status: end.status, text: end.text };
  const text = expected.ends === "cut" ? (expected.text ?? end.text) : "";
  if (!rest) expect(seen, end.body).toEqual({ reason, status: row.grpc, text });
  else {
    const [type, http = row.http] = row.anthropic;
    const told = anthropic ? { reason: type, status: http } : { reason: row.code, status: row.http };
    expect(seen, end.body).toEqual({ ...told, ...(inStream && { status: 200 }), text });
  }

  // What the error itself says; content that came before it is the caller's own.
  const sse = rest && inStream && door.name !== "WebSocket";
  const said = sse ? end.body.slice(end.body.lastIndexOf(anthropic ? 'data: {"type":"error"' : 'data: {"error"')) : end.body;
  expectNoCanary(withoutWords(said), "an error");
  expectNoSecret(end.body, "an answer");
  if (rest) {
    const error = anthropic ? { type: row.anthropic[0] } : { type: row.type, code: row.code };
    expect(JSON.parse(said.replace(/^data: /, ""))).toMatchObject({ error });
    expect(end.body).not.toMatch(/\[DONE\]|event: message_stop/);
  }
  // Headers of an error inside an SSE stream have left before it was known.
  if (sse) return;
  if (expected.attempts !== undefined) expectAttempts(end.headers, expected.attempts);
  if (row.retry !== undefined) expect(end.headers.get("x-should-retry")).toBe(row.retry === "never" ? "false" : null);
  expectWait(end, expected, row, rest);
}

/** What an upstream says of the request it refuses is for the caller; gRPC carries it among the trailers. */
function withoutWords(text: string): string {
  return text.replaceAll(canaries.words, "");
}

/** Metadata of an RPC that failed in its stream unites headers and trailers: both must tell the same. */
function expectAttempts(headers: Headers, attempts: number | null): void {
  const told = headers.get("x-semaroute-attempts");
  expect(told === null ? null : [...new Set(told.split(", "))], "x-semaroute-attempts").toEqual(
    attempts === null ? null : [String(attempts)],
  );
}

function expectWait(end: Refused, expected: Failed | Cut, row: OutcomeRow, rest: boolean): void {
  const ms = end.headers.get("retry-after-ms");
  if (row.retry !== "after") return;
  expect(ms, "retry-after-ms").toMatch(/^\d+$/);
  expect(end.headers.get("retry-after")).toBe(String(Math.ceil(Number(ms) / 1000)));
  if (!rest) expect(end.retryMs, "RetryInfo").toBe(Number(ms));
  if (expected.ends !== "failed" || expected.waitMs === undefined) return;
  expect(Number(ms)).toBeGreaterThanOrEqual(expected.waitMs[0]);
  expect(Number(ms)).toBeLessThanOrEqual(expected.waitMs[1]);
}
