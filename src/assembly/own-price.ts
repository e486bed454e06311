import type { ModelKind } from "../core/catalog.ts";
import { microUsdPerMillion, type Price, type PriceTier, type Rates } from "../core/price.ts";
import type { ModelSettings } from "../config/schema.ts";

/**
 * The configuration's prices win, each by itself; 0 there means free. Half a price is none. What the price source says of parts
 * of the input belongs to its own input price, and means nothing beside another; likewise of the output.
 */
export function ownPrice(model: ModelSettings, kind: ModelKind, listed: Price | undefined): Price | undefined {
  const own = ownRates(model);
  const rates = merged(own, listed, kind);
  if (rates === undefined) return undefined;
  const tiers = (listed?.tiers ?? []).flatMap(({ aboveInputTokens, rates: longer }): PriceTier[] => {
    const both = merged(own, longer, kind);
    return both === undefined ? [] : [{ aboveInputTokens, rates: both }];
  });
  const isOwn = own.input !== undefined && own.output !== undefined;
  return {
    ...rates,
    ...(tiers.length > 0 && !isOwn && { tiers }),
    ...(model.request_price !== undefined && { request: microUsdPerMillion(model.request_price) }),
    ...(listed?.webSearch !== undefined && { webSearch: listed.webSearch }),
  };
}

type OwnRates = { readonly [K in "input" | "output" | "cacheRead" | "cacheWrite"]: number | undefined };

function ownRates({ input_price, output_price, cached_input_price, cache_write_price }: ModelSettings): OwnRates {
  return {
    input: ownUnits(input_price),
    output: ownUnits(output_price),
    cacheRead: ownUnits(cached_input_price),
    cacheWrite: ownUnits(cache_write_price),
  };
}

/** Undefined: half a price, or none. */
function merged(own: OwnRates, listed: Rates | undefined, kind: ModelKind): Rates | undefined {
  const input = own.input ?? listed?.input;
  // Nobody pays for what embeddings put out.
  const output = own.output ?? listed?.output ?? (kind === "embedding" ? 0 : undefined);
  if (input === undefined || output === undefined) return undefined;
  const parts = own.input === undefined ? listed : undefined;
  const written = own.output === undefined ? listed : undefined;
  return {
    input,
    output,
    cacheRead: own.cacheRead ?? parts?.cacheRead,
    cacheWrite: own.cacheWrite ?? parts?.cacheWrite,
    cacheWriteHour: own.cacheWrite === undefined ? parts?.cacheWriteHour : undefined,
    inputAudio: parts?.inputAudio,
    cacheReadAudio: parts?.cacheReadAudio,
    inputImage: parts?.inputImage,
    cacheReadImage: parts?.cacheReadImage,
    reasoning: written?.reasoning,
    outputAudio: written?.outputAudio,
    outputImage: written?.outputImage,
  };
}

function ownUnits(usd: number | undefined): number | undefined {
  return usd === undefined ? undefined : microUsdPerMillion(usd);
}
