import { expect, test } from "vitest";

import { createMachineLoad, memoryLimit, openFilesLimit } from "../../src/stores/machine-load.ts";
import { systemClock } from "../../src/stores/system-clock.ts";

/** Whether it is a share of something that is used, and not used up. */
const some = (share: number): boolean => share > 0 && share < 1;

test("a process that does nothing is not late, and uses some of its heap and memory", async () => {
  const load = createMachineLoad({ clock: systemClock, connections: () => 0.25 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { heap, memory, connections } = load.measure();
  expect([some(heap), some(memory), connections]).toEqual([true, true, 0.25]);
  load.stop();
});

test("a loop that stood still was late by that, and no longer once it was told", async () => {
  const load = createMachineLoad({ clock: systemClock, connections: () => 0 });
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

test("a loop that waits has no CPU time of its own, however late it is, and one that computes has", async () => {
  const load = createMachineLoad({ clock: systemClock, connections: () => 0 });
  load.measure();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  const waited = load.measure();
  expect(waited.tookMs).toBeGreaterThan(390);
  expect(waited.cpuMs).toBeLessThan(100);
  const { user } = process.threadCpuUsage();
  while (process.threadCpuUsage().user - user < 100_000);
  expect(load.measure().cpuMs).toBeGreaterThan(99);
  load.stop();
});

test("the limits of this process are known", () => {
  expect(openFilesLimit()).toBeGreaterThan(0);
  expect(memoryLimit()).toBeGreaterThan(2 ** 26);
});
