import type { Call } from "../core/call.ts";
import type { Batch, ChatEvent, Usage } from "../core/chat.ts";
import { estimateInputTokens, estimateTextTokens } from "../core/estimate.ts";
import { type Price, priced, ratesFor } from "../core/price.ts";
import { createUsageTally, type UsageTally } from "../core/usage-tally.ts";

/** How far beyond its money an answer may be by our estimate: one that fits exactly must not be ended for its last token. */
const tolerance = 1 / 64;
/** As our estimates have it. */
const tokensPerCharacter = estimateTextTokens(1000) / 1000;

/** What a stream has cost so far, by the text that came and a target's price. */
export class SpendingMeter {
  readonly #price: Price;
  readonly #tally: UsageTally;
  /** 10^-12 US dollars, as near as a double holds. */
  readonly #inputPico: number;
  readonly #picoPerCharacter: number;
  /** See `AnswerSizes.correction`. */
  readonly #correction: number;
  #characters = 0;

  constructor({ request }: Call, price: Price, correction: number) {
    const inputTokens = estimateInputTokens(request);
    const rates = ratesFor(price, inputTokens);
    this.#price = price;
    this.#tally = createUsageTally(request);
    this.#inputPico = inputTokens * rates.input + (price.request ?? 0) * 1e6;
    // The tally counts the text of all choices.
    this.#picoPerCharacter = rates.output * tokensPerCharacter;
    this.#correction = correction;
  }

  /** Characters of the answer so far. */
  add(batch: Batch): number {
    for (const event of batch) {
      this.#tally.add(event);
      this.#characters += lengthOf(event);
    }
    return this.#characters;
  }

  /** Characters that so much money pays for. */
  charactersFor(picoUsd: bigint): number {
    if (this.#picoPerCharacter === 0) return Number.POSITIVE_INFINITY;
    return Math.floor(((Number(picoUsd) * (1 + tolerance)) / this.#correction - this.#inputPico) / this.#picoPerCharacter);
  }

  /** What an answer of so many characters costs. */
  costOf(characters: number): bigint {
    return BigInt(Math.ceil((this.#inputPico + characters * this.#picoPerCharacter) * this.#correction));
  }

  /** What was used so far, as it is settled where the answer ends here. */
  usage(): Usage {
    return priced(this.#tally.usage(), this.#price);
  }

  /** What the answer cost, over what was reckoned from its text. */
  ratioTo(picoUsd: bigint): number {
    return Number(picoUsd) / (this.#inputPico + this.#characters * this.#picoPerCharacter);
  }
}

function lengthOf(event: ChatEvent): number {
  if (event.case !== "partDelta") return 0;
  const { value } = event.value.delta;
  return typeof value === "string" ? value.length : 0;
}
