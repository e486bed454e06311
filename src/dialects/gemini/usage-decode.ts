import { type Usage, usageOf } from "../../core/chat.ts";
import { type Fields, isJsonObject } from "../../core/json-fields.ts";
import { extensionsOf } from "./fields.ts";

const known: ReadonlySet<string> = new Set([
  "promptTokenCount",
  "cachedContentTokenCount",
  "candidatesTokenCount",
  "thoughtsTokenCount",
  "toolUsePromptTokenCount",
  "totalTokenCount",
  "serviceTier",
]);

/**
 * Google counts what tools brought in apart from the prompt, and thoughts apart from the answer; here both are inside. Counts of
 * 0 are absent. Undefined where nothing was told.
 */
export function usageFrom(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const [prompt, answer] = [count(value["promptTokenCount"]), count(value["candidatesTokenCount"])];
  const thoughts = count(value["thoughtsTokenCount"]);
  if (prompt === undefined && answer === undefined && thoughts === undefined) return undefined;
  const input = (prompt ?? 0) + (count(value["toolUsePromptTokenCount"]) ?? 0);
  const usage = usageOf(Math.min(input, uint32Max), Math.min((answer ?? 0) + (thoughts ?? 0), uint32Max));
  const cached = count(value["cachedContentTokenCount"]);
  if (cached !== undefined) usage.cacheReadTokens = Math.min(cached, usage.inputTokens);
  if (thoughts !== undefined) usage.reasoningTokens = thoughts;
  const heard = tokensOf(value["promptTokensDetails"], "AUDIO");
  if (heard !== undefined) usage.inputAudioTokens = Math.min(heard, usage.inputTokens);
  const seen = tokensOf(value["promptTokensDetails"], "IMAGE");
  if (seen !== undefined) usage.inputImageTokens = Math.min(seen, usage.inputTokens);
  const spoken = tokensOf(value["candidatesTokensDetails"], "AUDIO");
  if (spoken !== undefined) usage.outputAudioTokens = Math.min(spoken, usage.outputTokens);
  const drawn = tokensOf(value["candidatesTokensDetails"], "IMAGE");
  if (drawn !== undefined) usage.outputImageTokens = Math.min(drawn, usage.outputTokens);
  usage.extensionsJson = extensionsOf(value, known);
  return usage;
}

/** Whether the model wrote nothing: thoughts that led to no answer do not count. */
export function isEmptyHanded(usage: Fields | undefined): boolean {
  return (count(usage?.["candidatesTokenCount"]) ?? 0) === 0;
}

/** Tokens of one modality among those of each. */
function tokensOf(details: unknown, modality: "AUDIO" | "IMAGE"): number | undefined {
  if (!Array.isArray(details)) return undefined;
  const found: unknown = details.find((each: unknown) => isJsonObject(each) && each["modality"] === modality);
  return isJsonObject(found) ? count(found["tokenCount"]) : undefined;
}

/** Largest count the vocabulary holds. */
const uint32Max = 0xffff_ffff;

function count(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(Math.trunc(value), uint32Max) : undefined;
}
