import { expect, test } from "vitest";

import { createMachineLoad, openFilesLimit } from "../../src/stores/machine-load.ts";
import { systemClock } from "../../src/stores/system-clock.ts";

/** Whether it is a share of something that is used, and not used up. */
const some = (share: number): boolean => share > 0 && share < 1;

test("a process that does nothing is not late, and uses some of its heap and memory", async () => {
  const load = createMachineLoad({ clock: systemClock, connections: () => 25, connectionsMax: 100 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { heap, memory, connections } = load.measure();
  expect([some(heap), some(memory), connections]).toEqual([true, true, 0.25]);
  load.stop();
});

test("a loop that stood still was late by that, and no longer once it was told", async () => {
  const load = createMachineLoad({ clock: systemClock, connections: () => 0, connectionsMax: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  load.measure();
  await new Promise((resolve) => setTimeout(resolve, 50));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const late = load.measure().lagMs;
  expect(late).toBeGreaterThan(300);
  load.stop();
  expect(load.measure().lagMs).toBe(0);
});

test("connections may take half of the files that can be opened", () => {
  const limit = openFilesLimit();
  expect(limit).toBeGreaterThan(0);
  const load = createMachineLoad({ clock: systemClock, connections: () => limit / 2, connectionsMax: Infinity });
  expect(load.measure().connections).toBeCloseTo(1, 3);
  load.stop();
});
