import { expect, test } from "vitest";
import { createArrivals, peakPerSecond } from "../../bench/simulator/arrivals.ts";
import { createVirtualClock } from "../../bench/simulator/clock.ts";
import { contestants } from "../../bench/simulator/contestants.ts";
import { createFleet, type Fleet } from "../../bench/simulator/fleet.ts";
import { type Result, resultOf } from "../../bench/simulator/results.ts";
import type { Scene, Trouble } from "../../bench/simulator/scenes.ts";
import { simulate } from "../../bench/simulator/simulate.ts";

const seed = 1;
const calls = 2000;
const stretch = { fromHour: 12.75, untilHour: 13.75 };
const calm: Scene = { name: "calm", title: "Calm", ...stretch, trouble: undefined };

function troubled(trouble: Trouble): Scene {
  return { name: "trouble", title: "Trouble", ...stretch, trouble: { ...trouble, fromHour: 13, untilHour: 13.25 } };
}

function fleetFor(scene: Scene): Fleet {
  return createFleet({ seed, targets: 20, peakPerSecond: peakPerSecond({ ...scene, calls }) });
}

async function play(scene: Scene, policy: string): Promise<Result> {
  const fleet = fleetFor(scene);
  const contestant = contestants.find(({ name }) => name === policy);
  if (contestant === undefined) throw new Error(`there is no ${policy}`);
  const arrivals = createArrivals({ ...scene, seed: seed + 1, fleet, calls });
  return resultOf(scene, contestant, await simulate({ seed, fleet, scene, arrivals, contestant }));
}

test("a timer fires only after everything that an earlier one set off has come to rest", async () => {
  const clock = createVirtualClock(0);
  const heard: string[] = [];
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const follow = async (name: string, ms: number): Promise<void> => {
    await wait(ms);
    for (let i = 0; i < 10_000; i++) await Promise.resolve();
    heard.push(`${name} at ${clock.now()}`);
    await wait(1);
    heard.push(`${name} at ${clock.now()}`);
  };
  void follow("two", 2);
  void follow("one", 1);
  void follow("one, too", 1);
  clock.after(1.5, () => heard.push("never"))();
  await clock.run(10);
  expect(heard).toEqual(["one at 1", "one, too at 1", "two at 2", "one at 2", "one, too at 2", "two at 3"]);
  expect(clock.now()).toBe(10);
});

test("what a timer throws ends the run", async () => {
  const clock = createVirtualClock(0);
  clock.after(1, () => {
    throw new RangeError("a bug");
  });
  await expect(clock.run(10)).rejects.toThrow("a bug");
});

test("the same seed gives the same results, to the last digit", async () => {
  const scene = troubled({ slowness: 10, failing: 0.2 });
  expect(await play(scene, "cost_based")).toEqual(await play(scene, "cost_based"));
});

test("a simulated hour takes no more than a few seconds", async () => {
  const startMs = performance.now();
  const { during } = await play(calm, "random");
  expect(during.calls).toBeGreaterThan(calls * 0.9);
  expect(performance.now() - startMs).toBeLessThan(3_600_000 / 100);
});

for (const policy of ["cost_based", "failover", "weighted", "latency", "least_busy", "rules"]) {
  test(`${policy} serves 99 % of the calls while a provider is down, and comes back to it`, async () => {
    const { during, aftermath } = await play(troubled({ isDown: true }), policy);
    expect(during.success).toBeGreaterThanOrEqual(0.99);
    expect(during.share).toBeLessThan(aftermath?.shareBefore ?? 0);
    expect(aftermath?.shareAfter).toBeGreaterThan(0.5 * (aftermath?.shareBefore ?? 1));
  });
}

for (const status of [429, 503] as const) {
  for (const policy of ["cost_based", "latency", "least_busy"]) {
    test(`a provider that answers ${status} within 3 ms does not attract calls under ${policy}`, async () => {
      const { during, aftermath } = await play(troubled({ refusing: { share: 0.9, status } }), policy);
      expect(aftermath?.shareBefore).toBeGreaterThan(0);
      expect(during.share).toBeLessThan(aftermath?.shareBefore ?? 0);
      expect(during.success).toBeGreaterThanOrEqual(0.99);
    });
  }
}

test("weighted gives each provider its share", async () => {
  const { targets, providers } = fleetFor(calm);
  const sizeOf = (list: typeof targets): number => list.reduce((sum, { capacity }) => sum + capacity, 0);
  const share = sizeOf(targets.filter(({ provider }) => provider === providers[0])) / sizeOf(targets);
  const { during } = await play(calm, "weighted");
  expect(Math.abs(during.share - share)).toBeLessThan(0.01);
});

test("a price that triples moves the calls of cost_based elsewhere, and not those of latency", async () => {
  const dearer = troubled({ dearer: 3 });
  const [cheapest, quickest] = await Promise.all([play(dearer, "cost_based, cost alone"), play(dearer, "latency")]);
  expect(cheapest.during.share).toBeLessThan(0.1 * (cheapest.aftermath?.shareBefore ?? 0));
  expect(quickest.during.share).toBeGreaterThan(0.5 * (quickest.aftermath?.shareBefore ?? 1));
});
