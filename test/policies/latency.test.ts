import { describe, expect, test } from "vitest";
import { durationFromMs } from "../../src/core/clock.ts";
import { createLatency } from "../../src/policies/latency.ts";
import { candidate, facts, idsOf } from "./candidates.ts";
import { seedsFrom } from "./chi-square.ts";

const latency = (decayMs?: number) =>
  createLatency({ $typeName: "semaroute.v1.LatencyPolicy", ...(decayMs !== undefined && { decay: durationFromMs(decayMs) }) });
const seeds = seedsFrom(0.1, 200);
const firsts = (candidates: Parameters<ReturnType<typeof latency>>[1], rank = latency(), call = {}) =>
  seeds.map((seed) => idsOf(rank(facts({ ...call, seed }), candidates))[0]);
const share = (ids: readonly (string | undefined)[], id: string): number => ids.filter((each) => each === id).length / ids.length;

describe("of two", () => {
  test("the quicker is first, by the kind of call", () => {
    const candidates = [candidate("start/m", { firstTokenMs: 10, unaryMs: 900 }), candidate("end/m", { firstTokenMs: 90, unaryMs: 100 })];
    expect(share(firsts(candidates), "start/m")).toBe(1);
    expect(share(firsts(candidates, latency(), { streamed: false }), "end/m")).toBe(1);
  });

  test("the one that comes back from an outage is taken for slower", () => {
    expect(share(firsts([candidate("a/m", { firstTokenMs: 100, warmth: 0.1 }), candidate("b/m", { firstTokenMs: 500 })]), "b/m")).toBe(1);
  });

  test("one that nothing is known of has its chance", () => {
    const first = share(firsts([candidate("known/m", { firstTokenMs: 10 }), candidate("new/m")]), "new/m");
    expect(first).toBeGreaterThan(0.3);
    expect(first).toBeLessThan(0.7);
  });

  test("a slow one that was not heard of for six time constants is tried again by one call of twenty", () => {
    const heard = (heardMs: number) => [
      candidate("quick/m", { firstTokenMs: 10, heardMs: 99_000 }),
      candidate("slow/m", { firstTokenMs: 900, heardMs }),
    ];
    expect(share(firsts(heard(41_000)), "slow/m")).toBe(0);
    const again = share(firsts(heard(39_000)), "slow/m");
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(0.1);
  });
});

describe("of many", () => {
  const many = [5, 3, 1, 4, 2].map((n) => candidate(`p${n}/m`, { firstTokenMs: n * 100 }));

  test("the first is never the slowest, and not always the quickest", () => {
    const ids = firsts(many);
    expect(share(ids, "p5/m")).toBe(0);
    // The quickest is one of two of five in 2/5 of all draws.
    expect(share(ids, "p1/m")).toBeGreaterThan(0.25);
    expect(share(ids, "p1/m")).toBeLessThan(0.55);
  });

  test("behind the first come all others, quickest first, and the first says why it is there", () => {
    for (const seed of seeds) {
      const { order } = latency()(facts({ seed }), many);
      const [first, ...others] = order.map(({ candidate: { target } }) => target.id);
      expect(others).toEqual(["p1/m", "p2/m", "p3/m", "p4/m", "p5/m"].filter((id) => id !== first));
      expect(order[0]?.remark).toBe(first === "p1/m" ? "" : "the quicker of two drawn by lot");
    }
  });

  test("scores are the quickest mean over one's own", () => {
    const { order } = latency()(facts(), many);
    expect(Object.fromEntries(order.map(({ candidate: { target }, score }) => [target.provider, score]))).toMatchObject({
      p1: 1,
      p2: 0.5,
      p4: 0.25,
    });
  });
});

test("another decay goes by the means of that time constant, and by the usual ones until there are any", () => {
  const other = new Map([[60_000, { firstTokenMs: 50, unaryMs: undefined }]]);
  const candidates = [
    candidate("a/m", { firstTokenMs: 900, otherMeans: other, unaryMs: 7 }),
    candidate("b/m", { firstTokenMs: 100, unaryMs: 9 }),
  ];
  expect(share(firsts(candidates), "b/m")).toBe(1);
  expect(share(firsts(candidates, latency(60_000)), "a/m")).toBe(1);
  expect(share(firsts(candidates, latency(60_000), { streamed: false }), "a/m")).toBe(1);
});
