import type { Usage } from "../../core/chat.ts";
import { usageOf } from "../../core/chat.ts";
import { keys, shape } from "../../core/extensions.ts";
import { extensionsOf, withExtensions } from "./extensions.ts";
import { isJsonObject, type JsonObject, uint32Max } from "../../core/json-fields.ts";

const usageShape = shape(keys("prompt_tokens", "completion_tokens", "total_tokens"), {
  prompt_tokens_details: keys("cached_tokens", "cache_write_tokens", "audio_tokens"),
  completion_tokens_details: keys("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"),
});

/**
 * An upstream's counts; undefined where it is none. Hosts send strings, negatives, NaN and wrong totals. `reasoningOutside`:
 * the host leaves reasoning out of `completion_tokens` (xAI).
 */
export function decodeUsage(value: unknown, reasoningOutside: boolean): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = count(value["prompt_tokens"]);
  const completion = count(value["completion_tokens"]);
  if (input === undefined && completion === undefined) return undefined;
  const prompt = isJsonObject(value["prompt_tokens_details"]) ? value["prompt_tokens_details"] : {};
  const details = isJsonObject(value["completion_tokens_details"]) ? value["completion_tokens_details"] : {};
  const reasoning = count(details["reasoning_tokens"]);
  const usage = usageOf(
    input ?? 0,
    outputTokens(completion ?? 0, reasoning ?? 0, {
      outside: reasoningOutside && count(value["total_tokens"]) !== (input ?? 0) + (completion ?? 0),
    }),
  );
  // DeepSeek tells of its cache beside the details.
  usage.cacheReadTokens = atMost(count(prompt["cached_tokens"]) ?? count(value["prompt_cache_hit_tokens"]), usage.inputTokens);
  usage.cacheWriteTokens = atMost(count(prompt["cache_write_tokens"]), usage.inputTokens - (usage.cacheReadTokens ?? 0));
  usage.reasoningTokens = reasoning;
  usage.inputAudioTokens = atMost(count(prompt["audio_tokens"]), usage.inputTokens);
  usage.outputAudioTokens = atMost(count(details["audio_tokens"]), usage.outputTokens);
  usage.acceptedPredictionTokens = count(details["accepted_prediction_tokens"]);
  usage.rejectedPredictionTokens = count(details["rejected_prediction_tokens"]);
  usage.extensionsJson = extensionsOf(value, usageShape);
  return usage;
}

/** Usage in OpenAI's words; the details are always there, since typed clients read them. */
export function encodeUsage(usage: Usage): JsonObject {
  const known = {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadTokens ?? 0,
      ...(usage.cacheWriteTokens !== undefined && { cache_write_tokens: usage.cacheWriteTokens }),
      audio_tokens: usage.inputAudioTokens ?? 0,
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens ?? 0,
      audio_tokens: usage.outputAudioTokens ?? 0,
      accepted_prediction_tokens: usage.acceptedPredictionTokens ?? 0,
      rejected_prediction_tokens: usage.rejectedPredictionTokens ?? 0,
    },
  };
  return withExtensions(usage.extensionsJson, known);
}

/** A count as a whole number; undefined for what cannot be one. */
function count(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || number < 0) return undefined;
  return Math.min(Math.floor(number), uint32Max);
}

function atMost(value: number | undefined, most: number): number | undefined {
  return value === undefined ? undefined : Math.min(value, most);
}

/** More reasoning than output proves that the host counts it apart, whatever its quirks say. */
function outputTokens(completion: number, reasoning: number, options: { readonly outside: boolean }): number {
  return options.outside || reasoning > completion ? Math.min(completion + reasoning, uint32Max) : completion;
}
