import { calcPrice, type ModelPrice } from "@pydantic/genai-prices";

import { microUsdPerMillion, type Price, type Rates } from "../core/price.ts";

/** The data that prices come from, by package and version; part of what is told as the version of prices. */
export const priceSource = "genai-prices@0.1.8";

/**
 * The name that the price source knows each vendor by. Types without an entry (`openai_compatible`, `ollama`, `vllm`) are hosts
 * whose prices nobody can know: what they serve is unpriced until the configuration prices it.
 */
const vendorIds: ReadonlyMap<string, string> = new Map([
  ["openai", "openai"],
  ["azure_openai", "azure"],
  ["anthropic", "anthropic"],
  ["gemini", "google"],
  ["cohere", "cohere"],
  ["mistral", "mistral"],
  ["groq", "groq"],
  ["deepseek", "deepseek"],
  ["together", "together"],
  ["openrouter", "openrouter"],
  ["xai", "x-ai"],
  ["bedrock", "aws"],
]);

/** What the price source says of a model. */
export interface ListedModel {
  /** Undefined: unpriced, which is not free. */
  readonly price: Price | undefined;
  /** Tokens of input and output together; undefined: not known. */
  readonly contextTokens: number | undefined;
}

/** What simulated models pretend to cost, so that policies, costs and budgets can be tried with them. */
const simulated: ListedModel = {
  price: { input: 150_000, output: 600_000, cacheRead: undefined, cacheWrite: undefined },
  contextTokens: undefined,
};
const unlisted: ListedModel = { price: undefined, contextTokens: undefined };

/**
 * Looks a model up in the data bundled with @pydantic/genai-prices; no network. For configuration load, not for the call path.
 * Dated snapshots are found by their family. `at` chooses among prices that change with time; default: now.
 */
export function listedModel(type: string, model: string, at?: Date): ListedModel {
  if (type === "simulated") return simulated;
  const providerId = vendorIds.get(type);
  if (providerId === undefined) return unlisted;
  // ARNs of Bedrock end in the model's id.
  const name = type === "bedrock" ? model.slice(model.lastIndexOf("/") + 1) : model;
  const found = calcPrice({}, name, at === undefined ? { providerId } : { providerId, timestamp: at });
  if (found === null) return unlisted;
  return { price: priceFrom(found.model_price), contextTokens: found.model.context_window };
}

/** The price alone. A model priced at 0 by the source is unpriced: free tiers are not what a bill is made of. */
export function priceOf(type: string, model: string, at?: Date): Price | undefined {
  return listedModel(type, model, at).price;
}

function priceFrom(listed: ModelPrice): Price | undefined {
  const rates = ratesAt(listed, 0);
  if (rates === undefined) return undefined;
  const tiers = [];
  for (const aboveInputTokens of sizesOf(listed)) {
    const longer = ratesAt(listed, aboveInputTokens + 1);
    if (longer !== undefined) tiers.push({ aboveInputTokens, rates: longer });
  }
  const webSearch = listed["web_searches_kcount"];
  return {
    ...rates,
    ...(tiers.length > 0 && { tiers }),
    // Per thousand of them.
    ...(typeof webSearch === "number" && webSearch > 0 && { webSearch: microUsdPerMillion(webSearch / 1000) }),
  };
}

/** The prompt sizes above which something costs another price. */
function sizesOf(listed: ModelPrice): number[] {
  const sizes = new Set<number>();
  for (const value of Object.values(listed)) if (typeof value === "object") for (const { start } of value.tiers) sizes.add(start);
  return [...sizes].toSorted((a, b) => a - b);
}

/** Undefined: unpriced. */
function ratesAt(listed: ModelPrice, inputTokens: number): Rates | undefined {
  const rate = (name: string): number | undefined => microUsd(listed[`${name}_mtok`], inputTokens);
  const input = rate("input");
  const output = rate("output");
  // Embedding models have no output price at all; that is not the same as one of 0.
  if (input === undefined || (output === undefined && listed["output_mtok"] !== undefined)) return undefined;
  return {
    input,
    output: output ?? 0,
    cacheRead: rate("cache_read"),
    cacheWrite: rate("cache_write"),
    cacheWriteHour: rate("cache_write_1h"),
    reasoning: rate("output_reasoning"),
    inputAudio: rate("input_audio"),
    cacheReadAudio: rate("cache_audio_read"),
    outputAudio: rate("output_audio"),
    inputImage: rate("input_image"),
    cacheReadImage: rate("cache_image_read"),
    outputImage: rate("output_image"),
  };
}

/** A price of 0 is none. */
function microUsd(value: ModelPrice[string], inputTokens: number): number | undefined {
  if (value === undefined) return undefined;
  const usd =
    typeof value === "number" ? value : value.tiers.reduce((at, tier) => (inputTokens > tier.start ? tier.price : at), value.base);
  return microUsdPerMillion(usd) || undefined;
}
