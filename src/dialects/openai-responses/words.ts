import { ReasoningSummary } from "../../core/chat.ts";

/** Asks for reasoning's seal, without which nobody can think on in a later turn. */
export const sealWord = "reasoning.encrypted_content";

/** Asks for the probabilities of the text's tokens. */
export const logprobsWord = "message.output_text.logprobs";

/** `reasoning.summary`. */
export const summaryByWord: ReadonlyMap<string, ReasoningSummary> = new Map([
  ["auto", ReasoningSummary.AUTO],
  ["concise", ReasoningSummary.CONCISE],
  ["detailed", ReasoningSummary.DETAILED],
]);

/** The way back. */
export const wordBySummary: ReadonlyMap<ReasoningSummary, string> = new Map([...summaryByWord].map(([word, summary]) => [summary, word]));
