import type { Catalog } from "../core/catalog.ts";
import type { ModelPrice } from "../core/chat.ts";
import { hashText } from "../core/text-hash.ts";
import type { Price, Rates } from "../core/price.ts";
import { priceSource } from "../providers/prices.ts";

/** The price as the API shows it. */
export function modelPrice(price: Price): ModelPrice {
  const shown = shownRates(price);
  if (price.request !== undefined) shown.requestMicroUsd = BigInt(price.request);
  if (price.webSearch !== undefined) shown.webSearchMicroUsd = BigInt(price.webSearch);
  for (const { aboveInputTokens, rates } of price.tiers ?? [])
    shown.tiers.push({ $typeName: "semaroute.v1.PriceTier", aboveInputTokens: BigInt(aboveInputTokens), price: shownRates(rates) });
  return shown;
}

/** Whether two targets cost the same, whatever a call is made of. */
export function isSamePrice(one: Price | undefined, other: Price | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && priceText(one) === priceText(other));
}

/** A price as a text that is the same for the same price. */
function priceText(price: Price): string {
  const tiers = (price.tiers ?? []).map(({ aboveInputTokens, rates }) => [aboveInputTokens, ...numbersOf(rates)]);
  return JSON.stringify([numbersOf(price), price.request, price.webSearch, tiers]);
}

/** Which prices a catalogue has, the configuration's among them: the same for the same ones. */
export function priceVersionOf({ targets }: Catalog): string {
  const lines = targets.map(({ id, price }) => `${id} ${price === undefined ? "unpriced" : priceText(price)}`);
  return `${priceSource}+${hashText(lines.toSorted().join("\n"))}`;
}

const fields = {
  input: "inputMicroUsdPerMillion",
  output: "outputMicroUsdPerMillion",
  cacheRead: "cacheReadMicroUsdPerMillion",
  cacheWrite: "cacheWriteMicroUsdPerMillion",
  cacheWriteHour: "cacheWriteHourMicroUsdPerMillion",
  reasoning: "reasoningMicroUsdPerMillion",
  inputAudio: "inputAudioMicroUsdPerMillion",
  cacheReadAudio: "cacheReadAudioMicroUsdPerMillion",
  outputAudio: "outputAudioMicroUsdPerMillion",
  inputImage: "inputImageMicroUsdPerMillion",
  cacheReadImage: "cacheReadImageMicroUsdPerMillion",
  outputImage: "outputImageMicroUsdPerMillion",
} as const satisfies Record<keyof Rates, keyof ModelPrice>;

const rateNames = Object.keys(fields) as (keyof typeof fields)[];

function numbersOf(rates: Rates): (number | undefined)[] {
  return rateNames.map((name) => rates[name]);
}

function shownRates(rates: Rates): ModelPrice {
  const shown: ModelPrice = { $typeName: "semaroute.v1.ModelPrice", tiers: [] };
  for (const name of rateNames) {
    const rate = rates[name];
    if (rate !== undefined) shown[fields[name]] = BigInt(rate);
  }
  return shown;
}
