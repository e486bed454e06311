import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type Usage, usageOf } from "../../src/core/chat.ts";
import { approximateMicroUsd, costPicoUsd, type Price, type PricedCounts, usdFromPico } from "../../src/core/price.ts";
import { priceOf } from "../../src/providers/prices.ts";

const at = new Date("2026-11-23T12:00:00Z");

function listed(type: string, model: string): Price {
  const price = priceOf(type, model, at);
  if (price === undefined) throw new Error(`${model} has no price`);
  return price;
}

/** Bills as the vendors' price pages make them, reckoned by hand. */
const bills: readonly { what: string; price: Price; usage: Partial<Usage>; usd: string }[] = [
  {
    what: "OpenAI, half of the prompt cached: 1000 at 2.50, 1000 at 1.25, 100 out at 10",
    price: listed("openai", "gpt-4o"),
    usage: { inputTokens: 2000, cacheReadTokens: 1000, outputTokens: 100 },
    usd: "0.00475",
  },
  {
    what: "OpenAI, reasoning, which is output like any other: 10 at 2 and 1000 at 8",
    price: listed("openai", "o3"),
    usage: { inputTokens: 10, outputTokens: 1000, reasoningTokens: 900 },
    usd: "0.00802",
  },
  {
    what: "OpenAI, sound both ways: 100 words in at 2.50, 50 sound at 32, 20 out at 10, 30 sound at 64",
    price: listed("openai", "gpt-audio"),
    usage: { inputTokens: 150, inputAudioTokens: 50, outputTokens: 50, outputAudioTokens: 30 },
    usd: "0.00397",
  },
  {
    what: "OpenAI, a prompt of exactly 272,000: 0.10 in, 0.50 out",
    price: listed("openai", "gpt-6-luna"),
    usage: { inputTokens: 272_000, outputTokens: 1000 },
    usd: "0.0277",
  },
  {
    what: "OpenAI, one token more, and all of it costs 0.20 in and 0.75 out",
    price: listed("openai", "gpt-6-luna"),
    usage: { inputTokens: 272_001, outputTokens: 1000 },
    usd: "0.0551502",
  },
  {
    what: "OpenAI, the size counts cached input: 272,001 with 272,000 of them at 0.02, one at 0.20",
    price: listed("openai", "gpt-6-luna"),
    usage: { inputTokens: 272_001, cacheReadTokens: 272_000, outputTokens: 0 },
    usd: "0.0054402",
  },
  {
    what: "OpenAI, written to the cache: 1000 at 0.125 and 24 at 0.10",
    price: listed("openai", "gpt-6-luna"),
    usage: { inputTokens: 1024, cacheWriteTokens: 1000, outputTokens: 0 },
    usd: "0.0001274",
  },
  {
    what: "Anthropic: 500 in at 1, 4000 read at 0.10, 1000 written at 1.25, 2000 for an hour at 2, 300 out at 5",
    price: listed("anthropic", "claude-haiku-4-5"),
    usage: { inputTokens: 7500, cacheReadTokens: 4000, cacheWriteTokens: 3000, cacheWriteHourTokens: 2000, outputTokens: 300 },
    usd: "0.00765",
  },
  {
    what: "Anthropic, three searches of the web at a cent",
    price: listed("anthropic", "claude-haiku-4-5"),
    usage: { inputTokens: 1000, outputTokens: 0, webSearches: 3 },
    usd: "0.031",
  },
  {
    what: "Anthropic, long: 200,001 at 6, of them 100,000 read at 0.60, 10 out at 22.50",
    price: listed("anthropic", "claude-sonnet-4-5"),
    usage: { inputTokens: 200_001, cacheReadTokens: 100_000, outputTokens: 10 },
    usd: "0.660231",
  },
  {
    what: "Google, exactly 200,000 at 1.25 and 10 out at 10",
    price: listed("gemini", "gemini-2.5-pro"),
    usage: { inputTokens: 200_000, outputTokens: 10 },
    usd: "0.2501",
  },
  {
    what: "Google, one more: 200,001 at 2.50 and 10 out at 15",
    price: listed("gemini", "gemini-2.5-pro"),
    usage: { inputTokens: 200_001, outputTokens: 10 },
    usd: "0.5001525",
  },
  {
    what: "Google, sound: 100 words at 0.30, 200 sound at 1, of 500 cached 400 words at 0.03 and 100 sound at 0.10",
    price: listed("gemini", "gemini-2.5-flash"),
    // What of the sound must have been cached is all that is known of it: 300 are fresh, and 100 are left.
    usage: { inputTokens: 800, cacheReadTokens: 500, inputAudioTokens: 400, outputTokens: 0 },
    usd: "0.000322",
  },
  {
    what: "Google, a picture of 1290 at 30 beside 10 words at 2.50",
    price: listed("gemini", "gemini-2.5-flash-image"),
    usage: { inputTokens: 100, outputTokens: 1300, outputImageTokens: 1290 },
    usd: "0.038755",
  },
  {
    what: "xAI, from 200,000 on: 2.50 and 5",
    price: listed("xai", "grok-4.3"),
    usage: { inputTokens: 200_000, outputTokens: 100 },
    usd: "0.5005",
  },
  {
    what: "DeepSeek outside its rush hours: 0.22, hits at 0.007, 0.66 out",
    price: listed("deepseek", "deepseek-v4-flash"),
    usage: { inputTokens: 3000, cacheReadTokens: 2000, outputTokens: 1000 },
    usd: "0.000894",
  },
  {
    what: "a broker's model that prices its thoughts apart: 2 in, 100 out at 8, 900 thoughts at 3",
    price: listed("openrouter", "perplexity/sonar-deep-research"),
    usage: { inputTokens: 1000, outputTokens: 1000, reasoningTokens: 900 },
    usd: "0.0055",
  },
  {
    what: "a fee for each call, beside its tokens",
    price: { input: 1_000_000, output: 0, cacheRead: undefined, cacheWrite: undefined, request: 5000 },
    usage: { inputTokens: 1000, outputTokens: 7 },
    usd: "0.006",
  },
];

describe("a vendor's bill", () => {
  for (const { what, price, usage, usd } of bills) {
    const counts = { ...usageOf(usage.inputTokens ?? 0, usage.outputTokens ?? 0), ...usage };
    test(what, () => {
      expect(usdFromPico(costPicoUsd(price, counts))).toBe(usd);
      expect(approximateMicroUsd(price, counts)).toBeCloseTo(Number(usd) * 1e6, 6);
    });
  }
});

/** Prices as vendors make them: cached input is cheaper than fresh, written is dearer, and so are sound and long prompts. */
const price: fc.Arbitrary<Price> = fc
  .record({
    input: fc.integer({ min: 1, max: 100_000_000 }),
    output: fc.integer({ min: 1, max: 1_000_000_000 }),
    share: fc.integer({ min: 0, max: 100 }),
    tier: fc.integer({ min: 1, max: 300_000 }),
  })
  .map(({ input, output, share, tier }) => {
    const rates = {
      input,
      output,
      cacheRead: Math.floor((input * share) / 100),
      cacheWrite: 2 * input,
      cacheWriteHour: 3 * input,
      inputAudio: 4 * input,
      cacheReadAudio: input,
      outputAudio: 2 * output,
    };
    const dearer = Object.fromEntries(Object.entries(rates).map(([name, each]) => [name, 2 * each]));
    return { ...rates, tiers: [{ aboveInputTokens: tier, rates: { ...rates, ...dearer } }] };
  });

const count = fc.integer({ min: 0, max: 400_000 });
/** Counts that are parts of their whole. */
const usage: fc.Arbitrary<PricedCounts> = fc
  .record({ fresh: count, read: count, written: count, output: count, spoken: count, heard: count })
  .map(({ fresh, read, written, output, spoken, heard }) => ({
    inputTokens: fresh + read + written,
    cacheReadTokens: read,
    cacheWriteTokens: written,
    cacheWriteHourTokens: Math.floor(written / 3),
    inputAudioTokens: Math.min(heard, fresh),
    outputTokens: output,
    outputAudioTokens: Math.min(spoken, output),
  }));

describe("a cost, whatever the price", () => {
  test("never falls as more is read or written", () => {
    fc.assert(
      fc.property(price, usage, fc.integer({ min: 1, max: 100_000 }), (each, counts, more) => {
        const cost = costPicoUsd(each, counts);
        expect(costPicoUsd(each, { ...counts, inputTokens: counts.inputTokens + more }) >= cost).toBe(true);
        expect(costPicoUsd(each, { ...counts, outputTokens: counts.outputTokens + more }) >= cost).toBe(true);
      }),
    );
  });

  test("never rises because more of the same prompt was cached", () => {
    fc.assert(
      fc.property(price, usage, count, (each, counts, more) => {
        const words = { ...counts, inputAudioTokens: 0, cacheWriteTokens: 0, cacheWriteHourTokens: 0 };
        const cached = { ...words, cacheReadTokens: (words.cacheReadTokens ?? 0) + more };
        expect(costPicoUsd(each, cached) <= costPicoUsd(each, words)).toBe(true);
      }),
    );
  });

  test("of two calls is the sum of both, where no size of prompt makes a difference", () => {
    fc.assert(
      fc.property(price, usage, usage, ({ tiers: _none, ...each }, one, other) => {
        const sum = (name: keyof PricedCounts): number => (one[name] ?? 0) + (other[name] ?? 0);
        const both: PricedCounts = {
          inputTokens: sum("inputTokens"),
          cacheReadTokens: sum("cacheReadTokens"),
          cacheWriteTokens: sum("cacheWriteTokens"),
          cacheWriteHourTokens: sum("cacheWriteHourTokens"),
          inputAudioTokens: sum("inputAudioTokens"),
          outputTokens: sum("outputTokens"),
          outputAudioTokens: sum("outputAudioTokens"),
        };
        expect(costPicoUsd(each, both)).toBe(costPicoUsd(each, one) + costPicoUsd(each, other));
      }),
    );
  });

  test("is the same to the last digit in doubles and in bigints", () => {
    const exact = (each: Price, { inputTokens, outputTokens }: PricedCounts): bigint =>
      BigInt(inputTokens) * BigInt(each.input) + BigInt(outputTokens) * BigInt(each.output);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e9 }),
        fc.integer({ min: 0, max: 4e9 }),
        fc.integer({ min: 0, max: 2e9 }),
        (input, output, rate) => {
          const flat = { input: rate, output: rate + 1, cacheRead: undefined, cacheWrite: undefined };
          expect(costPicoUsd(flat, usageOf(input, output))).toBe(exact(flat, usageOf(input, output)));
        },
      ),
    );
  });
});
