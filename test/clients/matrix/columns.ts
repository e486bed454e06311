/** The columns of the matrix: each type of provider, with what it is asked for, and what it does not have. */
import type { ProviderType } from "../../../src/providers/hosts.ts";
import type { UpstreamHandler } from "../../support/scripted-upstream.ts";
import { cohereThinker, mistralThinker } from "./thinkers.ts";

/** What a call can need that not every provider has. */
export type Need = "embeddings" | "tools" | "thinking" | "schema" | "quiet tools";

/** One column. */
export interface Column {
  /** The heading, and the provider's name in the configuration. */
  readonly name: string;
  readonly type: ProviderType;
  /** The language it is asked in, as a reader knows it. */
  readonly language: string;
  /** Settings of its own, as YAML in braces has them; `URL` stands for the upstream's. */
  readonly settings: string;
  /** Names of models as callers know them; `thinking` answers with its reasoning. */
  readonly models: { readonly chat: string; readonly thinking?: string; readonly embedding?: string };
  /** Plays the thinking model, where the mock does not think in the vendor's words: a provider of its own, of the same type. */
  readonly thinker?: UpstreamHandler;
  /** Paths the upstream may be asked at; any other is a mistake. Undefined: there is no upstream. */
  readonly paths: RegExp | undefined;
  /** Why a need is not met. */
  readonly lacks: Readonly<Partial<Record<Need, string>>>;
}

const noEmbeddings = "the vendor has no embeddings";
const referring = "the model says something beside its calls, to which this client refers as if it were stored; with store: false it works";
const noSchema = "the vendor follows no JSON schema: such a request is another target's";
const silent = "the vendor's chat completions do not show reasoning";

/** What speaks OpenAI's chat completions below a base URL. */
const openaiLike = {
  language: "chat completions",
  settings: 'base_url: "URL/v1", api_key: test',
  paths: /^\/v1\/(chat\/completions|embeddings)$/,
};

/** In the order in which they are shown. */
export const columns: readonly Column[] = [
  {
    ...openaiLike,
    name: "openai",
    type: "openai",
    models: { chat: "gpt-4o", embedding: "text-embedding-3-small" },
    // A request that has words of the Responses API goes there.
    paths: /^\/v1\/(chat\/completions|responses|embeddings)$/,
    lacks: { thinking: silent },
  },
  {
    ...openaiLike,
    name: "openai-responses",
    type: "openai",
    language: "Responses",
    models: { chat: "gpt-5.5-pro", thinking: "gpt-5.5-pro" },
    paths: /^\/v1\/responses$/,
    lacks: { embeddings: "the Responses API has none; the column openai shows those of this provider" },
  },
  {
    name: "anthropic",
    type: "anthropic",
    language: "Messages",
    settings: 'base_url: "URL", api_key: test',
    models: { chat: "claude-haiku-4-5", thinking: "claude-opus-4-6" },
    paths: /^\/v1\/messages(\/count_tokens)?$/,
    lacks: { embeddings: noEmbeddings },
  },
  {
    name: "gemini",
    type: "gemini",
    language: "generateContent",
    settings: 'base_url: "URL", api_key: test',
    models: { chat: "gemini-2.5-flash", thinking: "gemini-3.5-flash", embedding: "gemini-embedding-001" },
    paths: /^\/v1beta\/models\/gemini-[\w.-]+:(generateContent|streamGenerateContent\?alt=sse|batchEmbedContents|countTokens)$/,
    lacks: {},
  },
  {
    name: "cohere",
    type: "cohere",
    language: "Chat v2",
    settings: 'base_url: "URL", api_key: test',
    models: { chat: "command-a-03-2025", thinking: "command-a-reasoning-08-2025", embedding: "embed-v4.0" },
    thinker: cohereThinker,
    paths: /^\/v2\/(chat|embed)$/,
    lacks: { "quiet tools": referring },
  },
  {
    name: "bedrock",
    type: "bedrock",
    language: "Converse",
    settings: 'base_url: "URL", region: eu-west-1, access_key_id: AKIDEXAMPLE, secret_access_key: test-secret',
    models: { chat: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", thinking: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" },
    paths: /^\/model\/eu\.anthropic\.claude-sonnet-4-5-20250929-v1%3A0\/converse(-stream)?$/,
    lacks: { embeddings: "Converse has no embeddings" },
  },
  {
    name: "azure_openai",
    type: "azure_openai",
    language: "chat completions",
    settings: 'base_url: "URL", api_key: test, api_version: "2024-10-21"',
    models: { chat: "gpt-4o", embedding: "text-embedding-3-small" },
    paths: /^\/openai\/deployments\/[\w-]+\/(chat\/completions|embeddings)\?api-version=2024-10-21$/,
    lacks: { thinking: silent },
  },
  {
    ...openaiLike,
    name: "mistral",
    type: "mistral",
    models: { chat: "mistral-large-latest", thinking: "magistral-medium-latest", embedding: "mistral-embed" },
    thinker: mistralThinker,
    lacks: {},
  },
  {
    ...openaiLike,
    name: "openai_compatible",
    type: "openai_compatible",
    models: { chat: "some-model", thinking: "some-model", embedding: "some-embed" },
    lacks: {},
  },
  {
    ...openaiLike,
    name: "groq",
    type: "groq",
    models: { chat: "openai/gpt-oss-120b", thinking: "openai/gpt-oss-120b" },
    lacks: { embeddings: noEmbeddings },
  },
  {
    ...openaiLike,
    name: "deepseek",
    type: "deepseek",
    models: { chat: "deepseek-v4-pro", thinking: "deepseek-v4-pro" },
    lacks: { embeddings: noEmbeddings, schema: noSchema },
  },
  {
    ...openaiLike,
    name: "together",
    type: "together",
    models: { chat: "openai/gpt-oss-120b", thinking: "openai/gpt-oss-120b", embedding: "intfloat/multilingual-e5-large-instruct" },
    lacks: {},
  },
  {
    ...openaiLike,
    name: "openrouter",
    type: "openrouter",
    models: { chat: "openai/gpt-4o", thinking: "deepseek/deepseek-v4-pro", embedding: "openai/text-embedding-3-small" },
    lacks: {},
  },
  { ...openaiLike, name: "xai", type: "xai", models: { chat: "grok-4.5", thinking: "grok-4.5" }, lacks: { embeddings: noEmbeddings } },
  {
    ...openaiLike,
    name: "ollama",
    type: "ollama",
    models: { chat: "llama3", thinking: "llama3", embedding: "nomic-embed-text" },
    lacks: {},
  },
  { ...openaiLike, name: "vllm", type: "vllm", models: { chat: "qwen3", thinking: "qwen3", embedding: "bge-m3" }, lacks: {} },
  {
    name: "simulated",
    type: "simulated",
    language: "none",
    settings: "first_token: 1ms, tokens_per_second: 10000",
    models: { chat: "sim-chat", embedding: "sim-embed" },
    paths: undefined,
    lacks: {
      "quiet tools": "a simulated model calls a tool only where the request forces one",
      tools: "a simulated model calls a tool only where the request forces one",
      thinking: "a simulated model does not think",
    },
  },
];
