import { expect, test } from "vitest";

import { createCollector } from "../../src/stores/collector.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** A collector whose collections take so long. */
function scene(takesMs: number) {
  const clock = createFakeClock();
  return { clock, collected: createCollector(clock, () => clock.advance(takesMs)) };
}

test("garbage is collected where memory looks short, and not otherwise", () => {
  const { collected } = scene(10);
  expect([collected(0.79), collected(0.8)]).toEqual([false, true]);
});

test.each([
  { takesMs: 10, pauseMs: 3000 },
  { takesMs: 1000, pauseMs: 20_000 },
])("a collection of $takesMs ms is not repeated within $pauseMs ms", ({ takesMs, pauseMs }) => {
  const { clock, collected } = scene(takesMs);
  expect(collected(1)).toBe(true);
  clock.advance(pauseMs - 1);
  expect(collected(1)).toBe(false);
  clock.advance(1);
  expect(collected(1)).toBe(true);
});

test("V8's own collection gives back what nobody holds", () => {
  const collected = createCollector(systemClock);
  let held: object | undefined = { of: "no further use" };
  const seen = new WeakRef(held);
  held = undefined;
  const freed = new Promise<boolean>((resolve) => {
    // What a WeakRef has shown lives until the turn ends.
    setImmediate(() => {
      collected(1);
      resolve(seen.deref() === undefined);
    });
  });
  return expect(freed).resolves.toBe(true);
});
