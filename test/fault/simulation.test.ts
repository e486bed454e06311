/** S30: the real rooms in virtual time, under random schedules of callers, outcomes and delays. fast-check prints the seed of what fails. */
import * as fc from "fast-check";
import { describe, expect, vi } from "vitest";
import { BreakerState } from "../../src/core/chat.ts";
import type { Failure } from "../../src/core/error.ts";
import { cell } from "./play.ts";
import { type Play, randomFrom, type Schedule, type SimReport, type Visit } from "./sim-schedule.ts";
import { simulate } from "./sim-world.ts";

const hourMs = 3_600_000;

/** Failures that a dialect finds in an upstream's answer. */
const failures = [
  "INVALID_REQUEST",
  "CONTEXT_LENGTH_EXCEEDED",
  "CONTENT_POLICY",
  "UNSUPPORTED_FEATURE",
  "REQUEST_TOO_LARGE",
  "MODEL_NOT_FOUND",
  "RATE_LIMITED",
  "QUOTA_EXHAUSTED",
  "UPSTREAM_AUTH",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_PROTOCOL",
  "OVERLOADED",
  "TIMEOUT",
  "INTERNAL",
] as const satisfies readonly Failure[];
/** Those of them after which another target may be asked; INTERNAL is a bug of ours, and no schedule's doing. */
const movable = [
  "RATE_LIMITED",
  "QUOTA_EXHAUSTED",
  "UPSTREAM_AUTH",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_PROTOCOL",
  "OVERLOADED",
  "TIMEOUT",
] as const;

const delay = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 50 }),
  fc.integer({ min: 50, max: 15_000 }),
  fc.integer({ min: 15_000, max: 90_000 }),
);
const anyPlay: fc.Arbitrary<Play> = fc.record({
  beginMs: delay,
  pieces: fc.integer({ min: 0, max: 4 }),
  gapMs: delay,
  end: fc.oneof(
    { weight: 3, arbitrary: fc.constant("completes" as const) },
    { weight: 1, arbitrary: fc.constantFrom("cuts" as const, "stalls" as const) },
    { weight: 4, arbitrary: fc.constantFrom(...failures.filter((failure) => failure !== "INTERNAL")) },
  ),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: 120_000 }), { nil: undefined }),
});

/** Callers who come in bursts, so that they meet each other's slots and breakers. */
function visitsTo(targets: number, more: Partial<Record<keyof Visit, fc.Arbitrary<never>>> = {}): fc.Arbitrary<Visit[]> {
  const visit = fc.record({
    gapMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 200, max: 20_000 })),
    model: fc.oneof(
      { weight: 4, arbitrary: fc.constant("m") },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: targets - 1 }).map((i) => `${i}/m`) },
    ),
    streamed: fc.boolean(),
    timeoutMs: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined, freq: 3 }),
    leavesAfterMs: fc.option(delay, { nil: undefined, freq: 3 }),
    maxAttempts: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined, freq: 5 }),
    allowFallback: fc.constantFrom(undefined, undefined, true, false),
    ...more,
  });
  return fc.array(visit, { minLength: 1, maxLength: 40 }).map((visits) => {
    let atMs = 0;
    return visits.map(({ gapMs, ...rest }) => ({ ...rest, atMs: (atMs += gapMs + 0.001) }));
  });
}

const anyOptions = fc.record({
  attemptsMax: fc.integer({ min: 1, max: 5 }),
  retryBaseMs: fc.integer({ min: 1, max: 1000 }),
  retryMaxMs: fc.integer({ min: 1, max: 5000 }),
  firstTokenMs: fc.constantFrom(1000, 60_000),
  totalMs: fc.constantFrom(30_000, 600_000),
  retryBudget: fc.constantFrom(0, 0.2, 1),
  hedge: fc.constantFrom(undefined, undefined, { quantile: 0.5, extraCostRatioMax: 1 }),
});

const schedules: fc.Arbitrary<Schedule> = fc.integer({ min: 1, max: 4 }).chain((targets) =>
  fc.record({
    upstreams: fc.array(fc.array(anyPlay, { minLength: 1, maxLength: 12 }), { minLength: targets, maxLength: targets }),
    visits: visitsTo(targets),
    slotsEach: fc.constantFrom(1, 2, 256),
    options: anyOptions,
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  }),
);

function failuresIn({ outcomes }: SimReport): Partial<Record<Failure | "ok", number>> {
  const counts: Partial<Record<Failure | "ok", number>> = {};
  for (const { failure = "ok" } of outcomes) counts[failure] = (counts[failure] ?? 0) + 1;
  return counts;
}

const seeded = "virtual time";
/** Thousands of calls, on a machine that may have much else to do. */
vi.setConfig({ testTimeout: 120_000 });
describe("S30: whatever callers and upstreams do,", () => {
  cell({ id: "S30", fault: "random schedules: no rule is broken", protocol: seeded }, async () => {
    await fc.assert(
      fc.asyncProperty(schedules, async (schedule) => {
        expect((await simulate(schedule)).violations.join("; ")).toBe("");
      }),
      { numRuns: 1500, includeErrorInReport: true },
    );
  });

  cell({ id: "S30", fault: "a call that one healthy target can serve is served, however the others fail", protocol: seeded }, async () => {
    const bad: fc.Arbitrary<Play> = fc.record({
      beginMs: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.constant(90_000)),
      pieces: fc.constant(0),
      gapMs: fc.constant(1),
      end: fc.constantFrom(...movable, "cuts" as const, "stalls" as const),
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 120_000 }), { nil: undefined }),
    });
    const good: Play = { beginMs: 20, pieces: 2, gapMs: 10, end: "completes" };
    const world = fc.integer({ min: 1, max: 3 }).chain((bads) =>
      fc.record({
        bads: fc.array(fc.array(bad, { minLength: 1, maxLength: 10 }), { minLength: bads, maxLength: bads }),
        goodAt: fc.integer({ min: 0, max: bads }),
        visits: visitsTo(bads + 1),
        seed: fc.integer({ min: 0, max: 2 ** 31 }),
        budget: fc.constantFrom(0, 0.2),
        hedge: fc.constantFrom(undefined, { quantile: 0.5, extraCostRatioMax: 1 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(world, async ({ bads, goodAt, visits, seed, budget, hedge }) => {
        const report = await simulate({
          upstreams: bads.toSpliced(goodAt, 0, [good]),
          visits: visits.map(({ atMs, streamed }) => ({ atMs, streamed, model: "m" })),
          slotsEach: 256,
          options: { attemptsMax: bads.length + 1, firstTokenMs: 60_000, totalMs: 600_000, retryBudget: budget, hedge },
          seed,
        });
        expect(report.violations).toEqual([]);
        // A unary upstream that stalls may use up the whole call's time: nobody can know that it will never answer.
        const late = report.outcomes.filter(({ failure, visit }) => failure !== undefined && !(failure === "TIMEOUT" && !visit.streamed));
        expect(late.map(({ failure, asked }) => [failure, asked])).toEqual([]);
      }),
      { numRuns: 200, includeErrorInReport: true },
    );
  });

  cell({ id: "S30", fault: "what callers do, short of waiting in vain, says nothing about targets", protocol: seeded }, async () => {
    const own = fc.record({
      beginMs: delay,
      pieces: fc.integer({ min: 0, max: 2 }),
      gapMs: fc.integer({ min: 1, max: 100 }),
      end: fc.constantFrom("completes" as const, "INVALID_REQUEST" as const, "CONTENT_POLICY" as const),
    });
    const world = fc.record({ plays: fc.array(own, { minLength: 1, maxLength: 10 }), visits: visitsTo(1), seed: fc.nat() });
    await fc.assert(
      fc.asyncProperty(world, async ({ plays, visits, seed }) => {
        // No limit of ours comes before the caller's own.
        const limits = { firstTokenMs: 1e6, totalMs: 1e6 };
        // A request that was refused after some content is a broken answer, and that is the target's doing.
        const whole = plays.map((each): Play => (each.end === "completes" ? each : { ...each, pieces: 0 }));
        // Who waited in vain for longer than a target mostly takes has something to say of it.
        const leavers = visits.map((visit) => ({ ...visit, timeoutMs: undefined }));
        const report = await simulate({ upstreams: [whole], visits: leavers, slotsEach: 256, options: limits, seed });
        expect(report.violations).toEqual([]);
        expect(report.breakers).toEqual([BreakerState.CLOSED]);
        expect(report.successRatios).toEqual([1]);
      }),
      { numRuns: 100, includeErrorInReport: true },
    );
  });
});

describe("the rooms in virtual time", () => {
  const fine: Play = { beginMs: 300, pieces: 2, gapMs: 100, end: "completes" };
  const down: Play = { beginMs: 5, pieces: 0, gapMs: 0, end: "UPSTREAM_UNAVAILABLE" };
  const everyMs = (ms: number, untilMs: number): Visit[] =>
    Array.from({ length: untilMs / ms }, (_, i) => ({ atMs: (i + 1) * ms, model: "m", streamed: i % 2 === 0 }));

  cell(
    { id: "S08", fault: "a wall clock that jumps by hours changes nothing", protocol: "virtual time" },
    async () => {
      const jumps: readonly ((nowMs: number) => number)[] = [
        (nowMs) => nowMs + 3_600_000 * Math.floor(nowMs / 7000),
        (nowMs) => 1.8e12 - 3_600_000 * Math.floor(nowMs / 7000),
        (nowMs) => 1.8e12 + (Math.floor(nowMs / 1000) % 2 === 0 ? 0 : 1e9),
        () => 0,
      ];
      await fc.assert(
        fc.asyncProperty(schedules, fc.constantFrom(...jumps), async (schedule, wallMs) => {
          const told = await simulate({ ...schedule, wallMs });
          expect(told.violations).toEqual([]);
          expect(told).toEqual(await simulate(schedule));
        }),
        { numRuns: 60, includeErrorInReport: true },
      );
    },
    60_000,
  );

  cell(
    { id: "S24", fault: "a policy that throws ends one call, and nothing else", protocol: "virtual time" },
    async () => {
      await fc.assert(
        fc.asyncProperty(schedules, fc.integer({ min: 2, max: 5 }), async (schedule, every) => {
          let thrown = 0;
          const policyThrows = (nth: number): boolean => {
            if (nth % every === 1) thrown++;
            return nth % every === 1;
          };
          const report = await simulate({ ...schedule, policyThrows });
          expect(report.violations).toEqual([]);
          const { INTERNAL: bugs = 0 } = failuresIn(report);
          expect(bugs).toBe(thrown);
        }),
        { numRuns: 60, includeErrorInReport: true },
      );
    },
    60_000,
  );

  for (const [layout, targets] of [
    ["a lone target", 1],
    ["both targets of a pair", 2],
  ] as const) {
    cell(
      { id: "S27", fault: `${layout} down for 20 s at 100 calls a second, and back`, protocol: "virtual time" },
      async () => {
        const from = 5000;
        const until = 25_000;
        const play = (nowMs: number): Play => (nowMs >= from && nowMs < until ? down : fine);
        const visits = everyMs(10, 40_000);
        const options = { attemptsMax: 3, retryBaseMs: 100, retryMaxMs: 2000, retryBudget: 0.2 };
        const report = await simulate({ upstreams: Array.from({ length: targets }, () => play), visits, slotsEach: 256, options, seed: 1 });
        expect(report.violations).toEqual([]);
        const late = report.outcomes.filter(
          ({ visit, failure }) => failure !== undefined && (visit.atMs < from - 3000 || visit.atMs > until + 5000),
        );
        expect(late.map(({ visit, failure }) => [visit.atMs, failure])).toEqual([]);
        // A failover is never refused; beyond that repeats are a fifth of the calls, and ten a second.
        const down20s = (until - from) / 10;
        const others = report.outcomes.filter(({ visit }) => visit.atMs >= from - 1000 && visit.atMs < until);
        const attempts = others.reduce((sum, { asked }) => sum + asked.length, 0);
        expect(attempts / others.length).toBeLessThanOrEqual(targets + 0.2 + 100 / (down20s / 2) + 0.05);
      },
      60_000,
    );
  }
});

describe("S30: 72 hours of virtual time", () => {
  const fine: Play = { beginMs: 300, pieces: 5, gapMs: 100, end: "completes" };
  const ill: readonly Play[] = [
    { beginMs: 5, pieces: 0, gapMs: 0, end: "UPSTREAM_UNAVAILABLE" },
    { beginMs: 40, pieces: 0, gapMs: 0, end: "RATE_LIMITED", retryAfterMs: 20_000 },
    { beginMs: 40, pieces: 0, gapMs: 0, end: "OVERLOADED", retryAfterMs: 3000 },
    { beginMs: 40, pieces: 0, gapMs: 0, end: "UPSTREAM_AUTH" },
    { beginMs: 40, pieces: 0, gapMs: 0, end: "cuts" },
    { beginMs: 600_000, pieces: 0, gapMs: 0, end: "stalls" },
  ];

  /** What each target does in each quarter of an hour. One of the three is well, and has been for a quarter, so that nothing bars it. */
  function moods(seed: number, hours: number): readonly (readonly Play[])[] {
    const random = randomFrom(seed);
    let well = Math.floor(random() * 3);
    return Array.from({ length: hours * 4 }, () => {
      const before = well;
      well = Math.floor(random() * 3);
      return [0, 1, 2].map((i) => (i === well || i === before || random() < 0.4 ? fine : (ill[Math.floor(random() * ill.length)] ?? fine)));
    });
  }

  for (const seed of [1, 2, 3])
    cell(
      { id: "S30", fault: `72 hours, one of three targets well at any time: every stream is served (seed ${seed})`, protocol: seeded },
      async () => {
        const random = randomFrom(seed);
        const hours = 72;
        const each = moods(seed, hours);
        const play = (target: number) => (nowMs: number) => each[Math.floor(nowMs / (hourMs / 4))]?.[target] ?? fine;
        const visits: Visit[] = [];
        for (let atMs = 0; atMs < hours * hourMs - 900_000;) {
          atMs += -Math.log(1 - random()) * 60_000;
          const leavesAfterMs = random() < 0.1 ? random() * 2000 : undefined;
          visits.push({ atMs, model: "m", streamed: true, leavesAfterMs });
        }
        const report = await simulate({ upstreams: [play(0), play(1), play(2)], visits, slotsEach: 16, options: {}, seed });
        expect(report.violations).toEqual([]);
        const { ok = 0, CANCELLED: left = 0, ...failed } = failuresIn(report);
        expect(failed).toEqual({});
        expect(ok + left).toBe(visits.length);
        expect(left).toBeLessThanOrEqual(visits.filter(({ leavesAfterMs }) => leavesAfterMs !== undefined).length);
        // A dead target costs some attempts, and never a storm of them.
        expect(report.attempts / visits.length).toBeLessThan(2);
      },
    );
});
