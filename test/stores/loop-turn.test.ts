import { expect, test } from "vitest";

import { createLoopTurn } from "../../src/stores/loop-turn.ts";

/** A loop whose turns the test ends, on a thread that has all of the time. */
function scene() {
  const now = { ms: 1000, asked: 0 };
  const ends: (() => void)[] = [];
  const { spentMs } = createLoopTurn({
    clock: { now: () => now.ms },
    cpuMs: () => {
      now.asked += 1;
      return now.ms / 2;
    },
    onEnd: (callback) => ends.push(callback),
  });
  /** What so many calls hear, each of which takes some milliseconds. */
  const calls = (count: number, ms: number): number[] =>
    Array.from({ length: count }, () => {
      now.ms += ms;
      return spentMs();
    });
  return { calls, now, end: () => ends.splice(0).forEach((each) => each()), waiting: () => ends.length };
}

test("a turn has spent what its thread had since its first call", () => {
  const { calls } = scene();
  const heard = calls(40, 4);
  expect(heard.slice(0, 32)).toEqual(Array(32).fill(0));
  expect(heard.slice(32)).toEqual([64, 66, 68, 70, 72, 74, 76, 78]);
});

test("a few calls spend nothing, however long one of them takes", () => {
  const { calls } = scene();
  expect(calls(32, 1000)).toEqual(Array(32).fill(0));
});

test("a short turn is not worth a look at the thread's time", () => {
  const { calls, now } = scene();
  calls(1000, 0.01);
  expect(now.asked).toBe(1);
});

test("the next turn begins anew, and each waits for one end only", () => {
  const { calls, end, waiting } = scene();
  expect(calls(40, 4).at(-1)).toBe(78);
  expect(waiting()).toBe(1);
  end();
  expect(calls(32, 4)).toEqual(Array(32).fill(0));
  expect(waiting()).toBe(1);
});
