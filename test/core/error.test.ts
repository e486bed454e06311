import { describe, expect, test } from "vitest";

import { ErrorReason } from "../../src/core/chat.ts";
import { ChatError, chatErrorFrom, remedies } from "../../src/core/error.ts";

test("every reason of the API has a remedy, and no other", () => {
  const reasons = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED" && Number.isNaN(Number(name)));
  expect(Object.keys(remedies).toSorted()).toEqual(reasons.toSorted());
});

describe("remedies", () => {
  const where = (pick: (remedy: (typeof remedies)[keyof typeof remedies]) => boolean) =>
    Object.entries(remedies).flatMap(([failure, remedy]) => (pick(remedy) ? [failure] : []));

  test("a safety refusal, a bad request and the caller's own end are never tried elsewhere", () => {
    const stops = where(({ next, same }) => next === "nobody" && !same);
    expect(stops).toEqual(
      expect.arrayContaining([
        "CONTENT_POLICY",
        "INVALID_REQUEST",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "DRAINING",
        "STREAM_INTERRUPTED",
        "INTERNAL",
      ]),
    );
  });

  test("only faults of the target are its breaker's business: no limit, no credential, no caller", () => {
    expect(where(({ blame }) => blame).toSorted()).toEqual([
      "OVERLOADED",
      "STREAM_INTERRUPTED",
      "TIMEOUT",
      "UPSTREAM_PROTOCOL",
      "UPSTREAM_UNAVAILABLE",
    ]);
  });

  test("only what may pass by itself is tried again at the same target", () => {
    expect(where(({ same }) => same).toSorted()).toEqual(["OVERLOADED", "RATE_LIMITED", "UPSTREAM_PROTOCOL", "UPSTREAM_UNAVAILABLE"]);
  });
});

describe("an error", () => {
  test("knows the enum's number, and holds nothing that was not given", () => {
    const error = new ChatError("RATE_LIMITED", "slow down");
    expect(error).toMatchObject({
      reason: ErrorReason.RATE_LIMITED,
      message: "slow down",
      fromUpstream: false,
      attempts: [],
      field: undefined,
    });
    expect("cause" in error).toBe(false);
  });

  test("can be made again from itself, without its attempts and usage", () => {
    const options = {
      cause: new Error("x"),
      field: "model",
      retryAfterMs: 5,
      upstream: { status: 429, requestId: "r" },
      skipped: "busy",
      fromUpstream: true,
      code: "c",
    } as const;
    const error = new ChatError("RATE_LIMITED", "slow down", options);
    expect(new ChatError(error.failure, error.message, error)).toMatchObject({
      failure: "RATE_LIMITED",
      message: "slow down",
      ...options,
      attempts: [],
      usage: undefined,
    });
  });

  test("of anything else is INTERNAL, whose own text stays in the cause", () => {
    const known = new ChatError("SHED", "enough");
    expect(chatErrorFrom(known)).toBe(known);
    for (const thrown of [new TypeError("a secret"), "a secret", undefined]) {
      const error = chatErrorFrom(thrown);
      expect([error.failure, error.message, error.cause]).toEqual(["INTERNAL", "internal error", thrown]);
    }
  });
});
