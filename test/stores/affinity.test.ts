import { expect, test } from "vitest";

import type { TargetId } from "../../src/core/catalog.ts";
import { createAffinity } from "../../src/stores/affinity.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const held = { target: "a/m" as TargetId, tokens: 10, ttlMs: 1000 };

test("a holding lasts for its time, from its last use on", () => {
  const clock = createFakeClock();
  const affinity = createAffinity(clock);
  affinity.bind("c", held);
  clock.advance(999);
  expect(affinity.find("c")).toEqual(held);
  affinity.bind("c", held);
  clock.advance(999);
  expect(affinity.find("c")).toEqual(held);
  // Asking is no use.
  clock.advance(2);
  expect(affinity.find("c")).toBeUndefined();
});

test("of too many the one that was asked about longest ago is forgotten", () => {
  const affinity = createAffinity(createFakeClock(), 2);
  affinity.bind("a", held);
  affinity.bind("b", held);
  affinity.find("a");
  affinity.bind("c", held);
  expect(["a", "b", "c"].map((each) => affinity.find(each) !== undefined)).toEqual([true, false, true]);
});
