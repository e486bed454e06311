import { expect, test } from "vitest";

import { AttemptKind, CacheStatus, dropped, ErrorReason, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { attemptInfo, identityOf, routeOf } from "../../src/core/route.ts";
import { callOf, recordOf, snapshotOf, sourceOf, targetOf } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const target = targetOf("up/gpt");
const call = callOf(undefined, { requestId: "the-callers", snapshot: snapshotOf([target]) });

test("an answer is signed with our id, the catalogue's name and the second", () => {
  const clock = createFakeClock();
  clock.advance(61_999);
  expect(identityOf(call, sourceOf({ target }), clock)).toMatchObject({
    id: call.id,
    model: "gpt",
    createTime: { seconds: 1_767_225_661n, nanos: 0 },
  });
});

test("a route tells where the answer came from, and by which way", () => {
  const attempts = [recordOf({ won: false, error: new ChatError("OVERLOADED", "busy") }), recordOf()];
  const source = sourceOf({ target, attempts, notes: [dropped("seed", "not taken")], rule: "as-given", cache: CacheStatus.MISS });
  expect(routeOf(call, source, createFakeClock())).toMatchObject({
    provider: "up",
    upstreamModel: "gpt-upstream",
    policyRevision: "rev-1",
    rule: "as-given",
    attempts: [
      { won: false, errorReason: ErrorReason.OVERLOADED },
      { won: true, errorReason: 0 },
    ],
    notes: [{ field: "seed" }],
    decisionId: call.id,
    cache: CacheStatus.MISS,
    requestId: "the-callers",
  });
});

test("an attempt is told with all that is known of it", () => {
  const error = new ChatError("RATE_LIMITED", "slow down");
  const record = recordOf({
    target,
    kind: AttemptKind.FAILOVER,
    startWall: 1_000_500,
    startMs: 10,
    endMs: 1260.5,
    status: 429,
    upstreamRequestId: "up-1",
    error,
    usage: usageOf(1, 0),
    won: false,
  });
  expect(attemptInfo(record, createFakeClock())).toMatchObject({
    provider: "up",
    model: "gpt",
    kind: AttemptKind.FAILOVER,
    startTime: { seconds: 1000n, nanos: 500_000_000 },
    latency: { seconds: 1n, nanos: 250_500_000 },
    httpStatus: 429,
    errorReason: ErrorReason.RATE_LIMITED,
    errorMessage: "slow down",
    upstreamRequestId: "up-1",
    usage: { inputTokens: 1 },
    won: false,
  });
});

test("an attempt that goes on has lasted until now, and used nothing yet", () => {
  const clock = createFakeClock();
  clock.advance(700);
  const info = attemptInfo(recordOf({ startMs: 200, endMs: undefined }), clock);
  expect(info.latency).toMatchObject({ seconds: 0n, nanos: 500_000_000 });
  expect(info).not.toHaveProperty("usage");
});
