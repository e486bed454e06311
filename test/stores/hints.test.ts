/** What replicas tell each other of targets, and what that does. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TargetId } from "../../src/core/catalog.ts";
import { BreakerState, HealthAxis, HealthStatus } from "../../src/core/chat.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../src/core/error.ts";
import type { Outcome, Trial } from "../../src/core/health.ts";
import { type HintEvent, hintKinds, textFromHint } from "../../src/core/hints.ts";
import { type Account, createHintDesk } from "../../src/stores/hint-desk.ts";
import { createWindowHealth, type WindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createLocalNews } from "../support/news.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };
const target = "a/m" as TargetId;
const other = "a/n" as TargetId;
const account: Account = { host: "https://a.example", credential: "key-canary" };

/** Some replicas that hear each other, on one clock. */
function fleet(accounts: readonly (Account | undefined)[] = [account, account]) {
  const clock = createFakeClock();
  const news = createLocalNews();
  const replicas = accounts.map((each) => {
    const counted: HintEvent[] = [];
    const desk = createHintDesk({
      news,
      clock,
      accountOf: (name) => (name === "a" ? each : undefined),
      count: (event) => counted.push(event),
    });
    const health = createWindowHealth({ clock, random: () => 0.5, breaker, onFinding: desk.tell });
    health.declare([{ name: "a", targets: [target, other], concurrencyMax: 0 }]);
    desk.listen(health);
    return { health, counted };
  });
  const [one, two] = replicas;
  if (one === undefined || two === undefined) throw new Error("a fleet is two or more");
  return { clock, news, one: one.health, two: two.health, counted: two.counted, replicas };
}

function begin(health: WindowHealth, id = target): Trial {
  const trial = health.begin(id, undefined);
  if ("barred" in trial) throw new Error(`${id} is ${trial.barred}`);
  return trial;
}

function failed(failure: Failure = "UPSTREAM_UNAVAILABLE", options: ChatErrorOptions = {}): Outcome {
  return { kind: "failed", streamed: true, error: new ChatError(failure, `${failure} happened`, options) };
}

const good: Outcome = { kind: "succeeded", streamed: true, firstContentMs: 100 };

function end(health: WindowHealth, outcome: Outcome, times = 1): void {
  for (let each = 0; each < times; each++) begin(health).end(outcome);
}

const limited = failed("RATE_LIMITED", { retryAfterMs: 20_000 });

describe("a breaker that opened on one replica", () => {
  test("bars nothing on another, and is seen in its report until the other would try again", () => {
    const { clock, one, two } = fleet();
    end(one, failed(), 5);
    expect(one.view(target).breaker).toBe(BreakerState.OPEN);
    expect(two.view(target)).toMatchObject({ breaker: BreakerState.CLOSED, openUntilMs: 0, hearsay: undefined });
    expect(two.report("a").status).toBe(HealthStatus.UNKNOWN);
    const [told, untold] = two.report("a").targets;
    expect(told?.hearsay).toMatchObject({ axis: HealthAxis.BREAKER, until: { seconds: BigInt(Date.UTC(2026, 0, 1) / 1000 + 5) } });
    expect([told?.bars, untold?.hearsay]).toEqual([[], undefined]);
    clock.advance(5_000);
    expect(two.report("a").targets[0]?.hearsay).toBeUndefined();
  });

  test("opens another's at the first failure of a call that began since", () => {
    const { one, two } = fleet();
    const before = begin(two);
    end(one, failed(), 5);
    before.end(failed());
    expect(two.view(target).breaker).toBe(BreakerState.CLOSED);
    end(two, failed());
    expect(two.view(target).breaker).toBe(BreakerState.OPEN);
    expect(two.report("a").targets[0]?.hearsay).toBeUndefined();
  });

  test("puts the target behind others on another while its first call since runs, whatever became of that", () => {
    for (const outcome of [good, failed(), { kind: "neutral" } as const]) {
      const { one, two } = fleet();
      end(one, failed(), 5);
      expect(two.view(target).hearsay).toBeUndefined();
      const trial = begin(two);
      expect(two.view(target).hearsay).toBe("failing");
      trial.end(outcome);
      expect(two.view(target).hearsay).toBeUndefined();
    }
  });

  test("is refuted by the first content of a call that began since, and not heard of again for half a minute", () => {
    const { clock, one, two, counted } = fleet();
    end(one, failed(), 5);
    const trial = begin(two);
    const beside = begin(two);
    trial.answered();
    expect(two.view(target).hearsay).toBeUndefined();
    beside.end(failed());
    expect(two.view(target).breaker).toBe(BreakerState.CLOSED);
    clock.advance(5_000);
    end(one, failed());
    expect(counted).toEqual(["heard", "known_better"]);
    clock.advance(30_000);
    end(one, failed());
    expect(counted).toEqual(["heard", "known_better", "heard"]);
  });

  test("says nothing to who has opened its own, and a breaker that opened by hearsay tells nobody", () => {
    const { one, two, news, counted } = fleet();
    end(one, failed(), 5);
    end(two, failed());
    expect(news.told).toHaveLength(1);
    const { one: third, two: fourth, counted: heard } = fleet();
    end(fourth, failed(), 5);
    end(third, failed());
    expect([counted, heard]).toEqual([["heard"], ["told"]]);
  });

  test("goes round no circle: with one failure in a hundred, a whole fleet that hears one bad replica stays closed", () => {
    const { clock, news, replicas } = fleet(Array.from({ length: 10 }, () => account));
    let calls = 0;
    let open = 0;
    for (let round = 0; round < 600; round++) {
      clock.advance(100);
      for (const [index, { health }] of replicas.entries()) {
        const trial = health.begin(target, undefined);
        if ("barred" in trial) {
          if (index > 0) open++;
          continue;
        }
        calls++;
        trial.end(index === 0 || calls % 100 === 99 ? failed() : good);
      }
    }
    expect(news.told.length).toBeGreaterThan(3);
    // Of 5,400 turns of nine replicas.
    expect(open).toBeLessThan(60);
  });
});

describe("a breaker that closed on one replica", () => {
  /** Both are open for long; one finds out that it is over. */
  function outage() {
    const made = fleet();
    const { clock, one, two } = made;
    // With no trial at the other, whose breaker stays open for a minute and more.
    for (let round = 0; round < 4; round++) {
      end(one, failed(), round === 0 ? 5 : 1);
      end(two, failed());
      clock.advance(5_000 * 2 ** round);
    }
    end(two, failed());
    return made;
  }

  test("lets another try at once, by one call, and not wait for the end of its own open time", () => {
    const { one, two, clock } = outage();
    expect(two.view(target).breaker).toBe(BreakerState.OPEN);
    const trial = begin(one);
    trial.answered();
    expect(one.view(target).breaker).toBe(BreakerState.CLOSED);
    expect(two.view(target).breaker).toBe(BreakerState.HALF_OPEN);
    const first = begin(two);
    expect(two.begin(target, undefined)).toMatchObject({ barred: "open" });
    first.answered();
    expect(two.view(target).breaker).toBe(BreakerState.CLOSED);
    clock.advance(1);
    expect(two.report("a").targets[0]?.hearsay).toBeUndefined();
  });

  test("is told once, whether the answer came in pieces or whole, and to those whose breaker is closed it is nothing", () => {
    for (const isWhole of [true, false]) {
      const { one, news, counted } = outage();
      const before = news.told.length;
      const trial = begin(one);
      if (!isWhole) trial.answered();
      trial.end(good);
      expect(news.told.slice(before).map(({ text }) => JSON.parse(text).kind)).toEqual(["recovered"]);
      expect(counted.at(-1)).toBe("heard");
    }
    const { two } = fleet();
    expect(two.hear({ kind: "recovered", target, ms: 1 })).toBe("known_better");
  });

  test("makes nobody try more than once in five seconds, and a wrong word costs one call", () => {
    const { two, clock } = outage();
    const well = { kind: "recovered", target, ms: 1 } as const;
    expect(two.hear(well)).toBe("heard");
    end(two, failed());
    expect(two.hear(well)).toBe("known_better");
    expect(two.view(target).breaker).toBe(BreakerState.OPEN);
    clock.advance(5_000);
    expect(two.hear(well)).toBe("heard");
  });

  test("ends what was only heard of its trouble", () => {
    const { one, two, clock } = fleet();
    end(one, failed(), 5);
    clock.advance(4_999);
    expect(two.report("a").targets[0]?.hearsay).toBeDefined();
    two.hear({ kind: "recovered", target, ms: 1 });
    expect(two.report("a").targets[0]?.hearsay).toBeUndefined();
  });
});

describe("a wait that the upstream named to one replica", () => {
  test("puts the target behind others on another for as long, and bars nothing", () => {
    const { clock, one, two } = fleet();
    end(one, limited);
    expect(one.view(target).coolingUntilMs).toBe(20_000);
    expect(two.view(target)).toMatchObject({ coolingUntilMs: 0, hearsay: "limited" });
    end(two, { kind: "neutral" });
    clock.advance(19_999);
    expect(two.view(target).hearsay).toBe("limited");
    clock.advance(1);
    expect(two.view(target).hearsay).toBeUndefined();
  });

  test("is believed for a minute at most, and over with the first answer", () => {
    const { clock, one, two } = fleet();
    end(one, failed("RATE_LIMITED", { retryAfterMs: 3_600_000 }));
    clock.advance(59_999);
    expect(two.view(target).hearsay).toBe("limited");
    end(two, good);
    expect(two.view(target).hearsay).toBeUndefined();
    const { clock: time, one: first, two: second } = fleet();
    end(first, failed("RATE_LIMITED", { retryAfterMs: 3_600_000 }));
    time.advance(60_000);
    expect(second.view(target).hearsay).toBeUndefined();
  });

  test("is told where it was named, not where it was guessed, and once a second however many are refused", () => {
    const { clock, one, news } = fleet();
    end(one, failed("RATE_LIMITED"));
    expect(news.told).toHaveLength(0);
    clock.advance(1_000);
    const trials = Array.from({ length: 50 }, () => begin(one));
    trials.forEach((trial, index) => trial.end(failed("RATE_LIMITED", { retryAfterMs: 10_000 + index })));
    expect(news.told).toHaveLength(1);
  });

  test("leaves a row of failures a row of five", () => {
    const { one, two } = fleet();
    end(one, limited);
    end(two, failed(), 4);
    expect(two.view(target).breaker).toBe(BreakerState.CLOSED);
  });
});

test("a credential that one replica was refused puts the target behind others, and says more than a wait", () => {
  const { one, two } = fleet();
  end(one, failed("UPSTREAM_AUTH"));
  expect(two.view(target)).toMatchObject({ lockedUntilMs: 0, hearsay: "refused" });
  expect(two.report("a").targets[0]?.hearsay?.axis).toBe(HealthAxis.CREDENTIAL);
  const three = fleet().two;
  three.hear({ kind: "refused", target, ms: 5_000 });
  expect(three.hear({ kind: "limited", target, ms: 9_000 })).toBe("known_better");
  expect(three.view(target).hearsay).toBe("refused");
});

describe("who is meant", () => {
  test("a wait and a refusal are of one credential, a breaker of one host", () => {
    const elsewhere = { ...account, credential: "other" };
    for (const [outcome, times, events] of [
      [limited, 1, ["foreign"]],
      [failed("UPSTREAM_AUTH"), 1, ["foreign"]],
      [failed(), 5, ["heard"]],
    ] as const) {
      const { one, counted } = fleet([account, elsewhere]);
      end(one, outcome, times);
      expect(counted).toEqual(events);
    }
    const { one, counted } = fleet([account, { ...account, host: "https://b.example" }]);
    end(one, failed(), 5);
    expect(counted).toEqual(["foreign"]);
  });

  test("a target that this configuration has not is nobody's, and one that a caller made up is told to nobody", () => {
    const { one, two, news } = fleet();
    expect(two.hear({ kind: "limited", target: "a/gone" as TargetId, ms: 1000 })).toBe("foreign");
    for (let each = 0; each < 5; each++) begin(one, "a/made-up" as TargetId).end(failed());
    expect(one.view("a/made-up" as TargetId).breaker).toBe(BreakerState.OPEN);
    expect(news.told).toEqual([]);
  });

  test("a provider that is not configured here is foreign", () => {
    const { one, counted } = fleet([account, undefined]);
    end(one, failed(), 5);
    expect(counted).toEqual(["foreign"]);
  });

  test("nothing that is told holds the credential, or whose call it was", () => {
    const { one, news } = fleet();
    end(one, failed(), 5);
    end(fleet().one, limited);
    for (const { text } of news.told) {
      expect(text).not.toContain("canary");
      expect(Object.keys(JSON.parse(text)).toSorted()).toEqual(["from", "kind", "mark", "ms", "target", "v"]);
    }
  });
});

test("what is the caller's fault, or ours, is told to nobody", () => {
  const { one, news } = fleet();
  for (const failure of ["INVALID_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "CONTENT_POLICY", "CALLER_RATE_LIMITED", "INTERNAL"] as const)
    end(one, failed(failure), 20);
  for (let each = 0; each < 20; each++) begin(one).end({ kind: "neutral" });
  end(one, failed("UPSTREAM_UNAVAILABLE", { blameless: true }), 20);
  expect(news.told).toEqual([]);
});

test("an operator's reset forgets what was heard, and watchers hear of it coming and going", () => {
  const { clock, one, two } = fleet();
  const heard: string[] = [];
  two.watch((provider) => heard.push(provider));
  end(one, limited);
  expect(heard.splice(0)).toEqual(["a"]);
  clock.advance(20_000);
  expect(heard.splice(0)).toEqual(["a"]);
  two.hear({ kind: "refused", target, ms: 1000 });
  two.reset("a");
  expect(two.view(target).hearsay).toBeUndefined();
});

test("whatever is said, by whomever, a target that answers is never barred", () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .record({
        kind: fc.constantFrom(...hintKinds),
        ms: fc.integer({ min: 1, max: 86_400_000 }),
        right: fc.boolean(),
      })
      .map(({ kind, ms, right }) => ({ kind, ms, right })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.integer({ min: 0, max: 20_000 }), fc.boolean()), { maxLength: 60 }), (deeds) => {
      const { clock, news, two } = fleet();
      // As somebody would who has seen one.
      const { one: liar, news: seen } = fleet();
      end(liar, failed(), 5);
      const { mark }: { readonly mark: string } = JSON.parse(seen.told[0]?.text ?? "{}");
      const running: Trial[] = [];
      for (const [said, ms, isCall] of deeds) {
        const told = typeof said === "string" ? said : textFromHint({ ...said, target, from: "x", mark: said.right ? mark : "y" });
        news.tell("semaroute:health", told);
        clock.advance(ms);
        const { openUntilMs, coolingUntilMs, lockedUntilMs, breaker: state, status } = two.view(target);
        expect([openUntilMs, coolingUntilMs, lockedUntilMs, state]).toEqual([0, 0, 0, BreakerState.CLOSED]);
        expect(status).not.toBe(HealthStatus.UNHEALTHY);
        if (isCall) running.push(begin(two));
        else running.shift()?.end(good);
      }
    }),
    { numRuns: 200 },
  );
});
