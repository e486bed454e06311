import type { AlternateUse, ModelKind } from "../core/catalog.ts";
import type { ModelCapabilities } from "../core/chat.ts";
import type { Price } from "../core/price.ts";
import { modelFamilies, type ModelFamily } from "./model-families.ts";
import { listedModel } from "./prices.ts";

/** What is known of a model by its name. */
export interface ModelDescription {
  readonly kind: ModelKind;
  /** Unset fields: not known, and therefore tried. */
  readonly capabilities: ModelCapabilities;
  /** Undefined: unpriced, which is not free. */
  readonly price: Price | undefined;
  /** When its host's other language has to be used; absent: never. */
  readonly alternate?: AlternateUse | undefined;
}

/** A model that a vendor is known to offer. */
export interface KnownModel extends ModelDescription {
  /** The vendor's name for it. */
  readonly id: string;
}

/**
 * The chat and embedding models a provider offers where its `models` says nothing; as of November 2026, from the vendors' model
 * and deprecation pages. Left out are models that write no text (audio, images), and retired
 * ones, but for a few names that callers still use and that servers behind the same API still answer to: each of those is dearer
 * than a current model beside it, so that a policy by cost does not send `auto` there first.
 */
const listed = {
  openai: words(`
    gpt-6.1-sol gpt-6.1-terra gpt-6-astra gpt-6-sol gpt-6-luna gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5 gpt-5.4
    gpt-5.4-mini gpt-5.4-nano gpt-5.2 gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano o3 gpt-4.1 gpt-4.1-2025-04-14 gpt-4.1-mini
    gpt-4.1-mini-2025-04-14 gpt-4o gpt-4o-2024-08-06 gpt-4o-2024-11-20 gpt-4o-mini gpt-4o-mini-2024-07-18 o4-mini o3-mini o1
    gpt-5.5-pro gpt-5.4-pro gpt-5.3-codex gpt-4-turbo gpt-4 gpt-3.5-turbo text-embedding-3-small text-embedding-3-large text-embedding-ada-002
  `),
  anthropic: words(`
    claude-fable-5-1 claude-fable-5 claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5 claude-opus-5 claude-sonnet-5
    claude-opus-4-8 claude-opus-4-7 claude-opus-4-6 claude-sonnet-4-6 claude-opus-4-5 claude-opus-4-5-20251101
    claude-sonnet-4-5 claude-sonnet-4-5-20250929 claude-haiku-4-5 claude-haiku-4-5-20251001
  `),
  mistral: words(`
    mistral-large-latest mistral-large-2512 mistral-medium-latest mistral-medium-3-5 mistral-small-latest mistral-small-2603
    magistral-medium-latest codestral-latest codestral-2508 devstral-2512 ministral-14b-2512 ministral-8b-2512
    ministral-3b-2512 mistral-embed codestral-embed
  `),
  groq: words(`openai/gpt-oss-120b openai/gpt-oss-20b qwen/qwen3.6-27b llama-3.3-70b-versatile`),
  deepseek: words(`deepseek-flash deepseek-v4-pro deepseek-v4-flash deepseek-chat deepseek-reasoner`),
  together: words(`
    openai/gpt-oss-120b openai/gpt-oss-20b deepseek-ai/DeepSeek-V3.1 moonshotai/Kimi-K2-Instruct
    meta-llama/Llama-3.3-70B-Instruct-Turbo meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8
    intfloat/multilingual-e5-large-instruct
  `),
  openrouter: words(`
    openai/gpt-6-sol openai/gpt-6-luna openai/gpt-5.6-sol openai/gpt-5.6-luna openai/gpt-4o openai/gpt-4o-mini
    anthropic/claude-opus-5.5 anthropic/claude-sonnet-5 anthropic/claude-haiku-4.5 google/gemini-3.5-flash
    google/gemini-3.1-pro-preview deepseek/deepseek-v4-pro deepseek/deepseek-v4-flash x-ai/grok-4.3 moonshotai/kimi-k3
    qwen/qwen3.7-plus z-ai/glm-5.2 mistralai/mistral-large-2512 meta-llama/llama-3.3-70b-instruct openai/gpt-oss-120b
  `),
  xai: words(`grok-4.6 grok-4.5 grok-4.3 grok-build-0.1`),
  gemini: words(`
    gemini-3.8-flash gemini-3.7-flash gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite gemini-3.1-flash-lite
    gemini-3.1-pro-preview gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-embedding-001 gemini-embedding-2
  `),
  // Deployments have names of the operator's own.
  azure_openai: [],
  cohere: words(`command-a-03-2025 command-r-plus-08-2024 command-r-08-2024 command-r7b-12-2024 embed-v4.0`),
  // Which models there are, and by which inference profiles, depends on region and account.
  bedrock: [],
  simulated: words(`sim-chat sim-embed`),
};

const modelIds: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(listed));

/** What a vendor does not do, whichever model it is asked for. */
const vendorLimits: ReadonlyMap<string, Partial<ModelCapabilities>> = new Map([["deepseek", { jsonSchema: false }]]);

/** The models a vendor is known to offer; none for hosts that anyone can run. For configuration load: looks up prices. */
export function knownModels(type: string, at?: Date): readonly KnownModel[] {
  return (modelIds.get(type) ?? []).map((id) => ({ id, ...describeModel(type, id, at) }));
}

/**
 * What is known of any model name at a provider type, listed or not: dated snapshots and new members of a family are described by
 * the family. Of hosts that anyone can run only the kind is told, by the name. `at` chooses among prices that change with time;
 * default: now.
 */
export function describeModel(type: string, id: string, at?: Date): ModelDescription {
  const family = familyOf(modelName(type, id));
  const kind = family?.kind ?? "chat";
  const capabilities: ModelCapabilities = { $typeName: "semaroute.v1.ModelCapabilities" };
  if (!modelIds.has(type)) return { kind, capabilities, price: undefined };

  const { price, contextTokens = family?.contextTokens } = listedModel(type, id, at);
  // A simulated model is no member of the family it borrows its name from, and can do everything.
  if (type === "simulated") return { kind, capabilities, price };
  for (const ability of family?.can ?? []) capabilities[ability] = true;
  for (const ability of family?.cannot ?? []) capabilities[ability] = false;
  if (contextTokens !== undefined) capabilities.contextTokens = contextTokens;
  if (family?.maxOutputTokens !== undefined) capabilities.maxOutputTokens = family.maxOutputTokens;
  return { kind, capabilities: Object.assign(capabilities, vendorLimits.get(type)), price, alternate: family?.alternate };
}

/** The model's own name, in lower case, without the maker in front. */
function modelName(type: string, id: string): string {
  const name = id.slice(id.lastIndexOf("/") + 1).toLowerCase();
  if (type !== "bedrock") return name;
  // A region's name may stand before the maker's, as in us.anthropic.claude-…; DeepSeek's models are called by the maker.
  const bare = name.replace(/^(?:us|us-gov|eu|apac|jp|au|ca|in|sa|global)\./, "");
  return bare.replace(/^deepseek\./, "deepseek-").replace(/^[a-z0-9]+\./, "");
}

/** Whether a model's name says what it is for. */
export function tellsKind(type: string, id: string): boolean {
  return familyOf(modelName(type, id)) !== undefined;
}

function familyOf(name: string): ModelFamily | undefined {
  return modelFamilies.find((each) => each.names.test(name));
}

function words(list: string): readonly string[] {
  return list.trim().split(/\s+/);
}
