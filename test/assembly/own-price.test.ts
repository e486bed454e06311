import { describe, expect, test } from "vitest";

import { ownPrice } from "../../src/assembly/own-price.ts";
import type { ModelSettings } from "../../src/config/schema.ts";
import type { ModelKind } from "../../src/core/catalog.ts";
import type { Price } from "../../src/core/price.ts";

const listed: Price = {
  input: 3e6,
  output: 15e6,
  cacheRead: 3e5,
  cacheWrite: 3_750_000,
  cacheWriteHour: 6e6,
  reasoning: 1e6,
  inputAudio: 9e6,
  webSearch: 10_000,
  tiers: [{ aboveInputTokens: 200_000, rates: { input: 6e6, output: 22_500_000, cacheRead: 6e5, cacheWrite: 7_500_000 } }],
};

const priceOf = (own: Partial<ModelSettings>, source: Price | undefined = listed, kind: ModelKind = "chat") =>
  ownPrice({ id: "m", ...own }, kind, source);

describe("the price in force", () => {
  test("is the source's where the configuration says nothing", () => expect(priceOf({})).toEqual(listed));

  test("of the input is the configuration's, whatever the size, and what the source says of its parts goes with the source's", () => {
    expect(priceOf({ input_price: 1 })).toEqual({
      input: 1e6,
      output: 15e6,
      reasoning: 1e6,
      webSearch: 10_000,
      tiers: [{ aboveInputTokens: 200_000, rates: { input: 1e6, output: 22_500_000 } }],
    });
  });

  test("of the output likewise", () => {
    expect(priceOf({ output_price: 2 })).toMatchObject({ input: 3e6, output: 2e6, reasoning: undefined, cacheRead: 3e5, inputAudio: 9e6 });
    expect(priceOf({ output_price: 2 })?.tiers).toMatchObject([{ rates: { input: 6e6, output: 2e6 } }]);
  });

  test("has no sizes where the configuration says both", () => {
    expect(priceOf({ input_price: 1, output_price: 2, cached_input_price: 0.1, cache_write_price: 1.25 })).toEqual({
      input: 1e6,
      output: 2e6,
      cacheRead: 1e5,
      cacheWrite: 1_250_000,
      webSearch: 10_000,
    });
  });

  test("of cached and written input is the configuration's by itself, for an hour too", () => {
    expect(priceOf({ cached_input_price: 0, cache_write_price: 4 })).toMatchObject({
      cacheRead: 0,
      cacheWrite: 4e6,
      cacheWriteHour: undefined,
    });
  });

  test("is free where the configuration says 0, and unpriced where it says half", () => {
    expect(priceOf({ input_price: 0, output_price: 0 }, undefined)).toMatchObject({ input: 0, output: 0 });
    expect(ownPrice({ id: "m", input_price: 1 }, "chat", undefined)).toBeUndefined();
    expect(ownPrice({ id: "m", input_price: 1 }, "embedding", undefined)).toMatchObject({ input: 1e6, output: 0 });
    expect(ownPrice({ id: "m", request_price: 1 }, "chat", undefined)).toBeUndefined();
  });

  test("has the configuration's fee for each call", () => expect(priceOf({ request_price: 0.005 })?.request).toBe(5000));
});
