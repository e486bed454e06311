import { type PromptCache, usualPromptCache } from "../core/affinity.ts";

const minuteMs = 60_000;

/**
 * How vendors keep prompts, where it is not as usual; from their pages on prompt caching, as of November 2026. Where none is told
 * (Google, Mistral, xAI), the usual five minutes are less than is seen.
 */
const known: ReadonlyMap<string, PromptCache> = new Map([
  ["anthropic", { keeps: "marked", ttlMs: 5 * minuteMs }],
  ["bedrock", { keeps: "marked", ttlMs: 5 * minuteMs }],
  ["groq", { keeps: "all", ttlMs: 120 * minuteMs }],
  // On disk, for hours at least.
  ["deepseek", { keeps: "all", ttlMs: 60 * minuteMs }],
]);

/** Of a model at a provider type. */
export function promptCacheOf(type: string, model: string): PromptCache {
  // A broker passes the marks on to the vendor that wants them.
  if (type === "openrouter" && model.startsWith("anthropic/")) return known.get("anthropic") ?? usualPromptCache;
  return known.get(type) ?? usualPromptCache;
}
