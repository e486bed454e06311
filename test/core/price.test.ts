import { describe, expect, test } from "vitest";

import { modelPrice } from "../../src/assembly/model-price.ts";
import { usageOf } from "../../src/core/chat.ts";
import { costPicoUsd, microUsdPerMillion, type Price, priced, usdFromPico } from "../../src/core/price.ts";

const price: Price = { input: 2_500_000, output: 10_000_000, cacheRead: 1_250_000, cacheWrite: 3_125_000 };
const bare: Price = { ...price, cacheRead: undefined, cacheWrite: undefined };

describe("a cost", () => {
  for (const { what, of, usage, cost } of [
    { what: "is tokens times price", of: price, usage: usageOf(1000, 100), cost: 3_500_000_000n },
    { what: "of nothing is nothing", of: price, usage: usageOf(0, 0), cost: 0n },
    {
      what: "counts cached input at its own price",
      of: price,
      usage: { ...usageOf(1000, 0), cacheReadTokens: 400, cacheWriteTokens: 100 },
      cost: 500n * 2_500_000n + 400n * 1_250_000n + 100n * 3_125_000n,
    },
    {
      what: "counts cached input as input where it has no price",
      of: bare,
      usage: { ...usageOf(1000, 0), cacheReadTokens: 400, cacheWriteTokens: 100 },
      cost: 2_500_000_000n,
    },
    {
      what: "never counts more cached input than input",
      of: price,
      usage: { ...usageOf(10, 0), cacheReadTokens: 8, cacheWriteTokens: 8 },
      cost: 8n * 1_250_000n + 2n * 3_125_000n,
    },
    {
      what: "is exact beyond 2^53",
      of: { ...bare, input: 999_999_999 },
      usage: usageOf(4_000_000_001, 1),
      cost: 4_000_000_001n * 999_999_999n + 10_000_000n,
    },
  ]) {
    test(what, () => expect(costPicoUsd(of, usage)).toBe(cost));
  }
});

for (const [pico, usd] of [
  [0n, "0"],
  [1n, "0.000000000001"],
  [435_000_000n, "0.000435"],
  [1_000_000_000_000n, "1"],
  [1_500_000_000_000n, "1.5"],
  [123_456_789_012_345_678_901n, "123456789.012345678901"],
] as const) {
  test(`${pico} is ${usd} dollars`, () => expect(usdFromPico(pico)).toBe(usd));
}

for (const [usd, micro] of [
  [2.5, 2_500_000],
  [0.1, 100_000],
  [0.29, 290_000],
  [0, 0],
] as const) {
  test(`${usd} dollars a million are ${micro}`, () => expect(microUsdPerMillion(usd)).toBe(micro));
}

test("a price is shown with what it has", () => {
  expect(modelPrice(price)).toEqual({
    $typeName: "semaroute.v1.ModelPrice",
    inputMicroUsdPerMillion: 2_500_000n,
    outputMicroUsdPerMillion: 10_000_000n,
    cacheReadMicroUsdPerMillion: 1_250_000n,
    cacheWriteMicroUsdPerMillion: 3_125_000n,
    tiers: [],
  });
  expect(modelPrice(bare)).not.toHaveProperty("cacheReadMicroUsdPerMillion");
});

test("usage of an unpriced target has no cost, which is not a cost of 0", () => {
  const usage = usageOf(1, 1);
  expect(priced(usage, undefined)).toBe(usage);
  expect(priced(usage, { ...bare, input: 0, output: 0 })).toMatchObject({ costPicoUsd: 0n, inputTokens: 1 });
  expect(usage).not.toHaveProperty("costPicoUsd");
});

test("tokens that are no count of anything leave an answer unpriced, and do not break it", () => {
  const usage = usageOf(1, Number.NaN);
  expect(priced(usage, price)).toBe(usage);
});
