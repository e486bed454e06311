/** The contract's table of outcomes, row by row, as it leaves by each door: written down a second time on purpose. */
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { settingsSchema } from "../../src/config/schema.ts";
import { ErrorReason } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { Router } from "../../src/core/router.ts";
import { Secret } from "../../src/core/secret.ts";
import { createDoors } from "../../src/doors.ts";
import { listen, type Listener } from "../../src/server/listen.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { doorClients, refusal } from "../e2e/doors.ts";
import { messagesDoors } from "../e2e/messages-door.ts";
import { attemptOf, chatRequest } from "../support/attempt.ts";
import { fakeOperations } from "./fake-operations.ts";

interface Row {
  readonly failure: Failure;
  readonly http: number;
  readonly type: string;
  readonly code: string;
  readonly grpc: Code;
  /** `no`: the status says so. `never`: the header says so. `waits`: not before the wait is over. `free`: as the client likes. */
  readonly retry: "no" | "never" | "waits" | "free";
}

const row = (failure: Failure, http: number, words: string, grpc: Code, retry: Row["retry"]): Row => {
  const [type = "", code = ""] = words.split(" / ");
  return { failure, http, type, code, grpc, retry };
};

const table: readonly Row[] = [
  row("INVALID_REQUEST", 400, "invalid_request_error / invalid_request", Code.InvalidArgument, "no"),
  row("CONTEXT_LENGTH_EXCEEDED", 400, "invalid_request_error / context_length_exceeded", Code.InvalidArgument, "no"),
  row("CONTENT_POLICY", 400, "invalid_request_error / content_policy_violation", Code.InvalidArgument, "no"),
  row("UNSUPPORTED_FEATURE", 400, "invalid_request_error / unsupported_parameter", Code.InvalidArgument, "no"),
  row("REQUEST_TOO_LARGE", 413, "invalid_request_error / request_too_large", Code.ResourceExhausted, "never"),
  row("CALLER_UNAUTHENTICATED", 401, "authentication_error / invalid_api_key", Code.Unauthenticated, "no"),
  row("CALLER_FORBIDDEN", 403, "permission_error / permission_denied", Code.PermissionDenied, "no"),
  row("MODEL_NOT_FOUND", 404, "invalid_request_error / model_not_found", Code.NotFound, "no"),
  row("CALLER_RATE_LIMITED", 429, "rate_limit_error / rate_limit_exceeded", Code.ResourceExhausted, "waits"),
  row("BUDGET_EXHAUSTED", 429, "insufficient_quota / insufficient_quota", Code.ResourceExhausted, "never"),
  row("RATE_LIMITED", 429, "rate_limit_error / upstream_rate_limited", Code.ResourceExhausted, "waits"),
  row("QUOTA_EXHAUSTED", 502, "server_error / upstream_quota_exhausted", Code.Internal, "never"),
  row("UPSTREAM_AUTH", 502, "server_error / upstream_auth", Code.Internal, "never"),
  row("UPSTREAM_UNAVAILABLE", 502, "server_error / upstream_unavailable", Code.Unavailable, "never"),
  row("UPSTREAM_PROTOCOL", 502, "server_error / upstream_invalid_response", Code.Unavailable, "never"),
  row("OVERLOADED", 503, "overloaded_error / upstream_overloaded", Code.Unavailable, "waits"),
  row("NO_TARGET", 503, "server_error / no_target_available", Code.Unavailable, "waits"),
  row("SHED", 503, "overloaded_error / overloaded", Code.Unavailable, "waits"),
  row("DRAINING", 503, "server_error / draining", Code.Unavailable, "free"),
  row("STORE_UNAVAILABLE", 503, "server_error / store_unavailable", Code.Unavailable, "waits"),
  row("TIMEOUT", 504, "server_error / upstream_timeout", Code.Unavailable, "never"),
  // These two are 5xx, which SDKs try again unless a header says no.
  row("DEADLINE_EXCEEDED", 504, "server_error / deadline_exceeded", Code.DeadlineExceeded, "never"),
  row("INTERNAL", 500, "server_error / internal_error", Code.Internal, "never"),
  // No caller gets to see a status of these: the one comes within a stream, to the other nobody listens.
  row("STREAM_INTERRUPTED", 502, "server_error / stream_interrupted", Code.Unavailable, "free"),
  row("CANCELLED", 499, "server_error / cancelled", Code.Canceled, "free"),
];

const waits: readonly (number | undefined)[] = [undefined, 0, 1, 999.5, 1000, 1234.2, 300_000];
/** Milliseconds that an error with this wait asks for; undefined: it asks for none. */
const askedMs = ({ retry }: Row, waitMs = 1000): number | undefined => (retry === "waits" ? Math.ceil(waitMs) : undefined);

test("every failure of the proto has its row", () => {
  const names = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED");
  expect(table.map(({ failure }) => failure).toSorted()).toEqual(names.toSorted());
});

/** Fails each call as its model's name says. */
const failing: Router = {
  snapshot: () => attemptOf(chatRequest("hi")).snapshot,
  refusal: () => undefined,
  models: () => [],
  model: () => undefined,
  explain: () => expect.fail("nobody asked"),
  countTokens: () => expect.fail("nobody asked"),
  chat: ({ request }) => {
    const [failure = "", waitMs = ""] = request.model.split("@");
    const found = table.find((each) => each.failure === failure);
    if (found === undefined) return Promise.reject(new Error(`there is no failure ${failure}`));
    const retryAfterMs = waitMs === "" ? undefined : Number(waitMs);
    return Promise.reject(new ChatError(found.failure, "what went wrong", { retryAfterMs, field: "messages[0]" }));
  },
};

/** What Anthropic's shape calls them, where that is not `api_error`, and its status where that is another. */
const anthropicWords: Readonly<Partial<Record<Failure, readonly [type: string, http?: number]>>> = {
  INVALID_REQUEST: ["invalid_request_error"],
  CONTEXT_LENGTH_EXCEEDED: ["invalid_request_error"],
  CONTENT_POLICY: ["invalid_request_error"],
  UNSUPPORTED_FEATURE: ["invalid_request_error"],
  REQUEST_TOO_LARGE: ["request_too_large"],
  CALLER_UNAUTHENTICATED: ["authentication_error"],
  CALLER_FORBIDDEN: ["permission_error"],
  MODEL_NOT_FOUND: ["not_found_error"],
  CALLER_RATE_LIMITED: ["rate_limit_error"],
  BUDGET_EXHAUSTED: ["rate_limit_error"],
  RATE_LIMITED: ["rate_limit_error"],
  OVERLOADED: ["overloaded_error", 529],
  NO_TARGET: ["overloaded_error", 529],
  SHED: ["overloaded_error", 529],
  DRAINING: ["overloaded_error", 529],
};

describe.each([...doorClients, ...messagesDoors])("by $name", (client) => {
  let listener: Listener;
  beforeAll(async () => {
    const doors = createDoors({
      settings: settingsSchema.parse({}),
      router: failing,
      operations: fakeOperations("a"),
      clock: systemClock,
      newId: () => "01936d9e-0000-7000-8000-000000000000",
      random: () => 0,
      adminToken: { token: new Secret("admin", "config"), configured: true },
      metrics: undefined,
      refusals: [],
      // INTERNAL is one by design.
      onBug: () => {},
    });
    listener = await listen({
      host: "127.0.0.1",
      port: 0,
      tls: undefined,
      handler: doors.handler({ data: true, admin: false, metrics: false }),
    });
  });
  afterAll(() => listener.close());

  test.each(table)("$failure is told with its status, its words, and what to do about it", async (expected) => {
    for (const waitMs of waits) {
      const model = `${expected.failure}@${waitMs ?? ""}`;
      const refused = await refusal(client.ask(listener.url, { model }));
      const { rest } = client;
      const anthropic = client.door === "anthropic";
      const [type, http = expected.http] = anthropicWords[expected.failure] ?? ["api_error"];
      const restWords = anthropic ? [http, type] : [expected.http, expected.code];
      expect([refused.status, refused.word]).toEqual(rest ? restWords : [expected.grpc, expected.failure]);
      const text = expected.failure === "INTERNAL" ? "internal error" : "what went wrong";
      if (anthropic) {
        const requestId = refused.headers.get("request-id");
        expect(requestId).toMatch(/^[\da-f-]{36}$/);
        expect(JSON.parse(refused.body)).toEqual({ type: "error", error: { type, message: text }, request_id: requestId });
      } else if (rest) {
        const error = { message: text, type: expected.type, param: "messages[0]", code: expected.code };
        expect(JSON.parse(refused.body).error).toEqual(error);
      } else expect(refused.body).toBe(text);

      const ms = askedMs(expected, waitMs);
      const told = {
        shouldRetry: refused.headers.get("x-should-retry"),
        seconds: refused.headers.get("retry-after"),
        ms: refused.headers.get("retry-after-ms"),
        pushback: refused.headers.get("grpc-retry-pushback-ms"),
        info: refused.retryMs,
      };
      const never = expected.retry === "never";
      expect(told).toEqual({
        shouldRetry: never ? "false" : null,
        seconds: ms === undefined ? null : String(Math.ceil(ms / 1000)),
        ms: ms === undefined ? null : String(ms),
        pushback: rest ? null : never ? "-1" : ms === undefined ? null : String(ms),
        info: rest ? undefined : ms,
      });
    }
  });
});
