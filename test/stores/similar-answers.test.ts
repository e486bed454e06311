import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CachedReply } from "../../src/core/cache.ts";
import type { KeyId } from "../../src/core/call.ts";
import type { TargetId } from "../../src/core/catalog.ts";
import { type Direction, normalized, type Partition } from "../../src/core/similar.ts";
import { createSimilarStore } from "../../src/stores/similar-answers.ts";
import { chatTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const partition = (tenant = "cfg_a", requestHash = "h"): Partition => ({ tenant: tenant as KeyId, requestHash });
const reply = (bytes = 100): CachedReply => ({ target: chatTarget(), batches: [], bytes });
let texts = 0;
function direction(values: readonly number[], more: Partial<Direction> = {}): Direction {
  const vector = normalized(values);
  if (vector === undefined) throw new Error("no direction");
  return { target: "up/vectors" as TargetId, vector, textHash: `text ${texts++}`, ...more };
}
function setUp({ maxBytes = 1_000_000, random = () => 0.5 } = {}) {
  const clock = createFakeClock();
  const store = createSimilarStore({ maxBytes, ttlMs: 300_000, clock, random });
  const keep = (asked: Direction, kept = reply(), where = partition()) => store.keep(where, asked, { reply: kept, sinceMs: clock.now() });
  return { clock, store, keep };
}
/** In the plane, so many degrees from the x axis. */
const at = (degrees: number) => [Math.cos((degrees / 180) * Math.PI), Math.sin((degrees / 180) * Math.PI)];

test("the nearest is found, with its cosine", () => {
  const { store, keep } = setUp();
  const near = reply();
  keep(direction(at(40)));
  keep(direction(at(10)), near);
  const found = store.find(partition(), direction(at(0)), 0.9);
  expect(found?.reply).toBe(near);
  expect(found?.similarity).toBeCloseTo(Math.cos(Math.PI / 18), 6);
});

test("the threshold itself is similar enough, less is not", () => {
  const { store, keep } = setUp();
  keep(direction([3, 4]));
  expect(store.find(partition(), direction([1, 0]), 0.6)).toBeDefined();
  expect(store.find(partition(), direction([1, 0]), 0.601)).toBeUndefined();
});

test("at a threshold of 1 a direction still finds itself, whatever rounding made of it", () => {
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true, min: -1, max: 1 }), { minLength: 1, maxLength: 40 }), (values) => {
      const vector = normalized(values);
      fc.pre(vector !== undefined);
      const { store, keep } = setUp();
      keep(direction(values));
      expect(store.find(partition(), direction(values), 1)?.similarity).toBeCloseTo(1, 5);
    }),
  );
});

test.for<[string, Partition, Partial<Direction>, number[]]>([
  ["another tenant", partition("cfg_b"), {}, [1, 0]],
  ["another partition", partition("cfg_a", "i"), {}, [1, 0]],
  ["another embedder", partition(), { target: "up/others" as TargetId }, [1, 0]],
  ["another number of dimensions", partition(), {}, [1, 0, 0]],
])("%s finds nothing", ([, where, more, values]) => {
  const { store, keep } = setUp();
  keep(direction([1, 0]));
  expect(store.find(where, direction(values, more), 0)).toBeUndefined();
});

test.for([[[]], [[0, 0]], [[Number.NaN, 1]], [[Infinity, 1]], [[1e-200, 0]], [[1e200, 1e200]]])("%j is no direction", ([values = []]) => {
  expect(normalized(values)).toBeUndefined();
});

test("an answer's age is bounded by its ttl, and reading does not renew it", () => {
  const { clock, store, keep } = setUp();
  keep(direction([1]));
  clock.advance(200_000);
  expect(store.find(partition(), direction([1]), 1)).toBeDefined();
  clock.advance(100_000);
  expect(store.find(partition(), direction([1]), 1)).toBeUndefined();
  expect(store.purge()).toBe(0);
});

test("a text that is asked again takes the place of what was known of it", () => {
  const { store, keep } = setUp();
  const newer = reply();
  keep(direction([1, 0], { textHash: "same" }));
  keep(direction([1, 0.001], { textHash: "same" }), newer);
  expect(store.find(partition(), direction([1, 0]), 0.9)?.reply).toBe(newer);
  expect(store.purge()).toBe(1);
});

test("a purge takes the tenant's answers, and keeps those out that were asked for before", () => {
  const { clock, store, keep } = setUp();
  keep(direction([1]));
  keep(direction([1]), reply(), partition("cfg_b"));
  clock.advance(10);
  expect(store.purge((tenant) => tenant === "cfg_a")).toBe(1);
  store.keep(partition(), direction([1]), { reply: reply(), sinceMs: 5 });
  expect(store.find(partition(), direction([1]), 0)).toBeUndefined();
  expect(store.find(partition("cfg_b"), direction([1]), 0)).toBeDefined();
  clock.advance(1);
  keep(direction([1]));
  expect(store.find(partition(), direction([1]), 0)).toBeDefined();
});

test("bytes are bounded over all partitions, and the least recently used go first", () => {
  const { store, keep } = setUp({ maxBytes: 10_000 });
  for (let i = 0; i < 100; i++) {
    keep(direction([1]), reply(1000), partition("cfg_a", `h${i}`));
    store.find(partition("cfg_a", "h0"), direction([1]), 0);
  }
  expect(store.find(partition("cfg_a", "h0"), direction([1]), 0)).toBeDefined();
  expect(store.find(partition("cfg_a", "h1"), direction([1]), 0)).toBeUndefined();
  const left = store.purge();
  expect(left).toBeGreaterThan(3);
  expect(left).toBeLessThan(10);
});

test("an answer that is larger than the store is not kept", () => {
  const { store, keep } = setUp({ maxBytes: 10_000 });
  keep(direction([1]), reply(20_000));
  expect(store.find(partition(), direction([1]), 0)).toBeUndefined();
  expect(store.purge()).toBe(0);
});

test("a partition is bounded by the numbers that a look multiplies, and loses its oldest", () => {
  const { store, keep } = setUp({ maxBytes: 1e9 });
  const dimensions = 64 * 1024;
  const one = (place: number) => direction(Array.from({ length: dimensions }, (_, i) => (i === place ? 1 : 0)));
  for (let i = 0; i < 10; i++) keep(one(i));
  const found = Array.from({ length: 10 }, (_, i) => store.find(partition(), one(i), 0.9) !== undefined);
  expect(found).toEqual([false, false, true, true, true, true, true, true, true, true]);
});
