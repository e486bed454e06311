/** A fleet in virtual time, with what its replicas tell each other and without: what that is worth in trouble, and what it costs where one of them errs. */
import { describe, expect, test } from "vitest";
import { chance, purposeOf } from "../../src/core/chance.ts";
import type { TargetId } from "../../src/core/catalog.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Outcome } from "../../src/core/health.ts";
import { createHintDesk } from "../../src/stores/hint-desk.ts";
import { createWindowHealth, type WindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { createLocalNews } from "../support/news.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };
const replicasMax = 10;
/** What everybody prefers; behind it is one that always answers. */
const target = "a/m" as TargetId;

/** What an attempt comes to, and after how long. */
interface Fate {
  readonly ms: number;
  readonly outcome: Outcome;
}

const good = (ms: number): Fate => ({ ms, outcome: { kind: "succeeded", streamed: true, firstContentMs: ms } });
const bad = (ms: number, failure: "UPSTREAM_UNAVAILABLE" | "TIMEOUT" | "RATE_LIMITED", retryAfterMs?: number): Fate => ({
  ms,
  outcome: { kind: "failed", streamed: true, error: new ChatError(failure, "scripted", { retryAfterMs }) },
});

interface Trouble {
  readonly seconds: number;
  /** Of each replica but the first, which has twenty calls a second. */
  readonly callsPerSecond: number;
  readonly fate: (replica: number, nowMs: number, lot: number) => Fate;
  /** Default: 0. Whose calls are not counted. */
  readonly countedFrom?: number;
  /** Default: 0. What was before is not counted. */
  readonly countedFromMs?: number;
}

interface Sum {
  calls: number;
  /** Attempts that came to nothing. */
  failed: number;
  /** Calls that went to the other target without an attempt at this one. */
  diverted: number;
}

/** Ten replicas. */
function run({ seconds, callsPerSecond, fate, countedFrom = 0, countedFromMs = 0 }: Trouble, isTold: boolean): Sum {
  const clock: FakeClock = createFakeClock();
  const news = createLocalNews();
  const sum: Sum = { calls: 0, failed: 0, diverted: 0 };
  let lots = 0;
  const random = (): number => chance(lots++, purposeOf("jitter"));
  const call = (replica: number, health: WindowHealth): void => {
    const isCounted = replica >= countedFrom && clock.now() >= countedFromMs;
    if (isCounted) sum.calls += 1;
    const { openUntilMs, coolingUntilMs, hearsay } = health.view(target);
    const trial = openUntilMs > 0 || coolingUntilMs > 0 || hearsay !== undefined ? undefined : health.begin(target, undefined);
    if (trial === undefined || "barred" in trial) {
      if (isCounted) sum.diverted += 1;
      return;
    }
    const { ms, outcome } = fate(replica, clock.now(), chance(lots++, purposeOf("fate")));
    clock.after(ms, () => {
      trial.end(outcome);
      if (isCounted && outcome.kind === "failed") sum.failed += 1;
    });
  };
  for (let replica = 0; replica < replicasMax; replica++) {
    const account = { host: "h", credential: "c" };
    const desk = createHintDesk({ news, clock, accountOf: () => account, count: () => undefined });
    const health = createWindowHealth({ clock, random, breaker, onFinding: isTold ? desk.tell : undefined });
    health.declare([{ name: "a", targets: [target], concurrencyMax: 0 }]);
    desk.listen(health);
    const everyMs = 1000 / (replica === 0 ? 20 : callsPerSecond);
    const next = (): void => {
      call(replica, health);
      clock.after(everyMs, next);
    };
    // Replicas do not walk in step.
    clock.after((replica * everyMs) / replicasMax, next);
  }
  clock.advance(seconds * 1000);
  return sum;
}

const both = (trouble: Trouble): { readonly told: Sum; readonly alone: Sum } => ({ told: run(trouble, true), alone: run(trouble, false) });

describe("a fleet whose replicas tell each other", () => {
  test("loses one attempt a replica, and not five, where a target refuses connections and one replica is busier", () => {
    const { told, alone } = both({ seconds: 5.5, callsPerSecond: 1, fate: () => bad(20, "UPSTREAM_UNAVAILABLE") });
    expect(alone.failed).toBeGreaterThanOrEqual(50);
    expect(told.failed).toBeLessThan(0.4 * alone.failed);
  });

  test("loses no more than before where all are as busy and find out at the same moment", () => {
    const { told, alone } = both({ seconds: 4, callsPerSecond: 20, fate: () => bad(20, "UPSTREAM_UNAVAILABLE") });
    expect(told.failed).toBeLessThanOrEqual(alone.failed);
  });

  test("leaves fewer calls hanging where a target takes them and is silent", () => {
    // One replica begins to fail a little earlier than the others.
    const silent = (replica: number): Fate => bad(replica === 0 ? 5_000 : 10_000, "TIMEOUT");
    const { told, alone } = both({ seconds: 30, callsPerSecond: 20, fate: silent });
    expect(told.failed).toBeLessThan(0.7 * alone.failed);
  });

  test("is refused a few times, and not once each, where an account is over its limit", () => {
    const fate = (_replica: number, nowMs: number): Fate => bad(20, "RATE_LIMITED", 10_000 - (nowMs % 10_000) + 1);
    const { told, alone } = both({ seconds: 60, callsPerSecond: 1, fate });
    expect(alone.failed).toBeGreaterThan(50);
    expect(told.failed).toBeLessThan(alone.failed / 4);
  });

  test("is back at a target that is well again as soon as one of them is, and not when the last one tries", () => {
    const wellMs = 600_000;
    const fate = (_replica: number, nowMs: number): Fate => (nowMs < wellMs ? bad(20, "UPSTREAM_UNAVAILABLE") : good(500));
    const { told, alone } = both({ seconds: 1000, callsPerSecond: 2, fate, countedFromMs: wellMs });
    expect(told.diverted).toBeLessThan(alone.diverted / 2);
  });

  test("hardly leaves a good target where one replica's network is bad", () => {
    const lonely = (replica: number, _nowMs: number, lot: number): Fate =>
      replica === 0 ? bad(20, "UPSTREAM_UNAVAILABLE") : lot < 0.01 ? bad(20, "UPSTREAM_UNAVAILABLE") : good(500);
    const { told, alone } = both({ seconds: 600, callsPerSecond: 20, fate: lonely, countedFrom: 1 });
    expect(alone.diverted).toBe(0);
    // Of 108,000 calls.
    expect(told.diverted / told.calls).toBeLessThan(0.02);
    expect(told.failed / told.calls).toBeLessThan(0.012);
  });
});
