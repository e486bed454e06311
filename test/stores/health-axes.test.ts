import { describe, expect, test } from "vitest";

import type { TargetId } from "../../src/core/catalog.ts";
import { BreakerState, ErrorReason, HealthAxis, HealthStatus } from "../../src/core/chat.ts";
import { msFromDuration } from "../../src/core/clock.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../src/core/error.ts";
import type { CredentialChange, Insistence, Outcome, Trial } from "../../src/core/health.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };
const [small, large, elsewhere] = ["openai/small", "openai/large", "groq/small"].map((id) => id as TargetId) as [
  TargetId,
  TargetId,
  TargetId,
];

function scene(concurrencyMax = 100) {
  const clock = createFakeClock();
  const told: CredentialChange[] = [];
  const health = createWindowHealth({ clock, random: () => 0.5, breaker, onCredential: (change) => told.push(change) });
  health.declare([
    { name: "openai", targets: [small, large], concurrencyMax },
    { name: "groq", targets: [elsewhere], concurrencyMax },
  ]);
  const begin = (id: TargetId, insist?: Insistence): Trial => {
    const trial = health.begin(id, insist);
    if ("barred" in trial) throw new Error(`${id} is barred: ${trial.barred}`);
    return trial;
  };
  const end = (id: TargetId, outcome: Outcome, times = 1): void => {
    for (let each = 0; each < times; each += 1) begin(id).end(outcome);
  };
  const barred = (id: TargetId, insist?: Insistence): string | undefined => {
    const trial = health.begin(id, insist);
    if ("barred" in trial) return trial.barred;
    trial.end({ kind: "neutral" });
    return undefined;
  };
  const barsOf = (id: TargetId) => {
    const [provider = "", model = ""] = id.split("/");
    return health.report(provider).targets.find((target) => target.model === model)?.bars ?? [];
  };
  return { clock, health, told, begin, end, barred, barsOf };
}

const good: Outcome = { kind: "succeeded", streamed: true, firstContentMs: 100 };
const neutral: Outcome = { kind: "neutral" };

function failed(failure: Failure, options: ChatErrorOptions = {}, streamed = true): Outcome {
  return { kind: "failed", streamed, error: new ChatError(failure, `${failure} happened`, options) };
}

const answered = (status: number): ChatErrorOptions => ({ upstream: { status, requestId: "" } });
const refused = failed("UPSTREAM_AUTH", answered(401));
const forbidden = failed("UPSTREAM_AUTH", answered(403));
const broke = failed("QUOTA_EXHAUSTED", answered(429));

test("what the model made of the one request says nothing about its target, before content or after", () => {
  for (const failure of ["UPSTREAM_PROTOCOL", "STREAM_INTERRUPTED"] as const) {
    const { health, end } = scene();
    end(small, good);
    end(small, failed(failure, { blameless: true }), 30);
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.CLOSED, successRatio: 1, firstTokenMs: 100, failedAtMs: undefined });
    end(small, failed(failure), 5);
    expect(health.view(small).breaker).toBe(BreakerState.OPEN);
  }
});

describe("the credential", () => {
  for (const { what, outcome, reason } of [
    { what: "refused by a 401", outcome: refused, reason: "UPSTREAM_AUTH" },
    { what: "without credit", outcome: broke, reason: "QUOTA_EXHAUSTED" },
    { what: "refused by a 403", outcome: forbidden, reason: "UPSTREAM_AUTH" },
    { what: "without credit by a 403", outcome: failed("QUOTA_EXHAUSTED", answered(403)), reason: "QUOTA_EXHAUSTED" },
  ] as const) {
    test(`${what} is out for that target, for a minute, and nothing else changes`, () => {
      const { clock, health, end, barred } = scene();
      end(small, outcome);
      expect([small, large].map((id) => barred(id) === "credential")).toEqual([true, false]);
      expect(barred(elsewhere)).toBeUndefined();
      const view = { breaker: BreakerState.CLOSED, coolingUntilMs: 0, openUntilMs: 0, lockedUntilMs: 60_000, lockedBy: reason };
      expect(health.view(small)).toMatchObject({ ...view, status: HealthStatus.UNHEALTHY });
      clock.advance(59_999);
      expect(barred(small)).toBe("credential");
      clock.advance(1);
      expect([barred(small), barred(large)]).toEqual([undefined, undefined]);
    });
  }

  test("is out for twice as long each time it is found as it was, up to a quarter of an hour", () => {
    const { clock, health, end } = scene();
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      end(small, refused);
      waits.push((health.view(small).lockedUntilMs - clock.now()) / 60_000);
      clock.advance(15 * 60_000);
    }
    expect(waits).toEqual([1, 2, 4, 8, 15, 15]);
    end(small, good);
    end(small, refused);
    expect(health.view(small).lockedUntilMs - clock.now()).toBe(60_000);
  });

  test("is out, and back, to the millisecond", () => {
    const { clock, health, end } = scene();
    clock.advance(500);
    end(small, refused);
    clock.advance(59_999);
    expect(health.view(small).lockedUntilMs).toBe(60_500);
    clock.advance(1);
    expect(health.view(small).lockedUntilMs).toBe(0);
    end(small, refused);
    expect(health.view(small).lockedUntilMs).toBe(180_500);
  });

  test("is told once a change, however many calls meet it", () => {
    const { clock, health, told, begin, end } = scene();
    const wave = Array.from({ length: 50 }, () => begin(small));
    clock.advance(10);
    for (const trial of wave) trial.end(refused);
    expect(told).toEqual([{ provider: "openai", target: small, reason: "UPSTREAM_AUTH" }]);
    expect(health.view(small).lockedUntilMs).toBe(60_010);
    clock.advance(60_000);
    end(small, refused);
    expect(told).toHaveLength(1);
    clock.advance(120_000);
    end(small, broke);
    clock.advance(240_000);
    end(small, good, 3);
    expect(told.slice(1)).toEqual([
      { provider: "openai", target: small, reason: "QUOTA_EXHAUSTED" },
      { provider: "openai", target: small, reason: undefined },
    ]);
  });

  test("of one target is told with its name, and comes back by that target's success only", () => {
    const { clock, health, told, end } = scene();
    end(small, forbidden);
    end(large, good);
    expect(health.view(small).lockedUntilMs).toBe(60_000);
    clock.advance(60_000);
    end(small, good);
    expect(told).toEqual([
      { provider: "openai", target: small, reason: "UPSTREAM_AUTH" },
      { provider: "openai", target: small, reason: undefined },
    ]);
  });

  test("comes back by an answer that began after the refusal, at its first content; not by one that began before", () => {
    const { clock, barred, begin } = scene();
    const [early, late, bad] = [begin(small), begin(small), begin(small)];
    early.answered();
    clock.advance(10);
    bad.end(refused);
    clock.advance(10);
    early.end(good);
    expect(barred(small)).toBe("credential");
    late.answered();
    expect(barred(small)).toBeUndefined();
  });

  for (const { what, outcome, target, back } of [
    { what: "a refused one", outcome: refused, target: small, back: true },
    { what: "one without credit, which a list does not need,", outcome: broke, target: small, back: false },
    { what: "one that may not use the target, which a list does not show,", outcome: forbidden, target: small, back: false },
  ]) {
    test(`${what} ${back ? "comes" : "does not come"} back by a good probe`, () => {
      const { health, end, barred } = scene();
      end(small, outcome);
      health.probed("openai", undefined);
      expect(barred(target)).toBe(back ? undefined : "credential");
    });
  }

  test("does not come back by a probe that answers with an error, or is another provider's", () => {
    const { health, end, barred } = scene();
    end(small, refused);
    health.probed("openai", new ChatError("UPSTREAM_AUTH", "no", answered(401)));
    health.probed("groq", undefined);
    expect(barred(small)).toBe("credential");
  });

  test("is not believed a second time to a probe that was good while calls were refused, until a call succeeds", () => {
    const { clock, health, told, end, barred } = scene();
    end(small, refused);
    health.probed("openai", undefined);
    end(small, refused);
    expect(health.view(small).lockedUntilMs - clock.now()).toBe(120_000);
    health.probed("openai", undefined);
    expect(barred(small)).toBe("credential");
    expect(told.map(({ reason }) => reason)).toEqual(["UPSTREAM_AUTH", undefined, "UPSTREAM_AUTH"]);
    clock.advance(120_000);
    end(small, good);
    end(small, refused);
    health.probed("openai", undefined);
    expect(barred(small)).toBeUndefined();
  });

  test("comes back by a reset and by another configuration, and calls of the old one do not put it out again", () => {
    for (const way of ["reset", "renewed"] as const) {
      const { clock, health, told, begin, end, barred } = scene();
      const old = begin(small);
      end(large, forbidden);
      end(small, refused);
      clock.advance(5);
      health[way]("openai");
      expect([barred(small), barred(large)]).toEqual([undefined, undefined]);
      expect(told.filter(({ reason }) => reason === undefined)).toHaveLength(2);
      old.end(refused);
      expect(barred(small)).toBeUndefined();
    }
  });

  test("another configuration mends nothing else", () => {
    const { health, end, barred } = scene();
    end(small, failed("TIMEOUT"), 5);
    end(large, failed("RATE_LIMITED"));
    health.renewed("openai");
    expect([barred(small), barred(large)]).toEqual(["open", "cooling"]);
    expect(() => health.renewed("nobody")).not.toThrow();
  });

  test("watchers of the provider hear of it once, and of its end", () => {
    const { clock, health, end } = scene();
    end(small, good);
    end(large, good);
    const heard: string[] = [];
    health.watch((provider) => heard.push(provider));
    end(small, refused);
    expect(new Set(heard)).toEqual(new Set(["openai"]));
    heard.length = 0;
    clock.advance(60_000);
    expect(heard).toContain("openai");
    expect(health.report("openai").status).toBe(HealthStatus.HEALTHY);
  });
});

describe("what a target lacks", () => {
  const unknown = failed("MODEL_NOT_FOUND", answered(404));
  const cannot = (field: string): Outcome => failed("UNSUPPORTED_FEATURE", { ...answered(400), field });

  test("is remembered for a minute, each of its own, and bars nothing", () => {
    const { clock, health, end, barred } = scene();
    end(small, cannot("temperature"));
    clock.advance(30_000);
    end(small, cannot("tools[0].strict"));
    end(small, unknown);
    expect(health.view(small).lacks).toEqual(["temperature", "tools", "model"]);
    expect([barred(small), health.view(small).status, health.view(small).successRatio]).toEqual([undefined, HealthStatus.UNKNOWN, 1]);
    expect(health.view(large).lacks).toEqual([]);
    clock.advance(30_000);
    expect(health.view(small).lacks).toEqual(["tools", "model"]);
    clock.advance(30_000);
    expect(health.view(small).lacks).toEqual([]);
  });

  test("is remembered anew each time it is said", () => {
    const { clock, health, end } = scene();
    end(small, cannot("seed"));
    clock.advance(50_000);
    end(small, cannot("seed"));
    clock.advance(50_000);
    expect(health.view(small).lacks).toEqual(["seed"]);
  });

  test("is no model any more once a call succeeds", () => {
    const { health, end } = scene();
    end(small, unknown);
    end(small, cannot("seed"));
    end(small, good);
    expect(health.view(small).lacks).toEqual(["seed"]);
  });

  test("is bounded: words that name no feature are not remembered", () => {
    const { health, end } = scene();
    for (let each = 0; each < 1000; each += 1) end(small, cannot(`vendor_field_${each}`));
    expect(health.view(small).lacks).toEqual([]);
  });

  test("is not learnt from our own translation, which speaks of one request", () => {
    const { health, end } = scene();
    end(small, failed("UNSUPPORTED_FEATURE", { field: "tools" }));
    end(small, failed("MODEL_NOT_FOUND"));
    expect(health.view(small).lacks).toEqual([]);
  });
});

describe("insisting", () => {
  const openBreaker = () => {
    const set = scene();
    set.end(small, failed("UPSTREAM_UNAVAILABLE"), 5);
    return set;
  };

  test("passes an open breaker: four at a time in panic, all of a lone target's calls", () => {
    const { health, begin, barred } = openBreaker();
    expect(barred(small)).toBe("open");
    const panic = Array.from({ length: 4 }, () => begin(small, "panic"));
    expect(barred(small, "panic")).toBe("open");
    for (let each = 0; each < 100; each += 1) begin(small, "lone");
    panic[0]?.end(neutral);
    // The lone calls count, too: the target is not better off for them.
    expect(barred(small, "panic")).toBe("open");
    expect(health.report("openai").inFlight).toBe(103);
  });

  test("passes the breaker only", () => {
    const { barred, begin } = openBreaker();
    const other = begin(small, "lone");
    begin(small, "lone").end(failed("RATE_LIMITED"));
    expect(barred(small, "lone")).toBe("cooling");
    other.end(refused);
    expect(barred(small, "lone")).toBe("credential");
  });

  for (const insist of ["lone", "panic"] as const) {
    test(`a ${insist} call that succeeds closes the breaker at its first content`, () => {
      const { health, begin } = openBreaker();
      const trial = begin(small, insist);
      expect(health.view(small).breaker).toBe(BreakerState.OPEN);
      trial.answered();
      expect(health.view(small).breaker).toBe(BreakerState.CLOSED);
      trial.end(good);
      expect(health.view(small).breaker).toBe(BreakerState.CLOSED);
    });

    test(`${insist} calls that fail keep it open no longer than it was`, () => {
      const { clock, health, begin } = openBreaker();
      for (let each = 0; each < 20; each += 1) begin(small, insist).end(failed("UPSTREAM_UNAVAILABLE"));
      expect(health.view(small).openUntilMs).toBe(5_000);
      clock.advance(5_000);
      expect(health.view(small).breaker).toBe(BreakerState.HALF_OPEN);
    });
  }

  test("at a half-open breaker the first is the trial, and its failure counts", () => {
    const { clock, health, begin } = openBreaker();
    clock.advance(5_000);
    const trial = begin(small, "lone");
    const past = begin(small, "lone");
    past.end(failed("UPSTREAM_UNAVAILABLE"));
    expect(health.view(small).breaker).toBe(BreakerState.HALF_OPEN);
    trial.end(failed("UPSTREAM_UNAVAILABLE"));
    expect(health.view(small)).toMatchObject({ breaker: BreakerState.OPEN, openUntilMs: 15_000 });
  });

  test("in panic a half-open trial is one of the four, and keeps its place when another of them is left", () => {
    const { clock, begin, barred } = openBreaker();
    clock.advance(5_000);
    begin(small, "panic");
    const past = [1, 2, 3].map(() => begin(small, "panic"));
    expect(barred(small, "panic")).toBe("open");
    past[0]?.end(neutral);
    expect([barred(small), barred(small, "panic")]).toEqual(["open", undefined]);
  });

  test("where four are past it when it turns half-open, they are its trial", () => {
    const { clock, begin, barred } = openBreaker();
    const past = Array.from({ length: 4 }, () => begin(small, "panic"));
    clock.advance(5_000);
    expect([barred(small), barred(small, "panic"), barred(small, "lone")]).toEqual(["open", "open", undefined]);
    past[0]?.end(failed("UPSTREAM_UNAVAILABLE"));
    expect(barred(small)).toBeUndefined();
    past[1]?.end(good);
    expect(barred(small)).toBeUndefined();
  });

  test("at a closed breaker it is a call like any other, and can trip it", () => {
    const { health, begin } = scene();
    const trials = Array.from({ length: 10 }, () => begin(small, "panic"));
    for (const trial of trials.slice(0, 5)) trial.end(failed("TIMEOUT"));
    expect(health.view(small).breaker).toBe(BreakerState.OPEN);
  });

  test("half-open admits exactly one of a thousand that come at the same time", () => {
    const { clock, health } = openBreaker();
    clock.advance(5_000);
    const trials = Array.from({ length: 1_000 }, () => health.begin(small, undefined));
    expect(trials.filter((trial) => !("barred" in trial))).toHaveLength(1);
    expect(health.report("openai").inFlight).toBe(1);
  });
});

describe("a target that comes back", () => {
  const recovered = () => {
    const set = scene();
    set.end(small, failed("UPSTREAM_UNAVAILABLE"), 5);
    set.clock.advance(5_000);
    set.end(small, good);
    return set;
  };

  test("has a tenth of its part at first, and all of it after half a minute", () => {
    const { clock, health } = recovered();
    const warmths = Array.from({ length: 11 }, () => {
      const { warmth } = health.view(small);
      clock.advance(3_000);
      return warmth;
    });
    expect(warmths).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1]);
    expect(health.view(large).warmth).toBe(1);
  });

  test("is told its part step by step, whatever else stays as it is", () => {
    const { clock, health } = recovered();
    clock.advance(2_999);
    expect(health.view(small).warmth).toBe(0.1);
    clock.advance(1);
    expect(health.view(small).warmth).toBe(0.2);
  });

  test("may have as much of its calls at a time; one that insists has nowhere else to go", () => {
    const { clock, health } = recovered();
    expect([health.concurrencyLimit(small, undefined), health.concurrencyLimit(small, "lone")]).toEqual([10, 100]);
    clock.advance(15_000);
    expect(health.concurrencyLimit(small, undefined)).toBe(60);
    expect(health.report("openai").targets[0]).toMatchObject({ warmth: 0.6, concurrencyLimit: 60 });
    clock.advance(15_000);
    expect(health.concurrencyLimit(small, undefined)).toBe(100);
    expect(health.report("openai").targets[0]?.warmth).toBeUndefined();
  });

  test("may have four at least, or all where that is less", () => {
    for (const [max, expected] of [
      [20, 4],
      [3, 3],
    ] as const) {
      const { clock, health, end } = scene(max);
      end(small, failed("UPSTREAM_UNAVAILABLE"), 5);
      clock.advance(5_000);
      end(small, good);
      expect(health.concurrencyLimit(small, undefined)).toBe(expected);
    }
  });

  for (const { ms, warmth } of [
    { ms: 9_000, warmth: 1 },
    { ms: 10_000, warmth: 0.1 },
  ]) {
    test(`from a cool-down of ${ms} ms has ${warmth} of its part`, () => {
      const { clock, health, end } = scene();
      end(small, failed("RATE_LIMITED", { retryAfterMs: ms }));
      clock.advance(ms * 1.05);
      expect(health.view(small)).toMatchObject({ coolingUntilMs: 0, warmth });
    });
  }

  test("has all of its part after a reset", () => {
    const { health } = recovered();
    health.reset("openai");
    expect(health.view(small).warmth).toBe(1);
  });
});

describe("how fast a target looks", () => {
  test("a refusal within milliseconds counts as five seconds, for its kind of call, and is in no quantile", () => {
    for (const streamed of [true, false]) {
      const { clock, health, begin, end } = scene();
      end(small, { kind: "succeeded", streamed, firstContentMs: 100 });
      const trial = begin(small);
      clock.advance(5);
      trial.end(failed("RATE_LIMITED", { retryAfterMs: 1 }, streamed));
      const view = health.view(small);
      const felt = streamed ? view.firstTokenMs : view.unaryMs;
      expect(felt).toBeGreaterThan(2_500);
      expect(streamed ? view.unaryMs : view.firstTokenMs).toBeUndefined();
      const { firstTokenP50, latencyP50, latencyP95 } = health.report("openai");
      const told = [firstTokenP50, latencyP50, latencyP95].flatMap((duration) => (duration === undefined ? [] : msFromDuration(duration)));
      expect(told).toEqual(streamed ? [100] : [100, 100]);
      expect(view.firstTokenP95Ms).toBe(streamed ? 100 : undefined);
    }
  });

  test("a failure that took longer counts as long as it took; a cut answer as long as its first content", () => {
    const { clock, health, begin } = scene();
    const [slow, cut] = [begin(small), begin(large)];
    clock.advance(1_000);
    cut.answered();
    clock.advance(59_000);
    slow.end(failed("TIMEOUT"));
    cut.end(failed("STREAM_INTERRUPTED"));
    expect([health.view(small).firstTokenMs, health.view(large).firstTokenMs]).toEqual([60_000, 5_000]);
  });

  test("failing fast after failing slowly makes it look no faster", () => {
    const { clock, health, begin, end } = scene();
    const slow = begin(small);
    clock.advance(60_000);
    slow.end(failed("TIMEOUT"));
    end(small, failed("UPSTREAM_UNAVAILABLE"), 3);
    expect(health.view(small).firstTokenMs).toBe(60_000);
  });

  test("failing fast makes a slow target look no faster", () => {
    const { health, end } = scene();
    end(small, { kind: "succeeded", streamed: true, firstContentMs: 20_000 });
    end(small, failed("UPSTREAM_UNAVAILABLE"), 4);
    expect(health.view(small).firstTokenMs).toBe(20_000);
  });

  test("is forgiven over half a minute in which nothing is heard, or it would never be tried again", () => {
    const { clock, health, end } = scene();
    end(small, good);
    end(small, failed("UPSTREAM_UNAVAILABLE"));
    end(large, failed("UPSTREAM_UNAVAILABLE"));
    const felt = Array.from({ length: 7 }, () => {
      const { firstTokenMs = 0 } = health.view(small);
      clock.advance(5_000);
      return Math.round(firstTokenMs);
    });
    expect(felt).toEqual([2550, 2142, 1733, 1325, 917, 508, 100]);
    expect(health.view(large).firstTokenMs).toBeUndefined();
  });

  test("fades from second to second", () => {
    const { clock, health, end } = scene();
    clock.advance(1_500);
    end(small, good);
    end(small, failed("UPSTREAM_UNAVAILABLE"));
    const { firstTokenMs: before = 0 } = health.view(small);
    clock.advance(1_000);
    expect(health.view(small).firstTokenMs).toBeCloseTo(before - 2_450 / 30, 6);
  });

  test("a caller who leaves says nothing of it", () => {
    const { health, end } = scene();
    end(small, neutral);
    expect(health.view(small).firstTokenMs).toBeUndefined();
  });
});

describe("the observed quantile of answers", () => {
  test("is there from ten samples on, for each kind of call", () => {
    const { health, end } = scene();
    for (let ms = 1; ms <= 9; ms += 1) end(small, { kind: "succeeded", streamed: true, firstContentMs: ms * 10 });
    end(small, failed("UPSTREAM_UNAVAILABLE"));
    expect(health.latencyQuantileMs(small, true, 0.5)).toBeUndefined();
    end(small, { kind: "succeeded", streamed: true, firstContentMs: 100 });
    expect([0.1, 0.5, 0.95, 1].map((share) => health.latencyQuantileMs(small, true, share))).toEqual([10, 50, 100, 100]);
    expect(health.latencyQuantileMs(small, false, 0.5)).toBeUndefined();
    expect(health.latencyQuantileMs("openai/never" as TargetId, true, 0.5)).toBeUndefined();
  });
});

describe("the calls a target may have at a time", () => {
  const overloads = [
    { what: "RATE_LIMITED", outcome: failed("RATE_LIMITED", { retryAfterMs: 1 }), answers: false, limit: 90 },
    { what: "OVERLOADED", outcome: failed("OVERLOADED"), answers: false, limit: 90 },
    { what: "TIMEOUT before the first content", outcome: failed("TIMEOUT"), answers: false, limit: 90 },
    { what: "TIMEOUT after it", outcome: failed("TIMEOUT"), answers: true, limit: 100 },
    { what: "UPSTREAM_UNAVAILABLE", outcome: failed("UPSTREAM_UNAVAILABLE"), answers: false, limit: 100 },
    { what: "UPSTREAM_AUTH", outcome: refused, answers: false, limit: 100 },
    { what: "success", outcome: good, answers: true, limit: 100 },
  ];
  for (const { what, outcome, answers, limit } of overloads) {
    test(`are ${limit} of 100 after ${what}`, () => {
      const { health, begin } = scene();
      const trial = begin(small);
      if (answers) trial.answered();
      trial.end(outcome);
      expect(health.concurrencyLimit(small, undefined)).toBe(limit);
      expect(health.concurrencyLimit(large, undefined)).toBe(100);
      expect(health.report("openai").targets[0]?.concurrencyLimit).toBe(limit);
    });
  }

  test("an answer that breaks off with an overload says so: the breaker hears of the break, the others of the overload", () => {
    const { health, begin } = scene();
    const trial = begin(small);
    trial.answered();
    const cause = new ChatError("OVERLOADED", "busy", { retryAfterMs: 2_000 });
    trial.end({ kind: "failed", streamed: true, error: new ChatError("STREAM_INTERRUPTED", "broke off", { cause }) });
    expect([health.view(small).coolingUntilMs, health.concurrencyLimit(small, "lone"), health.view(small).successRatio]).toEqual([
      2_000, 90, 0,
    ]);
  });

  test("are cut once for a wave, and again after a round trip", () => {
    const { clock, health, begin, end } = scene();
    end(small, { kind: "succeeded", streamed: true, firstContentMs: 400 });
    const overload = (): number => {
      begin(small, "lone").end(failed("OVERLOADED"));
      return health.concurrencyLimit(small, "lone");
    };
    expect([overload(), overload(), overload()]).toEqual([90, 90, 90]);
    clock.advance(399);
    expect(overload()).toBe(90);
    clock.advance(1);
    expect(overload()).toBe(81);
  });

  test("are four at least, or the maximum where that is less", () => {
    for (const [max, least] of [
      [20, 4],
      [3, 3],
    ] as const) {
      const { clock, health, begin } = scene(max);
      for (let each = 0; each < 50; each += 1) {
        begin(small, "lone").end(failed("OVERLOADED"));
        clock.advance(1_000);
      }
      expect(health.concurrencyLimit(small, "lone")).toBe(least);
    }
  });

  test("grow by one with each success while at least half of them are used", () => {
    const { health, begin, end } = scene(10);
    end(small, failed("OVERLOADED"));
    expect(health.concurrencyLimit(small, undefined)).toBe(9);
    end(small, good, 5);
    expect(health.concurrencyLimit(small, undefined)).toBe(9);
    const trials = Array.from({ length: 6 }, () => begin(small));
    trials[0]?.end(good);
    expect(health.concurrencyLimit(small, undefined)).toBe(10);
    for (const trial of trials.slice(1)) trial.end(good);
    expect(health.concurrencyLimit(small, undefined)).toBe(10);
  });

  test("are as many as the provider's maximum, also when that changes", () => {
    const { health, end } = scene(10);
    const declare = (concurrencyMax: number) => health.declare([{ name: "openai", targets: [small], concurrencyMax }]);
    declare(50);
    expect(health.concurrencyLimit(small, undefined)).toBe(50);
    end(small, failed("OVERLOADED"));
    declare(20);
    expect(health.concurrencyLimit(small, undefined)).toBe(20);
    declare(200);
    expect(health.concurrencyLimit(small, undefined)).toBe(45);
    expect(health.concurrencyLimit("openai/never" as TargetId, undefined)).toBe(Infinity);
    end("openai/made-up" as TargetId, good);
    expect(health.concurrencyLimit("openai/made-up" as TargetId, undefined)).toBe(200);
  });
});

describe("what says nothing of a target moves none of its axes", () => {
  // Of each failure: which axes it moves, for a target whose breaker is closed.
  const moves: Record<Failure, readonly string[]> = {
    INVALID_REQUEST: [],
    CONTEXT_LENGTH_EXCEEDED: [],
    REQUEST_TOO_LARGE: [],
    CONTENT_POLICY: [],
    UNSUPPORTED_FEATURE: ["capability"],
    CALLER_UNAUTHENTICATED: [],
    CALLER_FORBIDDEN: [],
    MODEL_NOT_FOUND: ["capability"],
    CALLER_RATE_LIMITED: [],
    BUDGET_EXHAUSTED: [],
    RATE_LIMITED: ["ratio", "felt", "cooling", "limit"],
    QUOTA_EXHAUSTED: ["ratio", "felt", "credential"],
    OVERLOADED: ["ratio", "felt", "breaker", "limit"],
    UPSTREAM_UNAVAILABLE: ["ratio", "felt", "breaker"],
    TIMEOUT: ["ratio", "felt", "breaker", "limit"],
    UPSTREAM_AUTH: ["ratio", "felt", "credential"],
    UPSTREAM_PROTOCOL: ["ratio", "felt", "breaker"],
    STREAM_INTERRUPTED: ["ratio", "felt", "breaker"],
    NO_TARGET: [],
    CANCELLED: [],
    INTERNAL: [],
    SHED: [],
    DRAINING: [],
    DEADLINE_EXCEEDED: [],
    STORE_UNAVAILABLE: [],
  };
  for (const [failure, axes] of Object.entries(moves)) {
    test(`${failure}: ${axes.join(", ") || "none"}`, () => {
      const { health, begin } = scene();
      const trials = Array.from({ length: 5 }, () => begin(small));
      for (const trial of trials) trial.end(failed(failure as Failure, { ...answered(400), field: "tools" }));
      const view = health.view(small);
      const moved = {
        ratio: view.successRatio < 1,
        felt: view.firstTokenMs !== undefined,
        breaker: view.openUntilMs > 0,
        cooling: view.coolingUntilMs > 0,
        credential: view.lockedUntilMs > 0,
        capability: view.lacks.length > 0,
        limit: health.concurrencyLimit(small, undefined) < 100,
      };
      expect(new Set(Object.entries(moved).flatMap(([axis, is]) => (is ? [axis] : [])))).toEqual(new Set(axes));
      if (axes.length === 0)
        expect(health.report("openai")).toMatchObject({ status: HealthStatus.UNKNOWN, lastErrorReason: 0, inFlight: 0 });
    });
  }

  for (const skipped of ["open", "cooling", "credential", "busy"] as const) {
    test(`an attempt that was never made (${skipped}): none`, () => {
      const { health, end } = scene();
      const before = health.view(small);
      end(small, failed("OVERLOADED", { skipped, retryAfterMs: 5_000 }), 10);
      expect(health.view(small)).toEqual(before);
    });
  }
});

describe("the report", () => {
  test("tells each axis apart: reason, since and until", () => {
    const { clock, begin, end, barsOf } = scene();
    const wall = (ms: number) => ({
      seconds: BigInt(Date.UTC(2026, 0, 1) / 1000) + BigInt(Math.floor(ms / 1000)),
      nanos: (ms % 1000) * 1e6,
    });
    const [one, two, three, four] = [begin(small), begin(small), begin(small), begin(small)];
    clock.advance(1_000);
    end(small, failed("TIMEOUT"), 4);
    end(small, failed("UPSTREAM_PROTOCOL"));
    clock.advance(1_000);
    one.end(failed("OVERLOADED", { retryAfterMs: 10_000 }));
    clock.advance(1_000);
    two.end(refused);
    clock.advance(1_000);
    three.end(failed("UNSUPPORTED_FEATURE", { ...answered(400), field: "response_format.json_schema" }));
    expect(barsOf(small)).toMatchObject([
      { axis: HealthAxis.BREAKER, reason: ErrorReason.OVERLOADED, since: wall(1_000), until: wall(6_000), feature: "" },
      { axis: HealthAxis.RATE_LIMIT, reason: ErrorReason.OVERLOADED, since: wall(2_000), until: wall(12_000), feature: "" },
      { axis: HealthAxis.CREDENTIAL, reason: ErrorReason.UPSTREAM_AUTH, since: wall(3_000), until: wall(63_000), feature: "" },
      {
        axis: HealthAxis.CAPABILITY,
        reason: ErrorReason.UNSUPPORTED_FEATURE,
        since: wall(4_000),
        until: wall(64_000),
        feature: "output_format",
      },
    ]);
    expect(barsOf(large)).toEqual([]);
    four.end(failed("RATE_LIMITED", { retryAfterMs: 20_000 }));
    expect(barsOf(small)[1]).toMatchObject({ reason: ErrorReason.RATE_LIMITED, since: wall(2_000), until: wall(24_000) });
    clock.advance(2_000);
    expect(barsOf(small)[0]).toMatchObject({ axis: HealthAxis.BREAKER, since: wall(1_000), until: undefined });
    clock.advance(60_000);
    expect(barsOf(small).map(({ axis }) => axis)).toEqual([HealthAxis.BREAKER]);
    end(small, good);
    expect(barsOf(small)).toEqual([]);
  });

  test("of a target that is well names no bar", () => {
    const { end, barsOf } = scene();
    end(small, good);
    expect(barsOf(small)).toEqual([]);
  });
});
