import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { listedModel, priceOf, priceSource } from "../../src/providers/prices.ts";

const at = new Date("2026-11-23T12:00:00Z");

const haiku = { input: 1e6, output: 5e6, cacheRead: 100_000, cacheWrite: 1_250_000, cacheWriteHour: 2e6 };

for (const { type, model, price } of [
  { type: "openai", model: "gpt-4o-mini", price: { input: 150_000, output: 600_000, cacheRead: 75_000, webSearch: 10_000 } },
  { type: "openai", model: "gpt-4o-mini-2024-07-18", price: { input: 150_000, output: 600_000, cacheRead: 75_000, webSearch: 10_000 } },
  { type: "openai", model: "text-embedding-3-small", price: { input: 20_000, output: 0, cacheRead: undefined, cacheWrite: undefined } },
  { type: "anthropic", model: "claude-haiku-4-5", price: { ...haiku, webSearch: 10_000 } },
  {
    type: "anthropic",
    model: "claude-sonnet-4-5",
    price: {
      input: 3e6,
      output: 15e6,
      cacheRead: 300_000,
      cacheWrite: 3_750_000,
      cacheWriteHour: 6e6,
      webSearch: 10_000,
      tiers: [
        {
          aboveInputTokens: 200_000,
          rates: { input: 6e6, output: 22_500_000, cacheRead: 600_000, cacheWrite: 7_500_000, cacheWriteHour: 12e6 },
        },
      ],
    },
  },
  {
    type: "gemini",
    model: "gemini-2.5-flash",
    price: { input: 300_000, output: 2_500_000, cacheRead: 30_000, inputAudio: 1e6, cacheReadAudio: 100_000 },
  },
  { type: "openrouter", model: "perplexity/sonar-deep-research", price: { input: 2e6, output: 8e6, reasoning: 3e6 } },
  { type: "gemini", model: "gemini-2.5-flash-image", price: { input: 300_000, output: 2_500_000, outputImage: 30e6 } },
]) {
  test(`${model} of ${type} has the price of the source`, () => expect(priceOf(type, model, at)).toEqual(price));
}

for (const { why, type, model } of [
  { why: "a model nobody knows", type: "openai", model: "gpt-99" },
  { why: "a model that is free in the source", type: "openrouter", model: "meta-llama/llama-3.3-70b-instruct:free" },
  { why: "a model of another vendor", type: "groq", model: "gpt-4o-mini" },
  { why: "a well-known name at a host anyone can run", type: "openai_compatible", model: "gpt-4o-mini" },
  { why: "a name at a local server", type: "ollama", model: "llama3.2" },
  { why: "a type that is no vendor", type: "constructor", model: "gpt-4o-mini" },
]) {
  test(`${why} is unpriced`, () => expect(priceOf(type, model, at)).toBeUndefined());
}

test("the context window comes from the source", () => {
  expect(listedModel("openai", "gpt-4o", at).contextTokens).toBe(128_000);
  expect(listedModel("openai", "gpt-99", at).contextTokens).toBeUndefined();
});

for (const { when, at: moment, input } of [
  { when: "at night", at: "2026-11-23T00:30:00Z", input: 220_000 },
  { when: "at the first rush of the day", at: "2026-11-23T01:00:00Z", input: 440_000 },
  { when: "after it", at: "2026-11-23T04:00:00Z", input: 220_000 },
]) {
  test(`a price that changes with the hour is ${input} ${when}`, () => {
    expect(priceOf("deepseek", "deepseek-v4-flash", new Date(moment))?.input).toBe(input);
  });
}

for (const { moment, input } of [
  { moment: "2026-12-31T23:59:59Z", input: 750_000 },
  { moment: "2027-01-01T00:00:00Z", input: 1_500_000 },
]) {
  test(`a price that changes with the year is ${input} at ${moment}`, () => {
    expect(priceOf("gemini", "gemini-3.6-flash", new Date(moment))?.input).toBe(input);
  });
}

test("the version of prices is that of the package that is installed", () => {
  const path = new URL("../../node_modules/@pydantic/genai-prices/package.json", import.meta.url);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ version: priceSource.replace("genai-prices@", "") });
});
