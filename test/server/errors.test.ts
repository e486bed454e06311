import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";

import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import type { AttemptRecord } from "../../src/core/call.ts";
import type { Target, TargetId } from "../../src/core/catalog.ts";
import { AttemptKind, ErrorReason, ModelCapabilitiesSchema } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import { connectErrorFrom, createRefusal, errorHeaders, shownMessage, statusOf } from "../../src/server/errors.ts";

/** The contract's table, written down a second time on purpose. */
const outcomes: readonly [failure: Failure, http: number, code: Code, extra?: "retry info" | "never"][] = [
  ["INVALID_REQUEST", 400, Code.InvalidArgument],
  ["CONTEXT_LENGTH_EXCEEDED", 400, Code.InvalidArgument],
  ["CONTENT_POLICY", 400, Code.InvalidArgument],
  ["UNSUPPORTED_FEATURE", 400, Code.InvalidArgument],
  ["REQUEST_TOO_LARGE", 413, Code.ResourceExhausted, "never"],
  ["CALLER_UNAUTHENTICATED", 401, Code.Unauthenticated],
  ["CALLER_FORBIDDEN", 403, Code.PermissionDenied],
  ["MODEL_NOT_FOUND", 404, Code.NotFound],
  ["CALLER_RATE_LIMITED", 429, Code.ResourceExhausted, "retry info"],
  ["BUDGET_EXHAUSTED", 429, Code.ResourceExhausted, "never"],
  ["RATE_LIMITED", 429, Code.ResourceExhausted, "retry info"],
  ["QUOTA_EXHAUSTED", 502, Code.Internal, "never"],
  ["UPSTREAM_AUTH", 502, Code.Internal, "never"],
  ["UPSTREAM_UNAVAILABLE", 502, Code.Unavailable, "never"],
  ["UPSTREAM_PROTOCOL", 502, Code.Unavailable, "never"],
  ["OVERLOADED", 503, Code.Unavailable, "retry info"],
  ["NO_TARGET", 503, Code.Unavailable, "retry info"],
  ["SHED", 503, Code.Unavailable, "retry info"],
  ["DRAINING", 503, Code.Unavailable],
  ["STORE_UNAVAILABLE", 503, Code.Unavailable, "retry info"],
  ["TIMEOUT", 504, Code.Unavailable, "never"],
  ["DEADLINE_EXCEEDED", 504, Code.DeadlineExceeded, "never"],
  ["STREAM_INTERRUPTED", 502, Code.Unavailable],
  ["CANCELLED", 499, Code.Canceled],
  ["INTERNAL", 500, Code.Internal, "never"],
];

test("every failure of the proto has an outcome", () => {
  const names = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED");
  expect(outcomes.map(([failure]) => failure).toSorted()).toEqual(names.toSorted());
});

for (const [failure, http, code, extra] of outcomes) {
  describe(failure, () => {
    const error = new ChatError(failure, "what went wrong");
    const sent = connectErrorFrom(error, { requestId: "req-1" });

    test(`is ${http} and ${Code[code]}`, () => {
      expect(statusOf(failure).http).toBe(http);
      expect(sent.code).toBe(code);
    });
    test("says its name and the request's id", () => {
      expect(sent.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: failure, domain: "semaroute.dev" }]);
      expect(sent.findDetails(RequestInfoSchema)).toMatchObject([{ requestId: "req-1" }]);
    });
    test(extra === "retry info" ? "always says how long to wait" : "asks for no wait that nobody knows", () => {
      const seconds = sent.findDetails(RetryInfoSchema).map((info) => info.retryDelay?.seconds);
      expect(seconds).toEqual(extra === "retry info" ? [1n] : []);
      expect(new Map(errorHeaders(error)).get("retry-after")).toBe(extra === "retry info" ? "1" : undefined);
    });
    test(extra === "never" ? "tells SDKs not to try again" : "leaves it to SDKs whether to try again", () => {
      expect(new Map(errorHeaders(error)).get("x-should-retry")).toBe(extra === "never" ? "false" : undefined);
    });
  });
}

test("a known wait is rounded up, in seconds and in milliseconds", () => {
  const error = new ChatError("RATE_LIMITED", "slow down", { retryAfterMs: 1234.2 });
  expect(errorHeaders(error)).toEqual([
    ["x-semaroute-attempts", "0"],
    ["retry-after", "2"],
    ["retry-after-ms", "1235"],
  ]);
  const [info] = connectErrorFrom(error, { requestId: "" }).findDetails(RetryInfoSchema);
  expect(info?.retryDelay).toMatchObject({ seconds: 1n, nanos: 235_000_000 });
});

test("the headers travel as metadata too, without the request id, which every answer has anyway", () => {
  const sent = connectErrorFrom(new ChatError("TIMEOUT", "too slow"), { requestId: "req-1" });
  expect([...sent.metadata]).toEqual([
    ["grpc-retry-pushback-ms", "-1"],
    ["x-semaroute-attempts", "0"],
    ["x-should-retry", "false"],
  ]);
});

test("a spent budget is a quota failure without a wait, even where its end is known", () => {
  const sent = connectErrorFrom(new ChatError("BUDGET_EXHAUSTED", "spent", { retryAfterMs: 5000 }), { requestId: "" });
  expect(sent.findDetails(QuotaFailureSchema)).toMatchObject([{ violations: [{ description: "spent" }] }]);
  expect(sent.findDetails(RetryInfoSchema)).toEqual([]);
  expect(sent.metadata.get("retry-after")).toBeNull();
});

for (const failure of ["INVALID_REQUEST", "UNSUPPORTED_FEATURE", "CONTEXT_LENGTH_EXCEEDED"] as const) {
  test(`${failure} names the field`, () => {
    const sent = connectErrorFrom(new ChatError(failure, "is wrong", { field: "messages[0].content" }), { requestId: "" });
    expect(sent.findDetails(BadRequestSchema)).toMatchObject([
      { fieldViolations: [{ field: "messages[0].content", description: "is wrong" }] },
    ]);
  });
}

test("what nobody foresaw says no more than that", () => {
  const error = new ChatError("INTERNAL", "secret sk-123 in state", { cause: new Error("sk-123") });
  expect(shownMessage(error)).toBe("internal error");
  expect(connectErrorFrom(error, { requestId: "" }).rawMessage).toBe("internal error");
});

test("messages are cut to 1 KiB of UTF-8 between characters", () => {
  const shown = shownMessage(new ChatError("TIMEOUT", "😀".repeat(1000)));
  expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(1024);
  expect(shown).toMatch(/^(?:😀)+…$/u);
});

test("many field violations stay small enough for trailers", () => {
  const problems = Array.from({ length: 500 }, (_, i) => ({ field: `f${i}`, description: "x".repeat(100) }));
  const [bad] = createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text: "no", problems }).findDetails(
    BadRequestSchema,
  );
  expect(bad?.fieldViolations.length).toBeGreaterThan(10);
  expect(bad?.fieldViolations.length).toBeLessThan(40);
});

test("the last attempt and the decision are told as far as they are known", () => {
  const target: Target = {
    id: "openai/gpt" as TargetId,
    provider: "openai",
    model: "gpt",
    upstreamModel: "gpt-1",
    kind: "chat",
    issuer: "openai",
    capabilities: create(ModelCapabilitiesSchema),
    price: undefined,
    timeoutMs: undefined,
  };
  const error = new ChatError("UPSTREAM_UNAVAILABLE", "broken", { upstream: { status: 500, requestId: "up-1" } });
  const attempt: AttemptRecord = {
    id: "a",
    target,
    kind: AttemptKind.PRIMARY,
    startWall: 0,
    startMs: 0,
    firstContentMs: undefined,
    endMs: 1,
    status: 500,
    upstreamRequestId: "up-1",
    error,
    usage: undefined,
    won: false,
  };
  error.attempts = [attempt];
  const [info] = connectErrorFrom(error, { requestId: "r", callId: "call-1" }).findDetails(ErrorInfoSchema);
  expect(info?.metadata).toEqual({
    provider: "openai",
    model: "gpt",
    attempts: "1",
    upstream_status: "500",
    upstream_request_id: "up-1",
    decision: "call-1",
  });
  expect(connectErrorFrom(new ChatError("SHED", "full"), { requestId: "" }).findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({});
});
