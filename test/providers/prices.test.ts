import { expect, test } from "vitest";

import { listedModel, priceOf } from "../../src/providers/prices.ts";

const at = new Date("2026-11-23T12:00:00Z");

for (const { type, model, price } of [
  { type: "openai", model: "gpt-4o-mini", price: { input: 150_000, output: 600_000, cacheRead: 75_000, cacheWrite: undefined } },
  { type: "openai", model: "gpt-4o-mini-2024-07-18", price: { input: 150_000, output: 600_000, cacheRead: 75_000, cacheWrite: undefined } },
  { type: "openai", model: "text-embedding-3-small", price: { input: 20_000, output: 0, cacheRead: undefined, cacheWrite: undefined } },
  { type: "anthropic", model: "claude-haiku-4-5", price: { input: 1e6, output: 5e6, cacheRead: 100_000, cacheWrite: 1_250_000 } },
  // Beyond 200,000 tokens it costs twice as much: the price of ordinary prompts is the one we know.
  { type: "anthropic", model: "claude-sonnet-4-5", price: { input: 3e6, output: 15e6, cacheRead: 300_000, cacheWrite: 3_750_000 } },
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
