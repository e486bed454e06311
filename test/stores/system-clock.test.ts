import { expect, test } from "vitest";

import { systemClock } from "../../src/stores/system-clock.ts";

/** Timers that keep the process alive. */
const holding = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

test("calls back, also where the wait is negative", async () => {
  await new Promise<void>((resolve) => systemClock.after(-5, resolve));
});

test("waits for a time no timer can hold instead of firing at once", async () => {
  let fired = false;
  const cancel = systemClock.after(2 ** 40, () => {
    fired = true;
  });
  // Set later, due at once: had the first been due, it would have fired before.
  await new Promise<void>((resolve) => systemClock.after(2, resolve));
  cancel();
  expect(fired).toBe(false);
});

test("does not call back once cancelled", async () => {
  let fired = false;
  systemClock.after(0, () => {
    fired = true;
  })();
  await new Promise<void>((resolve) => systemClock.after(2, resolve));
  expect(fired).toBe(false);
});

test("does not run backwards", () => {
  const before = systemClock.now();
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  expect(systemClock.wall()).toBeGreaterThan(Date.UTC(2025, 0, 1));
});

test("a call's timer holds the process until it is cancelled", () => {
  const before = holding();
  const cancel = systemClock.after(60_000, () => {});
  expect(holding()).toBe(before + 1);
  cancel();
  expect(holding()).toBe(before);
});
