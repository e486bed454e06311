import { type Usage, usageOf } from "../../core/chat.ts";
import { keys, merged, shape } from "../../core/extensions.ts";
import { isJsonObject, type JsonObject, uint32Max } from "../../core/json-fields.ts";
import { extensionsOf, ownFields } from "./extensions.ts";

const usageShape = shape(keys("input_tokens", "output_tokens", "total_tokens"), {
  input_tokens_details: keys("cached_tokens", "cache_write_tokens"),
  output_tokens_details: keys("reasoning_tokens"),
});

/** An upstream's counts; undefined where it is none. */
export function decodeUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = count(value["input_tokens"]);
  const output = count(value["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const prompt = isJsonObject(value["input_tokens_details"]) ? value["input_tokens_details"] : {};
  const details = isJsonObject(value["output_tokens_details"]) ? value["output_tokens_details"] : {};
  const usage = usageOf(input ?? 0, output ?? 0);
  const cached = count(prompt["cached_tokens"]);
  const written = count(prompt["cache_write_tokens"]);
  const reasoning = count(details["reasoning_tokens"]);
  if (cached !== undefined) usage.cacheReadTokens = Math.min(cached, usage.inputTokens);
  if (written !== undefined) usage.cacheWriteTokens = Math.min(written, usage.inputTokens - (usage.cacheReadTokens ?? 0));
  if (reasoning !== undefined) usage.reasoningTokens = Math.min(reasoning, usage.outputTokens);
  usage.extensionsJson = extensionsOf(value, usageShape);
  return usage;
}

/** Usage in this language's words; the details are always there, since typed clients read them. */
export function encodeUsage(usage: Usage): JsonObject {
  const known = {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens ?? 0, cache_write_tokens: usage.cacheWriteTokens ?? 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
  return merged(ownFields(usage.extensionsJson), known);
}

/** A count as a whole number; undefined for what cannot be one. */
function count(value: unknown): number | undefined {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return undefined;
  return Math.min(Math.floor(value), uint32Max);
}
