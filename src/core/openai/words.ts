import { ImageDetail, ReasoningEffort } from "../chat.ts";

/** Each word of the wire and what it means here. */
export const effortByWord: ReadonlyMap<string, ReasoningEffort> = new Map([
  ["none", ReasoningEffort.NONE],
  ["minimal", ReasoningEffort.MINIMAL],
  ["low", ReasoningEffort.LOW],
  ["medium", ReasoningEffort.MEDIUM],
  ["high", ReasoningEffort.HIGH],
  ["xhigh", ReasoningEffort.XHIGH],
  ["max", ReasoningEffort.MAX],
]);

/** The way back. */
export const wordByEffort = reversed(effortByWord);

/** The word for a budget of tokens, which OpenAI's languages do not take. */
export function effortFromBudget(tokens: number): string {
  if (tokens === 0) return "none";
  if (tokens < 5000) return "low";
  return tokens < 10_000 ? "medium" : "high";
}

/** The tier that served a call, in OpenAI's words; `standard` is what Anthropic and Google call its `default`. */
export function servedTier(serviceTier: string): string {
  return serviceTier === "standard" ? "default" : serviceTier;
}

/** Image resolutions by word. */
export const detailByWord: ReadonlyMap<string, ImageDetail> = new Map([
  ["auto", ImageDetail.AUTO],
  ["low", ImageDetail.LOW],
  ["high", ImageDetail.HIGH],
  ["original", ImageDetail.ORIGINAL],
]);

/** The way back. */
export const wordByDetail = reversed(detailByWord);

function reversed<K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<V, K> {
  return new Map([...map].map(([key, value]) => [value, key]));
}
