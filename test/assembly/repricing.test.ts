import { expect, test } from "vitest";

import { priceVersionOf } from "../../src/assembly/model-price.ts";
import { breakerOptionsFrom } from "../../src/assembly/options.ts";
import { startRepricing } from "../../src/assembly/repricing.ts";
import { createRoster } from "../../src/assembly/roster.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { settingsOf } from "../config/workspace.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const minute = 60_000;

test("prices are looked up at each full and half hour, whatever became of it the last time, until it is stopped", () => {
  const clock = createFakeClock();
  clock.advance(10 * minute);
  const times: number[] = [];
  const bugs: unknown[] = [];
  let changes = 0;
  const reprice = (): boolean => {
    times.push(clock.now() / minute);
    if (times.length === 1) throw new Error("once");
    return times.length === 2;
  };
  const stop = startRepricing({ clock, reprice, onChange: () => void changes++, onBug: (bug) => bugs.push(bug) });
  clock.advance(80 * minute);
  expect([times, bugs.length, changes]).toEqual([[30, 60, 90], 1, 1]);
  stop();
  clock.advance(80 * minute);
  expect(times).toHaveLength(3);
});

test("a price that changes with time changes the catalogue and the version of prices, and nothing else does", () => {
  const clock = createFakeClock();
  clock.advance(Date.parse("2026-12-31T23:29:00Z") - clock.wall());
  const settings = settingsOf(
    `providers: {gemini: {api_key: k, models: [gemini-3.6-flash, {id: own, upstream: gemini-3.6-flash, input_price: 1, output_price: 1}]}}`,
  );
  const health = createWindowHealth({ clock, random: () => 0, breaker: breakerOptionsFrom(settings) });
  const roster = createRoster({ clock, health, slots: createSlots(clock) });
  roster.apply(settings);
  const prices = () => roster.catalog().targets.map(({ price }) => price?.input);
  const before = roster.catalog();
  clock.advance(minute);
  expect([roster.reprice(), roster.catalog() === before, prices()]).toEqual([false, true, [750_000, 1_000_000]]);
  clock.advance(30 * minute);
  expect([roster.reprice(), prices()]).toEqual([true, [1_500_000, 1_000_000]]);
  // A call that began before keeps its prices.
  expect(before.targets[0]?.price?.input).toBe(750_000);
  expect(priceVersionOf(roster.catalog())).not.toBe(priceVersionOf(before));
  expect(priceVersionOf(before)).toMatch(/^genai-prices@[\d.]+\+[0-9a-z]+$/);
});
