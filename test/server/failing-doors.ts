/** The contract's table of outcomes, and doors behind which every call fails as its model's name says. */
import { Code } from "@connectrpc/connect";
import type { IncomingHttpHeaders } from "node:http";
import { expect } from "vitest";
import { settingsSchema } from "../../src/config/schema.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import type { Router } from "../../src/core/router.ts";
import { Secret } from "../../src/core/secret.ts";
import { createDoors } from "../../src/doors.ts";
import { listen, type Listener } from "../../src/server/listen.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { createDirectory } from "../support/issued-keys.ts";
import { attemptOf, chatRequest } from "../support/attempt.ts";
import { fakeOperations } from "./fake-operations.ts";

/** How a failure leaves by the doors of OpenAI's shape and by gRPC. */
export interface OutcomeRow {
  readonly failure: Failure;
  readonly http: number;
  readonly type: string;
  readonly code: string;
  readonly grpc: Code;
  /** `no`: the status says so. `never`: the header says so. `waits`: not before the wait is over. `free`: as the client likes. */
  readonly retry: "no" | "never" | "waits" | "free";
}

const row = (failure: Failure, http: number, words: string, grpc: Code, retry: OutcomeRow["retry"]): OutcomeRow => {
  const [type = "", code = ""] = words.split(" / ");
  return { failure, http, type, code, grpc, retry };
};

/** All of them. */
export const outcomes: readonly OutcomeRow[] = [
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

/** What Anthropic's shape calls them, where that is not `api_error`, and its status where that is another. */
export const anthropicWords: Readonly<Partial<Record<Failure, readonly [type: string, http?: number]>>> = {
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

/** Fails each call as its model's name says. */
const failing: Router = {
  snapshot: () => attemptOf(chatRequest("hi")).snapshot,
  refusal: () => undefined,
  exhausted: () => undefined,
  allowances: () => undefined,
  models: () => [],
  model: () => undefined,
  explain: () => expect.fail("nobody asked"),
  countTokens: () => expect.fail("nobody asked"),
  chat: ({ request }) => {
    const [failure = "", waitMs = ""] = request.model.split("@");
    const found = outcomes.find((each) => each.failure === failure);
    if (found === undefined) return Promise.reject(new Error(`there is no failure ${failure}`));
    const retryAfterMs = waitMs === "" ? undefined : Number(waitMs);
    return Promise.reject(new ChatError(found.failure, "what went wrong", { retryAfterMs, field: "messages[0]" }));
  },
};

/** Opens the doors of data. `heard` is told of each request's headers as it comes. */
export async function openFailing(heard: (headers: IncomingHttpHeaders) => void = () => {}): Promise<Listener> {
  const issued = createDirectory({ clock: { ...systemClock, after: () => () => {} } });
  await issued.start();
  const doors = createDoors({
    settings: settingsSchema.parse({}),
    router: failing,
    operations: fakeOperations("a"),
    issued,
    clock: systemClock,
    newId: () => "01936d9e-0000-7000-8000-000000000000",
    random: () => 0,
    adminToken: { token: new Secret("admin", "config"), configured: true },
    metrics: undefined,
    refusals: [],
    // INTERNAL is one by design.
    onBug: () => {},
  });
  const handler = doors.handler({ data: true, admin: false, metrics: false });
  return listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    handler(request, response, upgrade) {
      heard(request.headers);
      handler(request, response, upgrade);
    },
  });
}
