import { calcPrice, type ModelPrice } from "@pydantic/genai-prices";

import { microUsdPerMillion, type Price } from "../core/price.ts";

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
  const input = baseMicroUsd(listed["input_mtok"]);
  const output = baseMicroUsd(listed["output_mtok"]);
  // Embedding models have no output price at all; that is not the same as one of 0.
  if (input === undefined || input === 0 || output === 0) return undefined;
  return {
    input,
    output: output ?? 0,
    cacheRead: baseMicroUsd(listed["cache_read_mtok"]),
    cacheWrite: baseMicroUsd(listed["cache_write_mtok"]),
  };
}

/** Some models cost more beyond a size of prompt (200,000 tokens or more): we know the price of ordinary ones. */
function baseMicroUsd(value: ModelPrice[string]): number | undefined {
  if (value === undefined) return undefined;
  return microUsdPerMillion(typeof value === "number" ? value : value.base);
}
