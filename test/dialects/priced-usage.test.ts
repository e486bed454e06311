/** The counts that have prices of their own, in each vendor's words. */
import { expect, test } from "vitest";

import { usageFrom as anthropicUsage } from "../../src/dialects/anthropic-messages/usage-decode.ts";
import { usageFrom as bedrockUsage } from "../../src/dialects/bedrock-converse/usage-decode.ts";
import { usageFrom as geminiUsage } from "../../src/dialects/gemini/usage-decode.ts";

for (const { what, usage, told } of [
  {
    what: "Anthropic's, by how long they are kept, and its searches",
    usage: anthropicUsage({
      input_tokens: 5,
      cache_creation_input_tokens: 100,
      cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 60 },
      output_tokens: 1,
      server_tool_use: { web_search_requests: 2 },
    }),
    told: { inputTokens: 105, cacheWriteTokens: 100, cacheWriteHourTokens: 60, webSearches: 2 },
  },
  {
    what: "Anthropic's that add up to more than was written",
    usage: anthropicUsage({
      input_tokens: 5,
      cache_creation_input_tokens: 10,
      cache_creation: { ephemeral_1h_input_tokens: 60 },
      output_tokens: 1,
    }),
    told: { cacheWriteTokens: 10, cacheWriteHourTokens: 10 },
  },
  {
    what: "Converse's, by how long they are kept",
    usage: bedrockUsage({
      inputTokens: 5,
      outputTokens: 1,
      cacheWriteInputTokens: 100,
      cacheDetails: [
        { ttl: "5m", inputTokens: 40 },
        { ttl: "1h", inputTokens: 60 },
      ],
    }),
    told: { inputTokens: 105, cacheWriteTokens: 100, cacheWriteHourTokens: 60 },
  },
  {
    what: "Google's sound and pictures, both ways",
    usage: geminiUsage({
      promptTokenCount: 100,
      promptTokensDetails: [
        { modality: "TEXT", tokenCount: 10 },
        { modality: "IMAGE", tokenCount: 60 },
        { modality: "AUDIO", tokenCount: 30 },
      ],
      candidatesTokenCount: 50,
      candidatesTokensDetails: [
        { modality: "IMAGE", tokenCount: 40 },
        { modality: "AUDIO", tokenCount: 5 },
      ],
    }),
    told: { inputImageTokens: 60, inputAudioTokens: 30, outputImageTokens: 40, outputAudioTokens: 5 },
  },
]) {
  test(what, () => expect(usage).toMatchObject(told));
}

for (const [what, usage] of [
  ["anthropic", anthropicUsage({ input_tokens: 5, output_tokens: 1, cache_creation: null, server_tool_use: "none" })],
  ["bedrock", bedrockUsage({ inputTokens: 5, outputTokens: 1, cacheDetails: [{ ttl: "1h", inputTokens: "many" }] })],
  ["google", geminiUsage({ promptTokenCount: 5, candidatesTokenCount: 1, promptTokensDetails: [{ modality: "IMAGE" }] })],
] as const) {
  test(`what ${what} does not tell is not made up`, () => {
    for (const name of ["cacheWriteHourTokens", "webSearches", "inputImageTokens", "outputImageTokens"])
      expect(usage).not.toHaveProperty(name);
  });
}
