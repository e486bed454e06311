import type { EmbedResponse, Usage } from "../../core/chat.ts";
import { extensionFields } from "./fields.ts";
import type { EncodingFormat } from "./request-decode.ts";
import { base64FromVector } from "./vector.ts";

/** The answer's JSON text; what the upstream said beyond the language comes first, and overrides nothing. */
export function encodeResponse({ model, embeddings, usage, extensionsJson }: EmbedResponse, format: EncodingFormat): string {
  const data = embeddings.map(({ index, values }) => ({
    object: "embedding",
    index,
    embedding: format === "base64" ? base64FromVector(values) : values,
  }));
  return JSON.stringify({ ...extensionFields(extensionsJson), object: "list", data, model, usage: usageFields(usage) });
}

function usageFields(usage: Usage | undefined): unknown {
  const tokens = usage?.inputTokens ?? 0;
  return { ...extensionFields(usage?.extensionsJson ?? {}), prompt_tokens: tokens, total_tokens: tokens };
}
