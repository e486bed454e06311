import type { Target, TargetId } from "../../src/core/catalog.ts";
import type { ChatRequest, TranslationNote } from "../../src/core/chat.ts";
import type { Quirks, UpstreamDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { bedrockConverse } from "../../src/dialects/bedrock-converse/upstream.ts";
import { cohere } from "../../src/dialects/cohere/upstream.ts";
import { gemini } from "../../src/dialects/gemini/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { openaiResponses } from "../../src/dialects/openai-responses/upstream.ts";
import { type HostType, hosts } from "../../src/providers/hosts.ts";
import { describeModel } from "../../src/providers/known-models.ts";
import { chatTarget } from "../support/attempt.ts";

/** The languages of providers. */
export const dialects = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "anthropic-messages": anthropicMessages,
  gemini,
  cohere,
  "bedrock-converse": bedrockConverse,
} as const satisfies Record<string, UpstreamDialect>;

export type DialectName = keyof typeof dialects;

/** A model at a host, asked in one of its languages. */
export interface Row {
  readonly name: string;
  readonly dialect: UpstreamDialect;
  readonly target: Target;
  readonly quirks: Quirks;
}

/** What is known of the model is what a running gateway knows of it. */
export function rowOf(dialect: DialectName, type: HostType, model: string): Row {
  const { capabilities, kind } = describeModel(type, model);
  const target = chatTarget({
    id: `${type}/${model}` as TargetId,
    provider: type,
    model,
    upstreamModel: model,
    kind,
    issuer: hosts[type].issuer,
    capabilities,
  });
  return { name: `${dialect} · ${model} at ${type}`, dialect: dialects[dialect], target, quirks: hosts[type].quirks };
}

/** Each dialect with the kinds of models that it treats differently, and each set of quirks. */
export const rows: readonly Row[] = [
  rowOf("openai-chat", "openai", "gpt-4o"),
  rowOf("openai-chat", "openai", "gpt-5"),
  rowOf("openai-chat", "azure_openai", "gpt-4o"),
  rowOf("openai-chat", "mistral", "mistral-large-latest"),
  rowOf("openai-chat", "groq", "openai/gpt-oss-120b"),
  rowOf("openai-chat", "deepseek", "deepseek-chat"),
  rowOf("openai-chat", "openrouter", "anthropic/claude-haiku-4.5"),
  rowOf("openai-chat", "xai", "grok-4.3"),
  rowOf("openai-chat", "ollama", "llama3.3"),
  rowOf("openai-chat", "vllm", "qwen"),
  rowOf("openai-chat", "openai_compatible", "any"),
  rowOf("openai-responses", "openai", "gpt-5.5"),
  rowOf("openai-responses", "openai", "gpt-4o"),
  rowOf("anthropic-messages", "anthropic", "claude-3-5-haiku-20241022"),
  rowOf("anthropic-messages", "anthropic", "claude-sonnet-4-5"),
  rowOf("anthropic-messages", "anthropic", "claude-opus-4-8"),
  rowOf("anthropic-messages", "anthropic", "claude-opus-5-5"),
  rowOf("gemini", "gemini", "gemini-2.5-flash"),
  rowOf("gemini", "gemini", "gemini-3.5-flash"),
  rowOf("gemini", "gemini", "gemini-3.8-flash"),
  rowOf("cohere", "cohere", "command-a-03-2025"),
  rowOf("cohere", "cohere", "command-a-reasoning-08-2025"),
  rowOf("bedrock-converse", "bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
  rowOf("bedrock-converse", "bedrock", "eu.amazon.nova-pro-v1:0"),
  rowOf("bedrock-converse", "bedrock", "meta.llama3-3-70b-instruct-v1:0"),
];

/** What became of a request: its body and what was told of it, or the refusal. */
export type Outcome =
  | { readonly kind: "sent"; readonly body: string; readonly headers: string; readonly notes: readonly TranslationNote[] }
  | { readonly kind: "refused"; readonly error: ChatError };

/** Encodes for the row. Errors that are no refusals are bugs, and thrown. */
export function outcomeOf({ dialect, target, quirks }: Row, request: ChatRequest, streamed = false): Outcome {
  try {
    const { body, headers, notes } = dialect.encodeRequest(request, target, quirks, streamed);
    return { kind: "sent", body, headers: JSON.stringify(headers ?? {}), notes };
  } catch (thrown) {
    if (thrown instanceof ChatError && (thrown.failure === "UNSUPPORTED_FEATURE" || thrown.failure === "INVALID_REQUEST"))
      return { kind: "refused", error: thrown };
    throw thrown;
  }
}
