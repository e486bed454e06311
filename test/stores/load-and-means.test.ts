/** What the policies `least_busy` and `latency` go by. */
import { describe, expect, test } from "vitest";
import type { TargetId } from "../../src/core/catalog.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Trial } from "../../src/core/health.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };
const [one, other] = ["p/one" as TargetId, "p/other" as TargetId];

function setUp() {
  const clock = createFakeClock();
  clock.advance(1000);
  const health = createWindowHealth({ clock, random: () => 0.5, breaker });
  health.declare([{ name: "p", targets: [one, other], concurrencyMax: 10 }]);
  const begin = (id: TargetId): Trial => {
    const trial = health.begin(id, undefined);
    if ("barred" in trial) throw new Error("barred");
    return trial;
  };
  const answer = (id: TargetId, ms: number) => begin(id).end({ kind: "succeeded", streamed: true, firstContentMs: ms });
  return { clock, health, begin, answer };
}

describe("the load of a target", () => {
  test("is calls in flight over the limit, and that of its provider where it is fuller", () => {
    const { health, begin } = setUp();
    expect(health.load(one)).toBe(0);
    const trials = [begin(one), begin(one)];
    begin(other);
    expect([health.load(one), health.load(other)]).toEqual([0.3, 0.3]);
    for (const trial of trials) trial.end({ kind: "neutral" });
    expect([health.load(one), health.load(other)]).toEqual([0.1, 0.1]);
  });

  test("counts the target's own limit where that was cut", () => {
    const { health, begin } = setUp();
    begin(one).end({ kind: "failed", streamed: true, error: new ChatError("OVERLOADED", "no") });
    begin(other);
    const trial = begin(one);
    // 9 of 10 are left to it: 1 of 9 is less than the provider's 2 of 10.
    expect(health.load(one)).toBe(0.2);
    trial.end({ kind: "neutral" });
    expect(health.load(one)).toBe(0.1);
  });

  test("is given back to the provider that it was taken of, whatever was reloaded meanwhile", () => {
    const { health, begin } = setUp();
    const trial = begin(one);
    health.declare([{ name: "p", targets: [other], concurrencyMax: 10 }]);
    trial.end({ kind: "neutral" });
    expect(health.load(other)).toBe(0);
  });

  test("of one that nobody knows is 0", () => expect(setUp().health.load("q/x" as TargetId)).toBe(0));
});

describe("means of other time constants", () => {
  test("are kept from when they are asked for, beside the usual one", () => {
    const { clock, health, answer } = setUp();
    answer(one, 100);
    expect(health.view(one).otherMeans.size).toBe(0);
    health.keepMeans([1_000, 100_000]);
    expect(health.view(one).otherMeans.get(1_000)?.firstTokenMs).toBeUndefined();
    for (const ms of [100, 100, 100, 900]) {
      clock.advance(1_000);
      answer(one, ms);
    }
    const { firstTokenMs = 0, otherMeans } = health.view(one);
    const [quick = 0, slow = 0] = [1_000, 100_000].map((ms) => otherMeans.get(ms)?.firstTokenMs);
    expect(quick).toBeGreaterThan(firstTokenMs);
    expect(slow).toBeCloseTo(300, -1);
    expect(quick).toBeGreaterThan(590);
  });

  test("count failures as the usual one does, and go on when they are asked for again", () => {
    const { health, begin, answer } = setUp();
    health.keepMeans([1_000]);
    answer(one, 100);
    begin(one).end({ kind: "failed", streamed: true, error: new ChatError("UPSTREAM_UNAVAILABLE", "no") });
    health.keepMeans([2_000, 1_000]);
    expect(health.view(one).otherMeans.get(1_000)?.firstTokenMs).toBeGreaterThan(1_000);
    expect(health.view(one).otherMeans.get(2_000)?.firstTokenMs).toBeUndefined();
    health.keepMeans([]);
    expect(health.view(one).otherMeans.size).toBe(0);
  });

  test("are kept of targets that come later", () => {
    const { health, answer } = setUp();
    health.keepMeans([1_000]);
    const late = "p/late" as TargetId;
    answer(late, 70);
    expect(health.view(late).otherMeans.get(1_000)?.firstTokenMs).toBe(70);
  });
});

test("a target was heard of when an outcome last said something about it", () => {
  const { clock, health, begin, answer } = setUp();
  expect(health.view(one).heardMs).toBeUndefined();
  answer(one, 10);
  expect(health.view(one).heardMs).toBe(1000);
  clock.advance(500);
  begin(one).end({ kind: "neutral" });
  expect(health.view(one).heardMs).toBe(1000);
  begin(one).end({ kind: "failed", streamed: true, error: new ChatError("OVERLOADED", "no") });
  expect(health.view(one).heardMs).toBe(1500);
});
