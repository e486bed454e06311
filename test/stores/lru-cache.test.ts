import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { CachedReply, CacheKey } from "../../src/core/cache.ts";
import type { Target } from "../../src/core/catalog.ts";
import { createLruCache } from "../../src/stores/lru-cache.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const signal = new AbortController().signal;
const target = { id: "openai/small", provider: "openai", model: "small" } as Target;

function key(name: string): CacheKey {
  return name as CacheKey;
}

function reply(bytes: number): CachedReply {
  return { target, batches: [], bytes };
}

const noJitter = (): number => 0.5;

function setUp({ maxBytes = 1_000_000, random = noJitter } = {}) {
  const clock = createFakeClock();
  return { clock, cache: createLruCache({ maxBytes, ttlMs: 300_000, clock, random }) };
}

test("finds what was kept, and nothing else", async () => {
  const { cache } = setUp();
  const kept = reply(100);
  cache.keep(key("tenant:a"), kept, 0);
  expect(await cache.find(key("tenant:a"), signal)).toBe(kept);
  expect(await cache.find(key("tenant:b"), signal)).toBeUndefined();
});

describe("an answer's age", () => {
  for (const { roll, ms } of [
    { roll: 0, ms: 270_000 },
    { roll: 0.5, ms: 300_000 },
    { roll: 0.999_999, ms: 330_000 },
  ]) {
    test(`is at most ${ms} ms where the dice say ${roll}`, async () => {
      const { clock, cache } = setUp({ random: () => roll });
      cache.keep(key("a"), reply(100), 0);
      clock.advance(ms);
      expect(await cache.find(key("a"), signal)).toBeDefined();
      clock.advance(1);
      expect(await cache.find(key("a"), signal)).toBeUndefined();
    });
  }

  test("is not renewed by reading", async () => {
    const { clock, cache } = setUp();
    cache.keep(key("a"), reply(100), 0);
    clock.advance(200_000);
    await cache.find(key("a"), signal);
    clock.advance(100_001);
    expect(await cache.find(key("a"), signal)).toBeUndefined();
  });
});

test("an answer above 1 MiB is not kept, and does not push others out", async () => {
  const { cache } = setUp({ maxBytes: 16 * 1024 * 1024 });
  cache.keep(key("small"), reply(100), 0);
  cache.keep(key("large"), reply(1024 * 1024), 0);
  expect(await cache.find(key("large"), signal)).toBeUndefined();
  expect(await cache.find(key("small"), signal)).toBeDefined();
});

test("the least recently used answer goes first", async () => {
  const { cache } = setUp({ maxBytes: 3_000 });
  for (const name of ["a", "b"]) cache.keep(key(name), reply(1_000), 0);
  await cache.find(key("a"), signal);
  cache.keep(key("c"), reply(1_000), 0);
  expect(await cache.find(key("b"), signal)).toBeUndefined();
  expect(await cache.find(key("a"), signal)).toBeDefined();
});

test("all that is kept together never weighs more than the bound", async () => {
  const entry = fc.tuple(fc.nat(50), fc.nat(5_000));
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 100 }), async (entries) => {
      const { cache } = setUp({ maxBytes: 20_000 });
      for (const [name, bytes] of entries) {
        cache.keep(key(`key-${name}`), reply(bytes), 0);
        let sum = 0;
        for (let each = 0; each <= 50; each += 1) sum += (await cache.find(key(`key-${each}`), signal))?.bytes ?? 0;
        expect(sum).toBeLessThanOrEqual(20_000);
      }
    }),
    { numRuns: 30 },
  );
});

test("purging forgets one tenant's answers, or all, and counts them", async () => {
  const { cache } = setUp();
  for (const name of ["cfg_a:1", "cfg_a:2", "cfg_b:1"]) cache.keep(key(name), reply(100), 0);
  expect(cache.purge((tenant) => tenant === "cfg_a")).toBe(2);
  expect(await cache.find(key("cfg_a:1"), signal)).toBeUndefined();
  expect(await cache.find(key("cfg_b:1"), signal)).toBeDefined();
  expect(cache.purge()).toBe(1);
  expect(cache.purge()).toBe(0);
});

test("an answer that was asked for before its tenant was purged is not kept behind", async () => {
  const { cache, clock } = setUp();
  clock.advance(1000);
  cache.purge((tenant) => tenant === "cfg_a");
  for (const name of ["cfg_a:early", "cfg_b:early"]) cache.keep(key(name), reply(100), 1000);
  cache.keep(key("cfg_a:late"), reply(100), 1001);
  expect(await cache.find(key("cfg_a:early"), signal)).toBeUndefined();
  expect(await cache.find(key("cfg_b:early"), signal)).toBeDefined();
  expect(await cache.find(key("cfg_a:late"), signal)).toBeDefined();
});

test("an answer that has little time left elsewhere has no more here", async () => {
  const { cache, clock } = setUp();
  cache.keep(key("a:short"), reply(100), 0, 5000);
  cache.keep(key("a:none"), reply(100), 0, 0);
  expect(await cache.find(key("a:none"), signal)).toBeUndefined();
  clock.advance(5000);
  expect(await cache.find(key("a:short"), signal)).toBeDefined();
  clock.advance(1);
  expect(await cache.find(key("a:short"), signal)).toBeUndefined();
});
