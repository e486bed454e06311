import { type Usage, usageOf } from "../../core/chat.ts";
import { extensionFields, type Fields, mergedFields } from "./fields.ts";

/** Token counts in Anthropic's words: cached input is counted apart from the rest. All counts are there, since clients add them up. */
export function usageFields(told: Usage | undefined): Fields {
  const usage = told ?? usageOf(0, 0);
  const written = usage.cacheWriteTokens ?? 0;
  const read = usage.cacheReadTokens ?? 0;
  const own: Fields = {
    input_tokens: Math.max(0, usage.inputTokens - written - read),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: usage.outputTokens,
  };
  if (usage.reasoningTokens !== undefined) own["output_tokens_details"] = { thinking_tokens: usage.reasoningTokens };
  return mergedFields(extensionFields(usage.extensionsJson, ""), own);
}

/** What clients look for in the usage of a message, where nobody told it. */
const untold = { cache_creation: null, output_tokens_details: null, server_tool_use: null } as const;

/** The usage of a whole message, or of one that begins. */
export function messageUsage(told: Usage | undefined, serviceTier: string): Fields {
  return { ...untold, ...usageFields(told), service_tier: tierWord(serviceTier) };
}

/** The word for the tier that served the call; null where nobody said. */
export function tierWord(serviceTier: string): string | null {
  // OpenAI's word for the same.
  if (serviceTier === "default") return "standard";
  return serviceTier === "" ? null : serviceTier;
}
