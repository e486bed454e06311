import { describe, expect, test } from "vitest";
import type { Attempt, AttemptRecord, Call } from "../../src/core/call.ts";
import { placeOf } from "../../src/core/chance.ts";
import { AttemptKind, ProviderState } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { AttemptStream } from "../../src/core/handler.ts";
import type { ShadowTraffic } from "../../src/core/policy.ts";
import type { Plan } from "../../src/stages/plan.ts";
import { createShadows } from "../../src/stages/shadow.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { facts } from "../policies/candidates.ts";
import { chiSquare, limit, seedsFrom } from "../policies/chi-square.ts";
import { callOf, healthy, rankedOf, snapshotOf, targetOf } from "./support.ts";

const targets = [targetOf("real/m"), targetOf("shade/m"), targetOf("other/m")];

/** A copy that the test ends. */
interface Copy {
  readonly attempt: Attempt;
  answer(): void;
  fail(error: ChatError): void;
}

function scene({ sparing = false, state = ProviderState.ENABLED }: { sparing?: boolean; state?: ProviderState } = {}) {
  const clock = createFakeClock();
  const copies: Copy[] = [];
  const told: { readonly call: Call; readonly record: AttemptRecord }[] = [];
  const shadows = createShadows({
    sources: {
      clock,
      stateOf: () => state,
      health: { view: () => healthy, load: () => 0, begin: () => ({ answered() {}, end() {} }), latencyQuantileMs: () => undefined },
    },
    attempt: (attempt) => {
      const { promise, resolve, reject } = Promise.withResolvers<AttemptStream>();
      attempt.signal.addEventListener("abort", () => reject(attempt.signal.reason));
      const stream: AttemptStream = {
        batches: (async function* () {})(),
        head: { status: 200, requestId: "up", notes: [] },
        firstContentMs: 5,
        onEnd: (listener) => listener({ error: undefined, usage: undefined }),
      };
      copies.push({ attempt, answer: () => resolve(stream), fail: reject });
      return promise;
    },
    observers: [{ began() {}, ended() {}, shadowed: (call, record) => told.push({ call, record }) }],
    sparing: () => sparing,
  });
  return { shadows, copies, told, clock };
}

function planOf(list: readonly ShadowTraffic[]): Plan {
  const ranked = rankedOf(targets.slice(0, 1));
  return {
    ranked,
    excluded: [],
    rule: "",
    arm: "",
    shadows: list,
    failedRules: [],
    groups: [{ candidates: ranked.map(({ candidate }) => candidate), isLastResort: false }],
    facts: facts(),
    inputTokens: 1,
    insist: undefined,
    conversation: undefined,
  };
}

const call = (init: Partial<Call> = {}, request: Parameters<typeof chatRequest>[1] = {}): Call =>
  callOf(chatRequest("hi", { model: "m", ...request }), { snapshot: snapshotOf(targets), ...init });
const all = planOf([{ target: "shade/m", share: 1 }]);
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a copy", () => {
  test("is sent after the call's own turn, patient with nobody, and told of once it is over", async () => {
    const { shadows, copies, told } = scene();
    const original = call();
    shadows.send(original, all);
    expect(copies).toEqual([]);
    await turn();
    expect(copies[0]?.attempt).toMatchObject({ target: { id: "shade/m" }, patienceMs: 0, insist: undefined, id: original.id });
    expect(copies[0]?.attempt.signal).not.toBe(original.signal);
    expect(told).toEqual([]);
    copies[0]?.answer();
    await turn();
    expect(told).toMatchObject([
      { call: { id: original.id }, record: { kind: AttemptKind.SHADOW, won: false, status: 200, firstContentMs: 5 } },
    ]);
  });

  test("that fails is told of, and nobody else hears of it", async () => {
    const { shadows, copies, told } = scene();
    shadows.send(call(), all);
    await turn();
    copies[0]?.fail(new ChatError("OVERLOADED", "no", { upstream: { status: 529, requestId: "" } }));
    await turn();
    expect(told[0]?.record).toMatchObject({ status: 529, error: { failure: "OVERLOADED" } });
  });

  test("ends with the caller who leaves, by the longest time of a call, and when the process drains", async () => {
    const ends = async (end: (parts: ReturnType<typeof scene>, caller: AbortController) => void) => {
      const parts = scene();
      const caller = new AbortController();
      parts.shadows.send(call({ signal: caller.signal }), all);
      await turn();
      end(parts, caller);
      await turn();
      return parts.told[0]?.record.error?.failure;
    };
    expect(await ends((_parts, caller) => caller.abort(new ChatError("CANCELLED", "left")))).toBe("CANCELLED");
    expect(await ends(({ clock }) => clock.advance(600_000))).toBe("TIMEOUT");
    expect(await ends(({ shadows }) => shadows.stop())).toBe("DRAINING");
  });
});

describe("no copy is sent", () => {
  for (const { name, of, options, plan } of [
    { name: "where the policy wants none", of: call(), plan: planOf([]) },
    { name: "of a call whose answer is to be stored", of: call({}, { store: true }) },
    {
      name: "of a call with a tool that runs at the vendor's",
      of: call({}, { tools: [{ kind: { case: "native", value: { json: "{}" } } }] }),
    },
    { name: "to a target that does not exist", of: call(), plan: planOf([{ target: "nobody/m", share: 1 }]) },
    { name: "to the target that serves the call itself", of: call(), plan: planOf([{ target: "real/m", share: 1 }]) },
    { name: "to a provider that drains", of: call(), options: { state: ProviderState.DRAINING } },
    { name: "while the process is short of memory or time", of: call(), options: { sparing: true } },
    { name: "where the share is 0", of: call(), plan: planOf([{ target: "shade/m", share: 0 }]) },
  ]) {
    test(name, async () => {
      const { shadows, copies } = scene(options);
      shadows.send(of, plan ?? all);
      await turn();
      expect(copies).toEqual([]);
    });
  }

  test("beyond 64 at a time, until one is over", async () => {
    const { shadows, copies } = scene();
    for (let i = 0; i < 100; i++) shadows.send(call(), all);
    await turn();
    expect(copies.length).toBe(64);
    copies[0]?.answer();
    await turn();
    shadows.send(call(), all);
    await turn();
    expect(copies.length).toBe(65);
  });

  test("once the process drains", async () => {
    const { shadows, copies } = scene();
    shadows.stop();
    shadows.send(call(), all);
    await turn();
    expect(copies).toEqual([]);
  });
});

test("the seed decides, by the share: the same calls are copied again", async () => {
  const copied = async (): Promise<number[]> => {
    const seeds: number[] = [];
    for (const seed of seedsFrom(0.1, 400)) {
      const { shadows, copies } = scene();
      shadows.send(call({ seed }), planOf([{ target: "shade/m", share: 0.25 }]));
      await turn();
      if (copies.length > 0) seeds.push(seed);
    }
    return seeds;
  };
  const once = await copied();
  expect(once.length).toBeGreaterThan(65);
  expect(once.length).toBeLessThan(135);
  expect(await copied()).toEqual(once);
});

test("the share is kept over calls that follow each other (χ²), and has nothing to do with where weights put a call", async () => {
  const { shadows, copies } = scene();
  const copied = new Set<number>();
  const seeds = seedsFrom(0.2, 4000);
  for (const [index, seed] of seeds.entries()) {
    shadows.send(call({ seed }), planOf([{ target: "shade/m", share: 0.1 }]));
    if (index % 50 !== 49) continue;
    await turn();
    for (const copy of copies.splice(0)) {
      copied.add(copy.attempt.seed);
      copy.answer();
    }
    await turn();
  }
  const counts = [0, 0, 0, 0];
  for (const seed of seeds) {
    const cell = (copied.has(seed) ? 2 : 0) + (placeOf(seed) < 0.5 ? 1 : 0);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  expect(chiSquare(counts, [9, 9, 1, 1])).toBeLessThan(limit(4));
});
