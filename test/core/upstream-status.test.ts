import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Failure, remedies } from "../../src/core/error.ts";
import { failureOfPage, failureOfStatus } from "../../src/core/upstream-status.ts";

const failures = Object.keys(remedies) as Failure[];

/** The table, written down a second time on purpose; all other statuses are UPSTREAM_UNAVAILABLE. */
const byItself: Readonly<Record<number, Failure>> = {
  400: "INVALID_REQUEST",
  401: "UPSTREAM_AUTH",
  402: "QUOTA_EXHAUSTED",
  403: "UPSTREAM_AUTH",
  407: "UPSTREAM_AUTH",
  413: "REQUEST_TOO_LARGE",
  422: "INVALID_REQUEST",
  429: "RATE_LIMITED",
  498: "OVERLOADED",
  503: "OVERLOADED",
  529: "OVERLOADED",
};

test("every status from 300 to 599 means one failure by itself", () => {
  for (let status = 300; status < 600; status++)
    expect([status, failureOfStatus(status, undefined)]).toEqual([status, byItself[status] ?? "UPSTREAM_UNAVAILABLE"]);
});

for (const status of [408, 409, 425, 451, 499, 500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527])
  test(`${status} is the upstream's trouble, whatever its body says of the request`, () => {
    for (const told of ["INVALID_REQUEST", "CONTENT_POLICY", "UNSUPPORTED_FEATURE", "UPSTREAM_AUTH"] as const)
      expect(failureOfStatus(status, told)).toBe("UPSTREAM_UNAVAILABLE");
  });

test.each([
  [400, "CONTEXT_LENGTH_EXCEEDED", "CONTEXT_LENGTH_EXCEEDED"],
  [400, "UPSTREAM_AUTH", "UPSTREAM_AUTH"],
  [401, "QUOTA_EXHAUSTED", "UPSTREAM_AUTH"],
  [402, "RATE_LIMITED", "RATE_LIMITED"],
  [402, "INVALID_REQUEST", "QUOTA_EXHAUSTED"],
  [403, "CONTENT_POLICY", "CONTENT_POLICY"],
  [403, "CONTEXT_LENGTH_EXCEEDED", "UPSTREAM_AUTH"],
  [404, "MODEL_NOT_FOUND", "MODEL_NOT_FOUND"],
  [429, "QUOTA_EXHAUSTED", "QUOTA_EXHAUSTED"],
  [429, "CONTENT_POLICY", "RATE_LIMITED"],
  [500, "CONTEXT_LENGTH_EXCEEDED", "CONTEXT_LENGTH_EXCEEDED"],
  [500, "CONTENT_POLICY", "UPSTREAM_UNAVAILABLE"],
] as const)("%d whose body says %s is %s", (status, told, failure) => expect(failureOfStatus(status, told)).toBe(failure));

test("INVALID_REQUEST comes of 400 and 422 alone, and nothing is ever the fault of the caller's key, whatever the status", () => {
  fc.assert(
    fc.property(fc.integer(), fc.option(fc.constantFrom(...failures), { nil: undefined }), (status, told) => {
      const failure = failureOfStatus(status, told);
      expect(failures).toContain(failure);
      expect(failure).not.toMatch(/^(CALLER_|BUDGET_|CANCELLED|DEADLINE)/);
      if (status !== 400 && status !== 422) expect(failure).not.toBe("INVALID_REQUEST");
    }),
  );
});

test.each([
  [400, "UPSTREAM_UNAVAILABLE"],
  [401, "UPSTREAM_AUTH"],
  [403, "UPSTREAM_UNAVAILABLE"],
  [413, "REQUEST_TOO_LARGE"],
  [429, "RATE_LIMITED"],
  [502, "UPSTREAM_UNAVAILABLE"],
] as const)("a web page with %d, of whatever stands before the API, is %s", (status, failure) => {
  expect(failureOfStatus(status, failureOfPage("\n<!doctype html><h1>Sorry, you have been blocked"))).toBe(failure);
  expect(failureOfPage('{"error":"<b>"}')).toBeUndefined();
});
