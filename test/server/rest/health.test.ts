import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";

import { BreakerState, HealthAxis, HealthStatus, type ProviderHealth, ProviderState, type TargetHealth } from "../../../src/core/chat.ts";
import { healthAnswer, type HealthFacts, liveAnswer, readyAnswer } from "../../../src/server/rest/health.ts";
import { type FakeDesk, fakeDesk } from "../fake-operations.ts";

const nowWall = 100_000;

function facts(providers: FakeDesk, draining = false): HealthFacts {
  return { providers, shared: undefined, draining, version: "1.2.3", startWall: 10_500, nowWall };
}

function target(model: string, breaker: BreakerState, coolingUntil?: number): TargetHealth {
  const cooling = coolingUntil === undefined ? {} : { cooldownUntil: timestampFromMs(coolingUntil) };
  return { $typeName: "semaroute.v1.TargetHealth", model, breaker, successRatio: 1, inFlight: 0, bars: [], ...cooling };
}

function barred(model: string, axis: HealthAxis): TargetHealth {
  return { ...target(model, BreakerState.CLOSED), bars: [{ $typeName: "semaroute.v1.TargetBar", axis, reason: 0, feature: "" }] };
}

test("providers that were never called are healthy as a whole, and say that nothing is known", () => {
  expect(healthAnswer(facts(fakeDesk("a", "b")))).toEqual({
    status: 200,
    body: {
      status: "healthy",
      version: "1.2.3",
      uptime_seconds: 89,
      providers: { a: { status: "unknown", breaker: "closed" }, b: { status: "unknown", breaker: "closed" } },
    },
  });
});

test("a Redis that is away is told of, and makes nothing less healthy", () => {
  const shared = {
    redis: { state: "away", breaker: "closed", reason: "ECONNREFUSED" },
    cache: "off",
    limits: "local",
    budgets: "local",
  } as const;
  const answer = healthAnswer({ ...facts(fakeDesk("a")), shared });
  const redis = { status: "away", breaker: "closed", cache: "off", limits: "local", budgets: "local" };
  expect(answer).toMatchObject({ status: 200, body: { status: "healthy", redis } });
  expect(healthAnswer(facts(fakeDesk("a"))).body).not.toHaveProperty("redis");
});

const { CLOSED, HALF_OPEN, OPEN } = BreakerState;
const table: readonly [
  what: string,
  a: Partial<Omit<ProviderHealth, "$typeName">>,
  b: Partial<Omit<ProviderHealth, "$typeName">>,
  status: string,
][] = [
  ["all good", { status: HealthStatus.HEALTHY }, { status: HealthStatus.HEALTHY }, "healthy"],
  ["one degraded", { status: HealthStatus.DEGRADED }, {}, "degraded"],
  ["one unhealthy", { status: HealthStatus.UNHEALTHY }, {}, "degraded"],
  ["one breaker open", { breaker: OPEN }, {}, "degraded"],
  ["one target of a provider open", { targets: [target("x", OPEN), target("y", CLOSED)] }, {}, "degraded"],
  ["one target cooling", { targets: [target("x", CLOSED, nowWall + 1), target("y", CLOSED)] }, {}, "degraded"],
  ["one target's credential out", { targets: [barred("x", HealthAxis.CREDENTIAL), target("y", CLOSED)] }, {}, "degraded"],
  ["one target without a feature", { targets: [barred("x", HealthAxis.CAPABILITY), target("y", CLOSED)] }, {}, "healthy"],
  ["a cool-down that is over", { targets: [target("x", CLOSED, nowWall)] }, {}, "healthy"],
  ["a breaker on trial", { breaker: HALF_OPEN }, {}, "healthy"],
  ["all targets out", { targets: [target("x", OPEN)] }, { status: HealthStatus.UNHEALTHY }, "unhealthy"],
];
test.each(table)("%s", (_what, a, b, status) => {
  const desk = fakeDesk("a", "b");
  desk.put("a", a);
  desk.put("b", b);
  const answer = healthAnswer(facts(desk));
  expect(answer.body.status).toBe(status);
  expect(answer.status).toBe(status === "unhealthy" ? 503 : 200);
});

test("the contract's words are used for statuses and breakers", () => {
  const desk = fakeDesk("a", "b", "c");
  desk.put("a", { status: HealthStatus.UNHEALTHY, breaker: OPEN });
  desk.put("b", { status: HealthStatus.DEGRADED, breaker: HALF_OPEN });
  desk.put("c", { status: HealthStatus.HEALTHY });
  expect(healthAnswer(facts(desk)).body).toMatchObject({
    providers: {
      a: { status: "unhealthy", breaker: "open" },
      b: { status: "degraded", breaker: "half_open" },
      c: { status: "healthy", breaker: "closed" },
    },
  });
});

describe("readiness", () => {
  test("a fresh server is ready and alive", () => {
    expect(readyAnswer(facts(fakeDesk("a")))).toEqual({ status: 200, body: { status: "ready" } });
    expect(liveAnswer()).toEqual({ status: 200, body: { status: "alive" } });
  });
  test("a draining server is not ready", () => {
    expect(readyAnswer(facts(fakeDesk("a"), true))).toEqual({ status: 503, body: { status: "draining" } });
  });
  test("a server that cannot route is not ready", () => {
    expect(readyAnswer(facts(fakeDesk()))).toEqual({ status: 503, body: { status: "unready" } });
  });
  test("a server whose breakers are all open is ready: they do not keep calls from the last targets, and only a call can close them", () => {
    const desk = fakeDesk("a");
    desk.put("a", { breaker: OPEN });
    expect([healthAnswer(facts(desk)).status, readyAnswer(facts(desk)).status]).toEqual([503, 200]);
  });
  test("providers that were switched off count neither way", () => {
    const desk = fakeDesk("a", "b");
    desk.put("b", { breaker: OPEN });
    void desk.set("b", ProviderState.DISABLED, false);
    expect(healthAnswer(facts(desk)).body.status).toBe("healthy");
    void desk.set("a", ProviderState.DRAINING, false);
    expect(healthAnswer(facts(desk)).status).toBe(503);
  });
});
