import type { Usage } from "./chat.ts";

/** Prices in millionths of a US dollar per million tokens: whole numbers, below 2^53. A part without its own costs what the whole does. */
export interface Rates {
  readonly input: number;
  readonly output: number;
  /** Input read from the vendor's prompt cache; undefined: as `input`. */
  readonly cacheRead: number | undefined;
  /** Input written to it; undefined: as `input`. */
  readonly cacheWrite: number | undefined;
  /** Input written to it for an hour; undefined: as `cacheWrite`. */
  readonly cacheWriteHour?: number | undefined;
  /** Output that only the model reads; undefined: as `output`. */
  readonly reasoning?: number | undefined;
  /** Sound in the input; undefined: as `input`. */
  readonly inputAudio?: number | undefined;
  /** Sound read from the prompt cache; undefined: as `inputAudio`. */
  readonly cacheReadAudio?: number | undefined;
  /** Sound in the output; undefined: as `output`. */
  readonly outputAudio?: number | undefined;
  /** Pictures in the input; undefined: as `input`. */
  readonly inputImage?: number | undefined;
  /** Pictures read from the prompt cache; undefined: as `inputImage`. */
  readonly cacheReadImage?: number | undefined;
  /** Pictures in the output; undefined: as `output`. */
  readonly outputImage?: number | undefined;
}

/** What long prompts cost: all of a call, and not only what is above. */
export interface PriceTier {
  /** It holds for more input tokens than that, cached ones included. */
  readonly aboveInputTokens: number;
  readonly rates: Rates;
}

/** What a model costs. */
export interface Price extends Rates {
  /** By rising size; absent: none. */
  readonly tiers?: readonly PriceTier[] | undefined;
  /** For each call, in millionths of a US dollar; undefined: nothing. */
  readonly request?: number | undefined;
  /** For each search of the web, in millionths of a US dollar; undefined: not known. */
  readonly webSearch?: number | undefined;
}

/** The counts that a cost depends on. */
export type PricedCounts = Pick<
  Usage,
  | "inputTokens"
  | "outputTokens"
  | "cacheReadTokens"
  | "cacheWriteTokens"
  | "cacheWriteHourTokens"
  | "reasoningTokens"
  | "inputAudioTokens"
  | "outputAudioTokens"
  | "inputImageTokens"
  | "outputImageTokens"
  | "webSearches"
>;

/** A million, as both of its meanings: our unit per micro-dollar, and tokens per unit of a rate. */
const picoPerMicro = 1_000_000;

/**
 * Exact cost in 10^-12 US dollars: tokens times micro-dollars per million tokens. The one price function, used by
 * routing, responses and reports.
 */
export function costPicoUsd(price: Price, usage: PricedCounts): bigint {
  return billOf(price, usage).picoUsd();
}

/** The same in millionths of a US dollar, as scores and ceilings want it: rounded to what a double holds. */
export function approximateMicroUsd(price: Price, usage: PricedCounts): number {
  return billOf(price, usage).microUsd();
}

/** Half up; the only rounding of money there is. */
export function roundedMicroUsd(picoUsd: bigint): bigint {
  return (picoUsd + 500_000n) / 1_000_000n;
}

/**
 * Most that so many tokens may cost, in 10^-12 US dollars: whatever of them is written to a cache, thought or spoken. Searches
 * are not in it, for nobody knows how many there will be.
 */
export function mostPicoUsd(price: Price, { inputTokens, outputTokens }: Pick<Usage, "inputTokens" | "outputTokens">): bigint {
  const rates = ratesFor(price, inputTokens);
  const bill = new Bill();
  bill.add(inputTokens, dearest(rates.input, rates.cacheWrite, rates.cacheWriteHour, rates.inputAudio, rates.inputImage));
  bill.add(outputTokens, dearest(rates.output, rates.reasoning, rates.outputAudio, rates.outputImage));
  if (price.request !== undefined) bill.add(price.request, picoPerMicro);
  return bill.picoUsd();
}

function dearest(rate: number, ...others: readonly (number | undefined)[]): number {
  return others.reduce<number>((most, other) => Math.max(most, other ?? 0), rate);
}

/** The rates for a prompt of this size. */
export function ratesFor(price: Price, inputTokens: number): Rates {
  const { tiers } = price;
  if (tiers === undefined) return price;
  let rates: Rates = price;
  for (const tier of tiers) if (inputTokens > tier.aboveInputTokens) ({ rates } = tier);
  return rates;
}

/** A sum of counts times rates. In doubles as long as they are exact, which is three times as fast, and in a bigint beyond. */
class Bill {
  #sum = 0;
  #beyond: bigint | undefined;

  add(count: number, each: number): void {
    const sum = this.#sum + count * each;
    if (sum <= Number.MAX_SAFE_INTEGER) {
      this.#sum = sum;
      return;
    }
    this.#beyond = (this.#beyond ?? 0n) + BigInt(this.#sum) + BigInt(count) * BigInt(each);
    this.#sum = 0;
  }

  picoUsd(): bigint {
    return this.#beyond === undefined ? BigInt(this.#sum) : this.#beyond + BigInt(this.#sum);
  }

  microUsd(): number {
    return (this.#beyond === undefined ? this.#sum : Number(this.picoUsd())) / picoPerMicro;
  }
}

/** Every token stands in exactly one line. */
function billOf(price: Price, usage: PricedCounts): Bill {
  const rates = ratesFor(price, usage.inputTokens);
  const bill = new Bill();
  addInput(bill, rates, usage);
  addOutput(bill, rates, usage);
  if (price.request !== undefined) bill.add(price.request, picoPerMicro);
  if (price.webSearch !== undefined && usage.webSearches !== undefined) bill.add(usage.webSearches, price.webSearch * picoPerMicro);
  return bill;
}

function addInput(bill: Bill, rates: Rates, usage: PricedCounts): void {
  const { inputTokens } = usage;
  const read = Math.min(usage.cacheReadTokens ?? 0, inputTokens);
  const written = Math.min(usage.cacheWriteTokens ?? 0, inputTokens - read);
  const hour = Math.min(usage.cacheWriteHourTokens ?? 0, written);
  const writeRate = rates.cacheWrite ?? rates.input;
  bill.add(written - hour, writeRate);
  bill.add(hour, rates.cacheWriteHour ?? writeRate);
  const fresh = inputTokens - read - written;
  const readRate = rates.cacheRead ?? rates.input;
  if (usage.inputAudioTokens === undefined && usage.inputImageTokens === undefined) {
    bill.add(fresh, rates.input);
    bill.add(read, readRate);
    return;
  }
  // Nobody tells which of a prompt's sound and pictures were in the cache: as few as can have been.
  const audio = Math.min(usage.inputAudioTokens ?? 0, fresh + read);
  const freshAudio = Math.min(audio, fresh);
  const image = Math.min(usage.inputImageTokens ?? 0, fresh + read - audio);
  const freshImage = Math.min(image, fresh - freshAudio);
  bill.add(fresh - freshAudio - freshImage, rates.input);
  bill.add(freshAudio, rates.inputAudio ?? rates.input);
  bill.add(freshImage, rates.inputImage ?? rates.input);
  bill.add(read - (audio - freshAudio) - (image - freshImage), readRate);
  bill.add(audio - freshAudio, rates.cacheReadAudio ?? rates.inputAudio ?? readRate);
  bill.add(image - freshImage, rates.cacheReadImage ?? rates.inputImage ?? readRate);
}

function addOutput(bill: Bill, rates: Rates, usage: PricedCounts): void {
  const { outputTokens } = usage;
  const spoken = Math.min(usage.outputAudioTokens ?? 0, outputTokens);
  const drawn = Math.min(usage.outputImageTokens ?? 0, outputTokens - spoken);
  const thought = Math.min(usage.reasoningTokens ?? 0, outputTokens - spoken - drawn);
  bill.add(outputTokens - spoken - drawn - thought, rates.output);
  bill.add(spoken, rates.outputAudio ?? rates.output);
  bill.add(drawn, rates.outputImage ?? rates.output);
  bill.add(thought, rates.reasoning ?? rates.output);
}

/** US dollars per million tokens, as people write prices, to our unit; and US dollars to millionths. */
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
