import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBinary } from "@bufbuild/protobuf";

import type { TargetId } from "../../src/core/catalog.ts";
import { BreakerState, ErrorReason, HealthStatus, ProviderHealthSchema } from "../../src/core/chat.ts";
import { msFromDuration } from "../../src/core/clock.ts";
import { ChatError, type ChatErrorOptions, type Failure, remedies } from "../../src/core/error.ts";
import type { Insistence, Outcome, Trial } from "../../src/core/health.ts";
import { createWindowHealth, type WindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };

function target(id: string): TargetId {
  return id as TargetId;
}

const small = target("openai/small");
const large = target("openai/large");
const other = target("groq/small");

function setUp() {
  const clock = createFakeClock();
  const health = createWindowHealth({ clock, random: () => 0.5, breaker });
  health.declare([
    { name: "openai", targets: [small, large], concurrencyMax: 256 },
    { name: "groq", targets: [other], concurrencyMax: 8 },
  ]);
  return { clock, health };
}

function begin(health: WindowHealth, id: TargetId): Trial {
  const trial = health.begin(id, undefined);
  if ("barred" in trial) throw new Error(`${id} is ${trial.barred}`);
  return trial;
}

function failed(failure: Failure, options: ChatErrorOptions = {}): Outcome {
  return { kind: "failed", streamed: true, error: new ChatError(failure, `${failure} happened`, options) };
}

const cooling = failed("RATE_LIMITED", { retryAfterMs: 60_000 });

/** Of a view: nothing bars it. */
const free = { openUntilMs: 0, coolingUntilMs: 0, lockedUntilMs: 0 };

const good: Outcome = { kind: "succeeded", streamed: true, firstContentMs: 100 };

function end(health: WindowHealth, id: TargetId, outcome: Outcome, times = 1): void {
  for (let each = 0; each < times; each += 1) begin(health, id).end(outcome);
}

/** The breaker of `small` waits for a trial. */
function halfOpen() {
  const { clock, health } = setUp();
  end(health, small, failed("UPSTREAM_UNAVAILABLE"), 5);
  clock.advance(5_000);
  return { clock, health };
}

/** What watchers are told; `take` answers what was heard since it was last asked. */
function watched() {
  const { clock, health } = setUp();
  const heard: string[] = [];
  const leave = health.watch((provider) => heard.push(provider));
  return { clock, health, take: () => heard.splice(0), leave };
}

function statusOf(health: WindowHealth): HealthStatus {
  return health.report("openai").status;
}

describe("a target that was never called", () => {
  test("is unknown, may be called, and has no samples", () => {
    const { health } = setUp();
    expect(health.view(small)).toEqual({
      status: HealthStatus.UNKNOWN,
      breaker: BreakerState.CLOSED,
      openUntilMs: 0,
      coolingUntilMs: 0,
      lockedUntilMs: 0,
      lockedBy: undefined,
      lacks: [],
      warmth: 1,
      firstTokenMs: undefined,
      unaryMs: undefined,
      firstTokenP95Ms: undefined,
      successRatio: 1,
      failedAtMs: undefined,
      heardMs: undefined,
      otherMeans: new Map(),
    });
  });

  test("is healthy after its provider's good probe, unhealthy but not barred after a bad one", () => {
    const { health } = setUp();
    health.probed("openai", undefined);
    expect(health.view(small).status).toBe(HealthStatus.HEALTHY);
    health.probed("openai", new ChatError("UPSTREAM_AUTH", "the key is refused"));
    expect(health.view(small)).toMatchObject({ status: HealthStatus.UNHEALTHY, ...free });
    expect(health.begin(small, undefined)).not.toHaveProperty("barred");
    expect(health.view(target("openai/never-seen")).status).toBe(HealthStatus.UNHEALTHY);
  });
});

describe("which failures count", () => {
  const againstBreaker = new Set<string>(Object.entries(remedies).flatMap(([failure, remedy]) => (remedy.blame ? [failure] : [])));
  const againstTarget = new Set<string>([...againstBreaker, "RATE_LIMITED", "QUOTA_EXHAUSTED", "UPSTREAM_AUTH"]);
  for (const failure of Object.keys(remedies).filter((name): name is Failure => name in remedies)) {
    test(`${failure} ${againstBreaker.has(failure) ? "trips the breaker" : "leaves the breaker alone"} and ${againstTarget.has(failure) ? "lowers" : "does not touch"} the ratio`, () => {
      const { health } = setUp();
      const trials = Array.from({ length: 5 }, () => begin(health, small));
      for (const trial of trials) trial.end(failed(failure));
      const view = health.view(small);
      expect(view.breaker).toBe(againstBreaker.has(failure) ? BreakerState.OPEN : BreakerState.CLOSED);
      expect(view.successRatio).toBe(againstTarget.has(failure) ? 0 : 1);
      expect(view.failedAtMs).toBe(againstTarget.has(failure) ? 0 : undefined);
    });
  }

  test("a target that was not called at all is not to blame", () => {
    const { health } = setUp();
    end(health, small, failed("OVERLOADED", { skipped: "busy" }), 5);
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.CLOSED, successRatio: 1 });
  });
});

describe("cool-down", () => {
  for (const { failure, retryAfterMs, ms } of [
    { failure: "RATE_LIMITED", retryAfterMs: 20_000, ms: 20_000 },
    { failure: "RATE_LIMITED", retryAfterMs: undefined, ms: 1_000 },
    { failure: "RATE_LIMITED", retryAfterMs: 0, ms: 1_000 },
    { failure: "RATE_LIMITED", retryAfterMs: 86_400_000, ms: 3_600_000 },
    { failure: "OVERLOADED", retryAfterMs: 7_000, ms: 7_000 },
    { failure: "OVERLOADED", retryAfterMs: undefined, ms: 0 },
    { failure: "UPSTREAM_UNAVAILABLE", retryAfterMs: 9_000, ms: 0 },
  ] as const) {
    test(`after ${failure} with a wait of ${retryAfterMs ?? "nothing"} it is left alone for ${ms} ms`, () => {
      const { clock, health } = setUp();
      end(health, small, failed(failure, retryAfterMs === undefined ? {} : { retryAfterMs }));
      if (ms > 0) {
        expect(health.view(small)).toMatchObject({ ...free, coolingUntilMs: ms, status: HealthStatus.UNHEALTHY });
        clock.advance(ms - 1);
        expect(health.begin(small, undefined)).toEqual({ barred: "cooling", retryAfterMs: 1 });
        clock.advance(1);
      }
      expect(health.view(small)).toMatchObject(free);
      expect(health.begin(small, undefined)).not.toHaveProperty("barred");
      expect(health.view(large)).toMatchObject(free);
    });
  }

  test("a shorter wait does not shorten a longer one, a longer one extends it", () => {
    const { health } = setUp();
    const [first, second, third] = [begin(health, small), begin(health, small), begin(health, small)];
    first.end(failed("RATE_LIMITED", { retryAfterMs: 20_000 }));
    second.end(failed("RATE_LIMITED", { retryAfterMs: 1_000 }));
    expect(health.view(small).coolingUntilMs).toBe(20_000);
    third.end(failed("OVERLOADED", { retryAfterMs: 40_000 }));
    expect(health.view(small).coolingUntilMs).toBe(40_000);
  });

  test("is not ended by a success of a call that ran beside it", () => {
    const { health } = setUp();
    const beside = begin(health, small);
    end(health, small, failed("RATE_LIMITED", { retryAfterMs: 20_000 }));
    beside.end(good);
    expect(health.view(small).coolingUntilMs).toBe(20_000);
  });

  test("without a wait doubles with each refusal in a row up to a minute, however many calls met the same one", () => {
    const { clock, health } = setUp();
    const waits: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const wave = Array.from({ length: 5 }, () => begin(health, small));
      clock.advance(10);
      for (const trial of wave) trial.end(failed("RATE_LIMITED"));
      waits.push(health.view(small).coolingUntilMs - clock.now());
      clock.advance(70_000);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    end(health, small, good);
    end(health, small, failed("RATE_LIMITED"));
    expect(health.view(small).coolingUntilMs - clock.now()).toBe(1_000);
  });

  test("where the breaker is open too, each stands for itself", () => {
    const { clock, health } = setUp();
    const trials = Array.from({ length: 5 }, () => begin(health, small));
    for (const trial of trials) trial.end(failed("OVERLOADED", { retryAfterMs: 9_000 }));
    expect(health.view(small)).toMatchObject({ openUntilMs: 5_000, coolingUntilMs: 9_000 });
    expect(health.begin(small, undefined)).toEqual({ barred: "cooling", retryAfterMs: 9_000 });
    expect(health.begin(small, "lone")).toEqual({ barred: "cooling", retryAfterMs: 9_000 });
    clock.advance(5_000);
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.HALF_OPEN, openUntilMs: 0, coolingUntilMs: 9_000 });
  });

  test("a straggler of an event that a success has ended waits as long as a first refusal", () => {
    const { clock, health } = setUp();
    const [one, two, three] = [begin(health, other), begin(health, other), begin(health, other)];
    clock.advance(1);
    one.end(failed("RATE_LIMITED", { retryAfterMs: 1 }));
    two.end(good);
    three.end(failed("RATE_LIMITED"));
    expect(health.view(other).coolingUntilMs).toBe(1_001);
  });

  test("whatever is refused when, it is never shortened", () => {
    const refusal = fc.record({
      failure: fc.constantFrom<Failure>("RATE_LIMITED", "OVERLOADED"),
      retryAfterMs: fc.option(fc.integer({ min: -5, max: 200_000 }), { nil: undefined }),
    });
    const step = fc.oneof(refusal, fc.constantFrom("succeed", "advance" as const), fc.integer({ min: 1, max: 5_000 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (steps, jitter) => {
        const clock = createFakeClock();
        const health = createWindowHealth({ clock, random: () => jitter.next().value ?? 0, breaker });
        const running = Array.from({ length: steps.length }, () => begin(health, other));
        let promisedMs = 0;
        for (const each of steps) {
          if (typeof each === "number") clock.advance(each);
          else if (typeof each === "string") running.pop()?.end(good);
          else {
            running.pop()?.end(failed(each.failure, each));
            const hint = each.retryAfterMs ?? 0;
            promisedMs = Math.max(promisedMs, clock.now() + (hint > 0 ? hint : each.failure === "RATE_LIMITED" ? 1_000 : 0));
          }
          const { coolingUntilMs } = health.view(other);
          if (clock.now() < promisedMs) {
            expect(coolingUntilMs).toBeGreaterThanOrEqual(promisedMs);
            expect(health.begin(other, "lone")).toMatchObject({ barred: "cooling" });
          }
        }
      }),
    );
  });
});

describe("half-open", () => {
  test("admits one trial, shows the bar to everybody else, and closes on success", () => {
    const { health } = halfOpen();
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.HALF_OPEN, ...free, status: HealthStatus.DEGRADED });
    const trial = begin(health, small);
    expect(health.begin(small, undefined)).toMatchObject({ barred: "open" });
    expect(health.view(small)).toMatchObject({ openUntilMs: 6_000, status: HealthStatus.DEGRADED });
    trial.end(good);
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.CLOSED, ...free });
  });

  test("a caller who leaves gives the trial's place back", () => {
    const { health } = halfOpen();
    begin(health, small).end({ kind: "neutral" });
    expect(health.begin(small, undefined)).not.toHaveProperty("barred");
  });

  test("a trial that is rate-limited gives its place back, for after the cool-down", () => {
    const { clock, health } = halfOpen();
    end(health, small, failed("RATE_LIMITED", { retryAfterMs: 2_000 }));
    expect(health.begin(small, undefined)).toEqual({ barred: "cooling", retryAfterMs: 2_000 });
    clock.advance(2_000);
    expect(health.view(small).breaker).toBe(BreakerState.HALF_OPEN);
    expect(health.begin(small, undefined)).not.toHaveProperty("barred");
  });

  test("the first content of a long answer closes it before the answer is over", () => {
    const { health } = halfOpen();
    const trial = begin(health, small);
    trial.answered();
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.CLOSED, ...free });
    expect(health.begin(small, undefined)).not.toHaveProperty("barred");
    trial.end(good);
    expect(health.report("openai").inFlight).toBe(1);
  });
});

describe("when it began to fail", () => {
  test("is the first failure, not moved by attempts that ran beside it", () => {
    const { clock, health } = setUp();
    const [first, beside] = [begin(health, small), begin(health, small)];
    clock.advance(1_000);
    first.end(failed("TIMEOUT"));
    clock.advance(1_000);
    beside.end(failed("TIMEOUT"));
    expect(health.view(small).failedAtMs).toBe(1_000);
  });

  test("is moved on by a later attempt that failed too, and gone after a success", () => {
    const { clock, health } = setUp();
    end(health, small, failed("TIMEOUT"));
    clock.advance(30_000);
    end(health, small, failed("TIMEOUT"));
    expect(health.view(small).failedAtMs).toBe(30_000);
    end(health, small, good);
    expect(health.view(small).failedAtMs).toBeUndefined();
  });
});

describe("the view", () => {
  test("is the same object while nothing changes, and another after an outcome or the passing of time", () => {
    const { clock, health } = setUp();
    end(health, small, failed("RATE_LIMITED", { retryAfterMs: 1_000 }));
    const first = health.view(small);
    clock.advance(500);
    expect(health.view(small)).toBe(first);
    clock.advance(550);
    const second = health.view(small);
    expect(second).toMatchObject(free);
    end(health, small, good);
    expect(health.view(small)).not.toBe(second);
  });

  test("forgets outcomes that have left the window", () => {
    const { clock, health } = setUp();
    end(health, small, failed("RATE_LIMITED"));
    clock.advance(1_000);
    end(health, small, good);
    expect(health.view(small).successRatio).toBe(0.5);
    clock.advance(31_000);
    expect(health.view(small).successRatio).toBe(1);
  });

  test("keeps times of streams and of unary calls apart", () => {
    const { health } = setUp();
    end(health, small, { kind: "succeeded", streamed: true, firstContentMs: 200 });
    end(health, small, { kind: "succeeded", streamed: false, firstContentMs: 3_000 });
    expect(health.view(small)).toMatchObject({ firstTokenMs: 200, unaryMs: 3_000, firstTokenP95Ms: 200 });
  });
});

test("a trial that is ended twice counts once", () => {
  const { health } = setUp();
  const trial = begin(health, small);
  trial.end(failed("TIMEOUT"));
  trial.end(good);
  expect(health.view(small).successRatio).toBe(0);
  expect(health.report("openai").inFlight).toBe(0);
});

describe("a provider's status", () => {
  test("is unknown until it is called or probed", () => {
    const { health } = setUp();
    expect(statusOf(health)).toBe(HealthStatus.UNKNOWN);
    end(health, small, { kind: "neutral" });
    expect(statusOf(health)).toBe(HealthStatus.UNKNOWN);
    end(health, small, good);
    expect(statusOf(health)).toBe(HealthStatus.HEALTHY);
  });

  test("is degraded while one target is barred, unhealthy while all are", () => {
    const { clock, health } = setUp();
    end(health, small, cooling);
    expect(statusOf(health)).toBe(HealthStatus.DEGRADED);
    end(health, large, cooling);
    expect(statusOf(health)).toBe(HealthStatus.UNHEALTHY);
    clock.advance(63_000);
    expect(statusOf(health)).toBe(HealthStatus.HEALTHY);
  });

  for (const { bads, goods, expected } of [
    { bads: 3, goods: 2, expected: "DEGRADED" },
    { bads: 3, goods: 1, expected: "HEALTHY" },
    { bads: 3, goods: 3, expected: "HEALTHY" },
  ] as const) {
    test(`after ${bads} bad and ${goods} good calls is ${expected}`, () => {
      const { health } = setUp();
      end(health, small, failed("UPSTREAM_UNAVAILABLE"), bads);
      end(health, small, good, goods);
      expect(statusOf(health)).toBe(HealthStatus[expected]);
    });
  }

  test("is unhealthy after a bad probe until a call succeeds", () => {
    const { health } = setUp();
    health.probed("openai", new ChatError("UPSTREAM_UNAVAILABLE", "openai refused the connection"));
    expect(statusOf(health)).toBe(HealthStatus.UNHEALTHY);
    expect(health.begin(small, undefined)).not.toHaveProperty("barred");
    end(health, large, good);
    expect(statusOf(health)).toBe(HealthStatus.HEALTHY);
    expect(health.view(small).status).toBe(HealthStatus.HEALTHY);
  });

  test("is not moved by names that callers made up", () => {
    const { health } = setUp();
    end(health, small, good);
    end(health, target("openai/made-up"), cooling);
    expect(statusOf(health)).toBe(HealthStatus.HEALTHY);
    expect(health.report("openai").targets.map((each) => each.model)).toEqual(["small", "large", "made-up"]);
  });

  test("comes from made-up names where the catalogue lists none", () => {
    const { health } = setUp();
    health.declare([{ name: "ollama", targets: [], concurrencyMax: 1 }]);
    end(health, target("ollama/llama"), cooling);
    expect(health.report("ollama").status).toBe(HealthStatus.UNHEALTHY);
  });
});

describe("the report", () => {
  test("tells everything that is known, as a message that can be sent", () => {
    const { clock, health } = setUp();
    clock.advance(1_000);
    for (const firstContentMs of [100, 200.5, 300]) end(health, small, { kind: "succeeded", streamed: true, firstContentMs });
    end(health, large, { kind: "succeeded", streamed: false, firstContentMs: 2_000 });
    end(health, large, failed("OVERLOADED", { retryAfterMs: 10_000 }));
    begin(health, small);
    end(health, small, failed("UPSTREAM_PROTOCOL"), 5);
    health.probed("openai", undefined);
    const report = health.report("openai");
    expect(() => toBinary(ProviderHealthSchema, report)).not.toThrow();
    const wallSeconds = BigInt(Date.UTC(2026, 0, 1) / 1000);
    expect(report).toMatchObject({
      provider: "openai",
      status: HealthStatus.UNHEALTHY,
      breaker: BreakerState.OPEN,
      breakerRetryTime: { seconds: wallSeconds + 6n },
      cooldownUntil: { seconds: wallSeconds + 11n, nanos: 0 },
      inFlight: 1,
      concurrencyLimit: 256,
      successRatio: 0.4,
      lastErrorReason: ErrorReason.UPSTREAM_PROTOCOL,
      lastError: "UPSTREAM_PROTOCOL happened",
      lastErrorTime: { seconds: wallSeconds + 1n },
      lastProbeTime: { seconds: wallSeconds + 1n },
      targets: [
        { model: "small", breaker: BreakerState.OPEN, inFlight: 1, cooldownUntil: undefined },
        { model: "large", breaker: BreakerState.CLOSED, successRatio: 0.5, breakerRetryTime: undefined },
      ],
    });
    expect([report.firstTokenP50, report.latencyP50].map((each) => each && msFromDuration(each))).toEqual([200.5, 2_000]);
  });

  test("of a provider nobody declared is empty", () => {
    const { health } = setUp();
    expect(health.report("nobody")).toMatchObject({ provider: "nobody", status: HealthStatus.UNKNOWN, targets: [], successRatio: 1 });
  });

  test("does not repeat what an upstream said about a request", () => {
    const { health } = setUp();
    end(health, small, failed("UPSTREAM_PROTOCOL", { fromUpstream: true }));
    expect(health.report("openai")).toMatchObject({ lastErrorReason: ErrorReason.UPSTREAM_PROTOCOL, lastError: "" });
  });
});

describe("a new configuration", () => {
  test("keeps the state of what stays and forgets the rest", () => {
    const { health } = setUp();
    end(health, small, good);
    end(health, large, good);
    end(health, other, good);
    end(health, target("openai/made-up"), good);
    health.declare([{ name: "openai", targets: [small, target("openai/made-up")], concurrencyMax: 4 }]);
    expect(health.view(small).firstTokenMs).toBe(100);
    expect(health.view(target("openai/made-up")).firstTokenMs).toBe(100);
    expect(health.view(large).firstTokenMs).toBeUndefined();
    expect(health.view(other).firstTokenMs).toBeUndefined();
    expect(health.report("openai")).toMatchObject({ concurrencyLimit: 4, targets: [{ model: "small" }, { model: "made-up" }] });
    expect(health.report("groq").targets).toEqual([]);
  });

  test("takes over what was learnt of a provider before it was declared", () => {
    const { health } = setUp();
    end(health, target("mistral/large"), failed("QUOTA_EXHAUSTED"));
    health.declare([{ name: "mistral", targets: [], concurrencyMax: 1 }]);
    expect(health.report("mistral").status).toBe(HealthStatus.UNHEALTHY);
  });

  test("bears the end of a call to a provider that is gone", () => {
    const { health } = setUp();
    const trial = begin(health, other);
    health.declare([]);
    trial.end(failed("TIMEOUT"));
    expect(health.view(other).successRatio).toBe(1);
  });

  test("leaves no timer of targets that are gone", () => {
    const { clock, health } = setUp();
    end(health, small, cooling);
    end(health, target("groq/made-up"), cooling);
    expect(clock.pending()).toBe(2);
    health.declare([]);
    expect(clock.pending()).toBe(0);
  });
});

test("at most a thousand made-up names are remembered, with their timers", () => {
  const { clock, health } = setUp();
  for (let each = 0; each < 1_500; each += 1) end(health, target(`openai/name-${each}`), cooling);
  expect(health.report("openai").targets).toHaveLength(1_002);
  expect(clock.pending()).toBe(1_000);
});

test("looking at names does not remember them", () => {
  const { health } = setUp();
  for (let each = 0; each < 10; each += 1) health.view(target(`openai/name-${each}`));
  expect(health.report("openai").targets).toHaveLength(2);
});

test("a reset closes breakers, ends cool-downs and forgives, at that provider only", () => {
  const { health } = setUp();
  end(health, small, failed("TIMEOUT"), 5);
  end(health, large, failed("QUOTA_EXHAUSTED"));
  end(health, other, failed("QUOTA_EXHAUSTED"));
  health.reset("openai");
  expect(health.view(small)).toMatchObject({ breaker: BreakerState.CLOSED, ...free, failedAtMs: undefined });
  expect(health.view(large)).toMatchObject(free);
  expect(health.view(other).lockedUntilMs).toBe(60_000);
  expect(() => health.reset("nobody")).not.toThrow();
});

describe("watchers", () => {
  test("hear of the first outcome, and not of more of the same", () => {
    const { health, take } = watched();
    end(health, small, good);
    expect(take()).toEqual(["openai"]);
    end(health, small, good, 10);
    expect(take()).toEqual([]);
  });

  test("hear of a breaker that opens, turns half-open by time, and closes", () => {
    const { clock, health, take } = watched();
    end(health, small, failed("TIMEOUT"), 5);
    take();
    clock.advance(4_999);
    expect(take()).toEqual([]);
    clock.advance(1);
    expect(take()).toEqual(["openai"]);
    end(health, small, good);
    expect(take()).toEqual(["openai"]);
  });

  test("hear of a cool-down and of its end", () => {
    const { clock, health, take } = watched();
    end(health, other, failed("RATE_LIMITED", { retryAfterMs: 3_000 }));
    expect(take()).toEqual(["groq"]);
    clock.advance(3_150);
    expect(take()).toEqual(["groq"]);
    expect(clock.pending()).toBe(0);
  });

  test("hear of the end of a bar although the timer came early", () => {
    const clock = createFakeClock();
    const hasty = { ...clock, after: (ms: number, callback: () => void) => clock.after(ms > 1 ? ms - 1 : ms, callback) };
    const health = createWindowHealth({ clock: hasty, random: () => 0.5, breaker });
    health.declare([{ name: "groq", targets: [other], concurrencyMax: 8 }]);
    end(health, other, failed("RATE_LIMITED", { retryAfterMs: 3_000 }));
    const statuses: HealthStatus[] = [];
    health.watch((provider) => statuses.push(health.report(provider).status));
    clock.advance(3_150);
    expect(statuses.at(-1)).toBe(HealthStatus.HEALTHY);
    expect(clock.pending()).toBe(0);
  });

  test("hear of no more bars that end after the close, which leaves no timer", () => {
    const { clock, health, take } = watched();
    end(health, other, cooling);
    end(health, target("groq/made-up"), cooling);
    take();
    health.close();
    expect(clock.pending()).toBe(0);
    clock.advance(63_000);
    expect(take()).toEqual([]);
  });

  test("hear of probes that change something", () => {
    const { health, take } = watched();
    health.probed("groq", undefined);
    expect(new Set(take())).toEqual(new Set(["groq"]));
    health.probed("groq", undefined);
    expect(take()).toEqual([]);
  });

  test("hear nothing once they left", () => {
    const { health, take, leave } = watched();
    leave();
    end(health, small, good);
    expect(take()).toEqual([]);
  });
});

test("whatever happens, nothing is in flight once all trials ended, and what bars in the view bars at begin", () => {
  const outcome = fc.constantFrom<Outcome>(
    good,
    failed("TIMEOUT"),
    failed("RATE_LIMITED"),
    failed("UPSTREAM_AUTH", { upstream: { status: 401, requestId: "" } }),
    failed("UPSTREAM_AUTH", { upstream: { status: 403, requestId: "" } }),
    failed("INVALID_REQUEST"),
    { kind: "neutral" },
  );
  const step = fc.record({
    id: fc.constantFrom(small, large),
    kind: fc.constantFrom("begin", "end", "wait", "probe", "reset"),
    number: fc.nat(),
    insist: fc.constantFrom<Insistence | undefined>(undefined, undefined, "panic", "lone"),
    result: outcome,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { clock, health } = setUp();
      const running: Trial[] = [];
      for (const { id, kind, number, insist, result } of steps) {
        if (kind === "wait") clock.advance(number % 7_000);
        if (kind === "end") running.splice(number % Math.max(1, running.length), 1)[0]?.end(result);
        if (kind === "probe") health.probed("openai", undefined);
        if (kind === "reset") health.reset("openai");
        if (kind !== "begin") continue;
        const { openUntilMs, coolingUntilMs, lockedUntilMs } = health.view(id);
        const trial = health.begin(id, insist);
        if ("barred" in trial) {
          const untilMs = { credential: lockedUntilMs, cooling: coolingUntilMs, open: openUntilMs }[trial.barred];
          expect(trial.retryAfterMs).toBe(untilMs - clock.now());
          expect(trial.retryAfterMs).toBeGreaterThan(0);
          expect(trial.barred === "open" && insist === "lone").toBe(false);
        } else {
          expect([lockedUntilMs, insist === undefined ? openUntilMs : 0]).toEqual([0, 0]);
          running.push(trial);
        }
        expect(health.report("openai").inFlight).toBe(running.length);
      }
      for (const trial of running) trial.end(good);
      expect(health.report("openai").inFlight).toBe(0);
    }),
    { numRuns: 300 },
  );
});
