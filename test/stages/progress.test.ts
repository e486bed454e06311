import { describe, expect, test } from "vitest";

import { AttemptKind } from "../../src/core/chat.ts";
import { ChatError, type ChatErrorOptions, type Failure, remedies } from "../../src/core/error.ts";
import type { Target } from "../../src/core/catalog.ts";
import { Progress, type ProgressParts, type Step } from "../../src/stages/progress.ts";
import { callOf, rankedOf, targetOf } from "./support.ts";

const { options } = callOf().snapshot;

/** Names are of providers, or whole target ids. */
function progressOver(
  names: readonly string[],
  {
    attemptsMax = 3,
    random = () => 1,
    mayBare = false,
    mayRepeat = () => true,
    more = {},
  }: Partial<ProgressParts> & { readonly more?: Partial<Target> } = {},
): Progress {
  const targets = names.map((name) => ({ ...targetOf(name.includes("/") ? name : `${name}/m`), ...more }));
  return new Progress({ ranked: rankedOf(targets), attemptsMax, isLone: names.length === 1, options, mayBare, random, mayRepeat });
}

/** Fails every step as the script says, and tells what was done. */
function played(progress: Progress, script: readonly (Failure | ChatError)[], tookMs = 1): string[] {
  const steps: string[] = [];
  for (const each of script) {
    const step = progress.next();
    if (step === undefined) break;
    steps.push(shown(step));
    progress.failed(step, each instanceof ChatError ? each : new ChatError(each, each), tookMs);
  }
  return steps;
}

const kinds: Readonly<Record<number, string>> = {
  [AttemptKind.PRIMARY]: "primary",
  [AttemptKind.RETRY]: "retry",
  [AttemptKind.FAILOVER]: "failover",
};
function shown({ target, kind, pauseMs, patienceMs }: Step): string {
  return `${target.provider} ${kinds[kind]} ${pauseMs}${patienceMs > 0 ? ` waits ${patienceMs}` : ""}`;
}

const skip = (skipped: "busy" | "open" | "cooling", retryAfterMs = 1000): ChatError =>
  new ChatError(skipped === "busy" ? "SHED" : "NO_TARGET", `it is ${skipped}`, { skipped, retryAfterMs });
const error = (failure: Failure, more: ChatErrorOptions = {}): ChatError => new ChatError(failure, failure, more);

describe("the order of attempts", () => {
  for (const { what, names, max = 3, script, steps } of [
    {
      what: "another target is tried at once, then the first again after a pause",
      names: ["a", "b"],
      script: ["OVERLOADED", "OVERLOADED", "OVERLOADED"],
      steps: ["a primary 0", "b failover 0", "a retry 100"],
    },
    {
      what: "one target of several is tried at most twice",
      names: ["a", "b"],
      max: 9,
      script: Array.from({ length: 9 }, () => "OVERLOADED" as const),
      steps: ["a primary 0", "b failover 0", "a retry 100", "b retry 100"],
    },
    {
      what: "a lone target is tried as often as the call allows, with growing pauses",
      names: ["a"],
      max: 8,
      script: Array.from({ length: 9 }, () => "UPSTREAM_UNAVAILABLE" as const),
      steps: [0, 100, 200, 400, 800, 1600, 2000, 2000].map((ms, i) => `a ${i === 0 ? "primary" : "retry"} ${ms}`),
    },
    { what: "one attempt is one attempt", names: ["a", "b"], max: 1, script: ["OVERLOADED", "OVERLOADED"], steps: ["a primary 0"] },
    {
      what: "a target that timed out, or cannot serve the call, is not asked again",
      names: ["a", "b", "c"],
      max: 9,
      script: ["TIMEOUT", "UPSTREAM_AUTH", "CONTEXT_LENGTH_EXCEEDED"],
      steps: ["a primary 0", "b failover 0", "c failover 0"],
    },
    {
      what: "a short Retry-After is sat out, and a little more",
      names: ["a"],
      script: [error("RATE_LIMITED", { retryAfterMs: 5000 }), "RATE_LIMITED"],
      steps: ["a primary 0", "a retry 5020"],
    },
    {
      what: "a Retry-After below the pause does not shorten it",
      names: ["a"],
      script: [error("RATE_LIMITED", { retryAfterMs: 50 }), "RATE_LIMITED"],
      steps: ["a primary 0", "a retry 100"],
    },
    {
      what: "a long Retry-After is not sat out",
      names: ["a"],
      script: [error("RATE_LIMITED", { retryAfterMs: 5001 }), "RATE_LIMITED"],
      steps: ["a primary 0"],
    },
    {
      what: "a long Retry-After of one leaves the retry to the other",
      names: ["a", "b"],
      script: [error("RATE_LIMITED", { retryAfterMs: 60_000 }), "OVERLOADED", "OVERLOADED"],
      steps: ["a primary 0", "b failover 0", "b retry 100"],
    },
    {
      what: "full targets are skipped, and waited for by turns once there is no other, two seconds in all",
      names: ["a", "b"],
      script: Array.from({ length: 20 }, () => skip("busy")),
      steps: [
        "a primary 0",
        "b primary 0",
        ...Array.from({ length: 10 }, (_, turn) => `${turn % 2 === 0 ? "a" : "b"} primary 0 waits 200`),
      ],
    },
    {
      what: "a lone full target is waited for in one go",
      names: ["a"],
      script: [skip("busy"), skip("busy"), skip("busy")],
      steps: ["a primary 0", "a primary 0 waits 2000"],
    },
    {
      what: "a 429 without a wait is taken for one of a second, then two",
      names: ["a"],
      script: ["RATE_LIMITED", error("RATE_LIMITED", { retryAfterMs: 0 }), "RATE_LIMITED"],
      steps: ["a primary 0", "a retry 1020", "a retry 2020"],
    },
    {
      what: "what our own translation refuses is no attempt",
      names: ["a", "b", "c"],
      max: 1,
      script: ["UNSUPPORTED_FEATURE", "UNSUPPORTED_FEATURE", "OVERLOADED"],
      steps: ["a primary 0", "b primary 0", "c primary 0"],
    },
    {
      what: "a barred target is skipped and never waited for",
      names: ["a", "b"],
      script: [skip("open"), skip("cooling"), "OVERLOADED"],
      steps: ["a primary 0", "b primary 0"],
    },
    {
      what: "what is skipped is no attempt",
      names: ["a", "b", "c"],
      max: 1,
      script: [skip("busy"), skip("open"), "OVERLOADED", "OVERLOADED"],
      steps: ["a primary 0", "b primary 0", "c primary 0"],
    },
    {
      what: "after the wait for a slot a failed lone target is tried again like any other",
      names: ["a"],
      script: [skip("busy"), "UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"],
      steps: ["a primary 0", "a primary 0 waits 2000", "a retry 100", "a retry 200"],
    },
  ] satisfies { what: string; names: string[]; max?: number; script: (Failure | ChatError)[]; steps: string[] }[]) {
    test(what, () => expect(played(progressOver(names, { attemptsMax: max }), script)).toEqual(steps));
  }

  test("pauses are full jitter: anything from nothing to the bound", () => {
    const pauses = [0, 0.25, 0.999].map((value) => {
      const progress = progressOver(["a"], { random: () => value });
      played(progress, ["OVERLOADED"]);
      return progress.next()?.pauseMs;
    });
    expect(pauses).toEqual([0, 25, 99.9]);
  });

  for (const [failure, { same, next }] of Object.entries(remedies) as [Failure, (typeof remedies)[Failure]][]) {
    test(`${failure}: next ${next}, ${same ? "the same once more" : "not the same"}`, () => {
      const other = progressOver(["a", "b"]);
      const lone = progressOver(["a"]);
      for (const each of [other, lone]) played(each, [failure]);
      expect([other.next()?.target.provider, lone.next()?.target.provider]).toEqual([
        next === "nobody" ? undefined : "b",
        same ? "a" : undefined,
      ]);
    });
  }
});

describe("who is passed over", () => {
  const shownTargets = (progress: Progress, script: readonly (Failure | ChatError)[]): string[] => {
    const seen: string[] = [];
    for (const each of script) {
      const step = progress.next();
      if (step === undefined) break;
      seen.push(step.target.id);
      progress.failed(step, each instanceof ChatError ? each : new ChatError(each, each), 1);
    }
    return seen;
  };
  const upstream = (status: number) => ({ upstream: { status, requestId: "" } });

  for (const failure of ["UPSTREAM_AUTH", "QUOTA_EXHAUSTED"] as const) {
    test(`${failure} speaks of the credential: the provider's other targets are not asked`, () => {
      const progress = progressOver(["a/x", "a/y", "b/x"], { attemptsMax: 9 });
      expect(shownTargets(progress, [error(failure, upstream(401)), "OVERLOADED", "OVERLOADED", "OVERLOADED"])).toEqual([
        "a/x",
        "b/x",
        "b/x",
      ]);
    });
  }

  test("a 403 speaks of its target only", () => {
    const progress = progressOver(["a/x", "a/y"], { attemptsMax: 9 });
    expect(shownTargets(progress, [error("UPSTREAM_AUTH", upstream(403)), "CONTENT_POLICY"])).toEqual(["a/x", "a/y"]);
  });

  test("a context that is too small is tried only where there is more room, or where nobody knows", () => {
    const room = (id: string, contextTokens: number | undefined): Target => ({
      ...targetOf(id),
      capabilities: { ...targetOf(id).capabilities, ...(contextTokens !== undefined && { contextTokens }) },
    });
    const targets = [room("a/m", 100), room("b/m", 100), room("c/m", 50), room("d/m", undefined), room("e/m", 200)];
    const progress = new Progress({
      ranked: rankedOf(targets),
      attemptsMax: 9,
      isLone: false,
      mayBare: false,
      options,
      random: () => 1,
      mayRepeat: () => true,
    });
    expect(shownTargets(progress, ["CONTEXT_LENGTH_EXCEEDED", "OVERLOADED", "CONTENT_POLICY"])).toEqual(["a/m", "d/m", "e/m"]);
  });

  test("an answer that is too long for one is tried where answers may be longer", () => {
    const writes = (id: string, maxOutputTokens: number): Target => ({
      ...targetOf(id),
      capabilities: { ...targetOf(id).capabilities, contextTokens: 100, maxOutputTokens },
    });
    const targets = [writes("a/m", 10), writes("b/m", 10), writes("c/m", 20)];
    const progress = new Progress({
      ranked: rankedOf(targets),
      attemptsMax: 9,
      isLone: false,
      mayBare: false,
      options,
      random: () => 1,
      mayRepeat: () => true,
    });
    const tooLong = error("CONTEXT_LENGTH_EXCEEDED", { field: "max_tokens", upstream: { status: 400, requestId: "" } });
    expect(shownTargets(progress, [tooLong, "CONTENT_POLICY"])).toEqual(["a/m", "c/m"]);
  });

  test("a refusal is tried elsewhere only where the operator says so", () => {
    const refused = (fallback: boolean) => progressOver(["a", "b"], { more: fallback ? { fallbackOnRefusal: true } : {} });
    expect(played(refused(false), ["CONTENT_POLICY", "OVERLOADED"])).toEqual(["a primary 0"]);
    expect(played(refused(true), ["CONTENT_POLICY", "CONTENT_POLICY", "CONTENT_POLICY"])).toEqual(["a primary 0", "b failover 0"]);
  });
});

describe("what is not repeated", () => {
  test("a failure that came late: the upstream worked for it. Other targets are still tried", () => {
    expect(played(progressOver(["a"]), ["UPSTREAM_UNAVAILABLE", "OVERLOADED"], 10_000)).toEqual(["a primary 0"]);
    expect(played(progressOver(["a"]), ["UPSTREAM_UNAVAILABLE", "OVERLOADED"], 9_999)).toEqual(["a primary 0", "a retry 100"]);
    expect(played(progressOver(["a", "b"]), ["UPSTREAM_UNAVAILABLE", "OVERLOADED", "OVERLOADED"], 10_000)).toEqual([
      "a primary 0",
      "b failover 0",
    ]);
  });

  test("what would fail the same way again", () => {
    expect(played(progressOver(["a"]), [error("UPSTREAM_UNAVAILABLE", { final: true }), "OVERLOADED"])).toEqual(["a primary 0"]);
  });

  test("what the budget does not grant; failover asks no budget", () => {
    let asked = 0;
    const mayRepeat = (): boolean => {
      asked++;
      return false;
    };
    expect(played(progressOver(["a", "b"], { mayRepeat }), ["OVERLOADED", "OVERLOADED", "OVERLOADED"])).toEqual([
      "a primary 0",
      "b failover 0",
    ]);
    expect(asked).toBe(1);
  });
});

test("nobody whose breaker is open is asked beside another", () => {
  const [a, b] = rankedOf([targetOf("a/m"), targetOf("b/m")]);
  if (a === undefined || b === undefined) throw new Error("there are two");
  const open = { ...b, candidate: { ...b.candidate, health: { ...b.candidate.health, openUntilMs: 5000 } } };
  const progress = new Progress({
    ranked: [a, open],
    attemptsMax: 3,
    isLone: false,
    mayBare: false,
    options,
    random: () => 1,
    mayRepeat: () => true,
  });
  const first = progress.next();
  expect(first && progress.beside(first)).toBeUndefined();
});

test("a target whose breaker is open is asked after another only within the budget, and first without", () => {
  const ranked = rankedOf([targetOf("a/m"), targetOf("b/m")]).map((each) => ({
    ...each,
    candidate: { ...each.candidate, health: { ...each.candidate.health, openUntilMs: 9000 } },
  }));
  const over = (mayRepeat: boolean) =>
    new Progress({ ranked, attemptsMax: 3, isLone: false, mayBare: false, options, random: () => 1, mayRepeat: () => mayRepeat });
  expect(played(over(false), ["OVERLOADED", "OVERLOADED"])).toEqual(["a primary 0"]);
  expect(played(over(true), ["OVERLOADED", "OVERLOADED"])).toEqual(["a primary 0", "b failover 0"]);
});

describe("a second target beside the first", () => {
  test("is the next that nobody has asked, as long as the attempts last", () => {
    const progress = progressOver(["a", "b", "c"], { attemptsMax: 3 });
    const first = progress.next();
    if (first === undefined) throw new Error("there is a first");
    expect(progress.beside(first)).toMatchObject({ target: { provider: "b" }, kind: AttemptKind.HEDGE });
    progress.failed(first, error("OVERLOADED"), 1);
    const second = progress.next();
    if (second === undefined) throw new Error("there is a second");
    expect(progress.beside(second)).toMatchObject({ target: { provider: "c" } });
    progress.failed(second, error("OVERLOADED"), 1);
    const third = progress.next();
    if (third === undefined) throw new Error("there is a third");
    expect(progress.beside(third)).toBeUndefined();
  });

  test("is nobody where there is only one", () => {
    const progress = progressOver(["a"]);
    const first = progress.next();
    expect(first && progress.beside(first)).toBeUndefined();
  });
});

describe("the verdict", () => {
  for (const { what, script, failure, retryAfterMs } of [
    { what: "a stop is the answer", script: ["OVERLOADED", "CONTENT_POLICY"], failure: "CONTENT_POLICY" },
    { what: "the last of equals", script: ["UPSTREAM_AUTH", "UPSTREAM_PROTOCOL", "TIMEOUT"], failure: "TIMEOUT" },
    { what: "what waiting heals before what it cannot", script: ["OVERLOADED", "UPSTREAM_AUTH", "TIMEOUT"], failure: "OVERLOADED" },
    {
      what: "the shortest wait",
      script: [error("RATE_LIMITED", { retryAfterMs: 9000 }), error("RATE_LIMITED", { retryAfterMs: 300 }), "OVERLOADED"],
      failure: "RATE_LIMITED",
      retryAfterMs: 300,
    },
    {
      what: "the upstream's fault before the request's own",
      script: ["UPSTREAM_AUTH", "CONTEXT_LENGTH_EXCEEDED"],
      failure: "UPSTREAM_AUTH",
    },
    {
      what: "the request's own where nothing else is known",
      script: ["CONTEXT_LENGTH_EXCEEDED", "UNSUPPORTED_FEATURE", "CONTEXT_LENGTH_EXCEEDED"],
      failure: "CONTEXT_LENGTH_EXCEEDED",
    },
    { what: "an attempt's error before what was skipped", script: [skip("open"), "UPSTREAM_AUTH", skip("busy")], failure: "UPSTREAM_AUTH" },
    {
      what: "all full is shed, after the shortest wait",
      script: [skip("busy", 900), skip("busy", 700), skip("busy", 800), skip("busy", 800)],
      failure: "SHED",
      retryAfterMs: 700,
    },
    {
      what: "all barred is no target, until the first may be called again",
      script: [skip("open", 5000), skip("cooling", 2500), skip("open", 9000)],
      failure: "NO_TARGET",
      retryAfterMs: 2500,
    },
    {
      what: "some full and some barred is no target",
      script: [skip("busy", 1000), skip("open", 5000), skip("open", 5000), skip("busy", 1000)],
      failure: "NO_TARGET",
      retryAfterMs: 1000,
    },
    { what: "nobody at all is no target", script: [], failure: "NO_TARGET", retryAfterMs: 1000 },
  ] satisfies { what: string; script: (Failure | ChatError)[]; failure: Failure; retryAfterMs?: number }[]) {
    test(what, () => {
      const names = ["a", "b", "c"].slice(0, script.length);
      const progress = progressOver(names);
      played(progress, script);
      expect(progress.verdict()).toMatchObject({ failure, ...(retryAfterMs !== undefined && { retryAfterMs }) });
    });
  }
});

describe("sealed state that an upstream does not accept", () => {
  const stale = error("INVALID_REQUEST", { staleState: true, upstream: { status: 400, requestId: "" } });
  const bareOnes = (progress: Progress, script: readonly (Failure | ChatError)[]): string[] => {
    const steps: string[] = [];
    for (const each of script) {
      const step = progress.next();
      if (step === undefined) break;
      steps.push(`${shown(step)}${step.bare ? " bare" : ""}`);
      progress.failed(step, each instanceof ChatError ? each : error(each), 1);
    }
    return steps;
  };

  for (const { what, max = 3, mayBare = true, mayRepeat = true, script, steps } of [
    {
      what: "is left out at the same target, at once, whatever the budget",
      mayRepeat: false,
      script: [stale],
      steps: ["a primary 0", "a retry 0 bare"],
    },
    { what: "is left out once a call", script: [stale, stale, stale], steps: ["a primary 0", "a retry 0 bare"] },
    {
      what: "stays out where another target is tried then",
      script: [stale, "OVERLOADED", "OVERLOADED"],
      steps: ["a primary 0", "a retry 0 bare", "b failover 0 bare"],
    },
    { what: "ends the call where it may not be left out", mayBare: false, script: [stale], steps: ["a primary 0"] },
    { what: "ends the call that may try once", max: 1, script: [stale], steps: ["a primary 0"] },
  ] as const) {
    test(what, () => {
      const progress = progressOver(["a", "b"], { attemptsMax: max, mayBare, mayRepeat: () => mayRepeat });
      const taken = bareOnes(progress, [...script, "INVALID_REQUEST"]);
      expect(taken).toEqual(steps);
      expect(progress.next()).toBeUndefined();
    });
  }

  test("is what the caller hears of, where leaving it out did not help", () => {
    const progress = progressOver(["a"], { mayBare: true });
    bareOnes(progress, [stale, stale]);
    expect(progress.verdict()).toBe(stale);
  });

  test("of a hedged pair is left out once", () => {
    const progress = progressOver(["a", "b"], { mayBare: true });
    const first = progress.next();
    const second = first && progress.beside(first);
    if (first === undefined || second === undefined) throw new Error("no pair");
    progress.failed(first, stale, 1);
    progress.failed(second, stale, 1);
    expect(progress.next()).toMatchObject({ target: { id: "a/m" }, bare: true });
  });
});
