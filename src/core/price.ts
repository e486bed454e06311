import type { ModelPrice, Usage } from "./chat.ts";

/** Prices in millionths of a US dollar per million tokens: whole numbers, below 2^53. */
export interface Price {
  readonly input: number;
  readonly output: number;
  /** Input read from the vendor's prompt cache; undefined: as `input`. */
  readonly cacheRead: number | undefined;
  /** Input written to it; undefined: as `input`. */
  readonly cacheWrite: number | undefined;
}

/**
 * Exact cost in 10^-12 US dollars: tokens times micro-dollars per million tokens. The one price function, used by
 * routing, responses and reports.
 */
export function costPicoUsd(
  price: Price,
  usage: Pick<Usage, "inputTokens" | "outputTokens" | "cacheReadTokens" | "cacheWriteTokens">,
): bigint {
  const read = Math.min(usage.cacheReadTokens ?? 0, usage.inputTokens);
  const written = Math.min(usage.cacheWriteTokens ?? 0, usage.inputTokens - read);
  const fresh = usage.inputTokens - read - written;
  const parts = [
    [fresh, price.input],
    [read, price.cacheRead ?? price.input],
    [written, price.cacheWrite ?? price.input],
    [usage.outputTokens, price.output],
  ] as const;
  let sum = 0;
  for (const [tokens, each] of parts) sum += tokens * each;
  if (sum <= Number.MAX_SAFE_INTEGER) return BigInt(sum);
  return parts.reduce((total, [tokens, each]) => total + BigInt(tokens) * BigInt(each), 0n);
}

/** US dollars per million tokens, as people write prices, to our unit. */
export function microUsdPerMillion(usdPerMillion: number): number {
  return Math.round(usdPerMillion * 1e6);
}

const exactBelow = 1_000_000_000_000_000n;

function withoutZeros(decimal: string): string {
  let end = decimal.length;
  while (decimal.charCodeAt(end - 1) === 0x30) end--;
  if (decimal.charCodeAt(end - 1) === 0x2e) end--;
  return decimal.slice(0, end);
}

/** 10^-12 US dollars as a decimal number of dollars without rounding, such as `0.000435`. */
export function usdFromPico(pico: bigint): string {
  // Below a thousand dollars a double holds twelve decimals exactly, and is three times as fast.
  if (pico < exactBelow) return withoutZeros((Number(pico) / 1e12).toFixed(12));
  const digits = pico.toString().padStart(13, "0");
  const fraction = digits.slice(-12).replace(/0+$/, "");
  const whole = digits.slice(0, -12);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** The price as the API shows it. */
export function modelPrice(price: Price): ModelPrice {
  const shown: ModelPrice = {
    $typeName: "semaroute.v1.ModelPrice",
    inputMicroUsdPerMillion: BigInt(price.input),
    outputMicroUsdPerMillion: BigInt(price.output),
  };
  if (price.cacheRead !== undefined) shown.cacheReadMicroUsdPerMillion = BigInt(price.cacheRead);
  if (price.cacheWrite !== undefined) shown.cacheWriteMicroUsdPerMillion = BigInt(price.cacheWrite);
  return shown;
}

/** The usage with its cost; as it came where the target is unpriced, or the tokens told are no count of anything. */
export function priced(usage: Usage, price: Price | undefined): Usage {
  if (price === undefined) return usage;
  try {
    return { ...usage, costPicoUsd: costPicoUsd(price, usage) };
  } catch {
    // An answer is not lost, nor a slot held for ever, because of what cannot be reckoned: it is unpriced, which is counted.
    return usage;
  }
}
