/** What the configuration knows of a provider's type. */
export interface ProviderTypeFacts {
  /** Variable whose value is the default of `api_key`; undefined: the type works without a key, or has other credentials. */
  readonly keyVariable?: string;
  /** Settings that stand for `api_key` where both are set, such as a key pair. */
  readonly insteadOfKey?: readonly [string, string];
  /** Settings without which there is nobody to call. */
  readonly requires?: readonly string[];
  /** True: it offers what its owner set up there, under names that nobody else knows. */
  readonly ownNames?: boolean;
}

/** Every type that is planned, whether this build has it or not. */
export const providerTypeFacts: Readonly<Record<string, ProviderTypeFacts>> = {
  openai: { keyVariable: "OPENAI_API_KEY" },
  anthropic: { keyVariable: "ANTHROPIC_API_KEY" },
  gemini: { keyVariable: "GEMINI_API_KEY" },
  cohere: { keyVariable: "COHERE_API_KEY" },
  bedrock: { keyVariable: "AWS_BEARER_TOKEN_BEDROCK", insteadOfKey: ["access_key_id", "secret_access_key"], requires: ["region"] },
  azure_openai: { keyVariable: "AZURE_OPENAI_API_KEY", requires: ["base_url"], ownNames: true },
  openai_compatible: { requires: ["base_url"] },
  simulated: {},
  mistral: { keyVariable: "MISTRAL_API_KEY" },
  groq: { keyVariable: "GROQ_API_KEY" },
  deepseek: { keyVariable: "DEEPSEEK_API_KEY" },
  together: { keyVariable: "TOGETHER_API_KEY" },
  openrouter: { keyVariable: "OPENROUTER_API_KEY" },
  xai: { keyVariable: "XAI_API_KEY" },
  ollama: {},
  vllm: {},
};

/** Facts of a type; undefined: no such type. */
export function factsOf(type: string): ProviderTypeFacts | undefined {
  return Object.hasOwn(providerTypeFacts, type) ? providerTypeFacts[type] : undefined;
}

/** Types whose variable alone enables them where the file names no provider. */
export const vendorsOfEnvironment = ["openai", "anthropic", "gemini", "cohere"] as const;

/** Settings that only some types have. */
export const settingsOfTypes: Readonly<Record<string, readonly string[]>> = {
  api_version: ["azure_openai"],
  region: ["bedrock"],
  access_key_id: ["bedrock"],
  secret_access_key: ["bedrock"],
  session_token: ["bedrock"],
  first_token: ["simulated"],
  tokens_per_second: ["simulated"],
  reply: ["simulated"],
  failure_ratio: ["simulated"],
  failure: ["simulated"],
  seed: ["simulated"],
};
