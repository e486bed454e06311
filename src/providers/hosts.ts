import type { Quirks } from "../core/dialect.ts";
import { methodPath } from "../dialects/gemini/paths.ts";

/** The wire languages that hosts speak. */
export type HostDialect = "openai-chat" | "openai-responses" | "anthropic-messages" | "gemini" | "cohere" | "bedrock-converse";

/** Where a key goes: `authorization: Bearer`, or a header of this name, as it is. */
export type KeyHeader = "bearer" | "x-api-key" | "x-goog-api-key" | "api-key";

/** What a path can depend on. */
export interface HostCall {
  /** The upstream's name of the model, as the configuration writes it; not encoded. */
  readonly model: string;
  readonly streamed: boolean;
  /** The setting `api_version`; undefined: not set. */
  readonly apiVersion: string | undefined;
}

/** A second language that a host speaks. */
export interface HostAlternate {
  readonly dialect: HostDialect;
  readonly chatPath: Host["chatPath"];
  /** What a request's own words in this language are filed under: one that has some is sent in it. */
  readonly extensions: string;
}

/** A vendor, or a kind of server, as data. */
export interface Host {
  readonly dialect: HostDialect;
  /** Family for Opaque.issuer and extensions: who can read its own tokens and fields back. */
  readonly issuer: string;
  /**
   * What the vendor's own SDK calls base URL; no slash at the end. Hosts that have one a region make it of the setting `region`.
   * Undefined: the configuration must name one.
   */
  readonly baseUrl: string | undefined | ((region: string) => string);
  /** A tail of the base URL that users may write or leave out, or the longest first of several; the paths below have it. */
  readonly optionalBasePath?: string | readonly string[];
  /** Appended to the base URL; hosts that name the model in the path make it of the call. */
  readonly chatPath: string | ((call: HostCall) => string);
  /** The same for embeddings, in the dialect's `embeddings`; absent: the host has none. */
  readonly embedPath?: string | ((call: HostCall) => string);
  /** Most inputs of one request for embeddings; a call with more is several requests, one after another. Default: as many as it has. */
  readonly embedInputsMax?: number;
  /** Where tokens are counted, unbilled; absent: nowhere. */
  readonly countPath?: string | ((call: Pick<HostCall, "model" | "apiVersion">) => string);
  /** A second language of the same host, for what the first one cannot say (decision 0016). */
  readonly alternate?: HostAlternate;
  /** The unbilled list call; undefined: there is none. */
  readonly modelsPath: string | ((settings: Pick<HostCall, "apiVersion">) => string) | undefined;
  /** Header that carries the key. */
  readonly auth: KeyHeader;
  /** Name of the service in AWS signatures: where access keys are configured instead of a key, requests are signed with them. */
  readonly awsService?: string;
  /** True: without a key the host answers nothing. */
  readonly needsKey: boolean;
  /** True: what the host lists is what it offers, for we cannot know it. */
  readonly listsModels: boolean;
  /** True: the names sent upstream are the operator's own, so what is known of a model is looked up by the callers' name for it, too. */
  readonly namesDeployments?: boolean;
  readonly quirks: Quirks;
}

const openaiPaths = { dialect: "openai-chat", chatPath: "/chat/completions", modelsPath: "/models", auth: "bearer" } as const;
const vendor = { ...openaiPaths, needsKey: true, listsModels: false } as const;
/** Whose embeddings are OpenAI's, at OpenAI's place. */
const embeds = { embedPath: "/embeddings" } as const;
const ownServer = { ...openaiPaths, needsKey: false, listsModels: true } as const;

/** Sampling of open models, which OpenAI's own API answers with 400, "Unrecognized request argument supplied". */
const foreignSampling = ["min_p", "repetition_penalty", "top_k"] as const;

/** What servers that imitate OpenAI's API have in common: the older limit field, templates that know no `developer`, functions as the only tools. */
const imitation = { maxTokensField: "max_tokens", developerRole: false, customTools: false } as const satisfies Quirks;

/** Azure's two APIs: the older one of dated versions has the deployment in the path, the other one is OpenAI's own below `/openai/v1`. */
function azurePath(end: string, model: string, apiVersion: string | undefined): string {
  if (apiVersion === undefined) return `/openai/v1${end}`;
  const query = `?api-version=${encodeURIComponent(apiVersion)}`;
  // Words such as `preview` are versions of the newer API.
  if (!/^\d/.test(apiVersion)) return `/openai/v1${end}${query}`;
  return model === "" ? `/openai${end}${query}` : `/openai/deployments/${encodeURIComponent(model)}${end}${query}`;
}

/**
 * Who can be called, by the configuration's `type`. `quirks.refuses` holds field names of the OpenAI wire format. A new host of a
 * known dialect is one entry here.
 */
export const hosts = {
  openai: {
    ...vendor,
    ...embeds,
    issuer: "openai",
    baseUrl: "https://api.openai.com/v1",
    quirks: { endUserField: "safety_identifier", base64Vectors: true, tokenInput: true, refuses: new Set(foreignSampling) },
    alternate: { dialect: "openai-responses", chatPath: "/responses", extensions: "openai_responses" },
  },
  anthropic: {
    dialect: "anthropic-messages",
    issuer: "anthropic",
    baseUrl: "https://api.anthropic.com",
    optionalBasePath: "/v1",
    chatPath: "/v1/messages",
    modelsPath: "/v1/models",
    countPath: "/v1/messages/count_tokens",
    auth: "x-api-key",
    needsKey: true,
    listsModels: false,
    quirks: {},
  },
  gemini: {
    dialect: "gemini",
    issuer: "google",
    baseUrl: "https://generativelanguage.googleapis.com",
    optionalBasePath: "/v1beta",
    // Without `alt=sse` a stream is one JSON list, written piece by piece.
    chatPath: ({ model, streamed }: HostCall) => methodPath(model, streamed ? "streamGenerateContent?alt=sse" : "generateContent"),
    embedPath: ({ model }: HostCall) => methodPath(model, "batchEmbedContents"),
    embedInputsMax: 100,
    countPath: ({ model }: Pick<HostCall, "model">) => methodPath(model, "countTokens"),
    modelsPath: "/v1beta/models?pageSize=1000",
    auth: "x-goog-api-key",
    needsKey: true,
    listsModels: false,
    quirks: {},
  },
  cohere: {
    dialect: "cohere",
    issuer: "cohere",
    baseUrl: "https://api.cohere.com",
    optionalBasePath: ["/v2", "/v1"],
    chatPath: "/v2/chat",
    embedPath: "/v2/embed",
    embedInputsMax: 96,
    modelsPath: "/v1/models",
    auth: "bearer",
    needsKey: true,
    listsModels: false,
    quirks: {},
  },
  bedrock: {
    dialect: "bedrock-converse",
    issuer: "bedrock",
    baseUrl: (region) => `https://bedrock-runtime.${region}.amazonaws.com`,
    // Model ids have colons, and ARNs slashes; both stay within one step of the path.
    chatPath: ({ model, streamed }) => `/model/${encodeURIComponent(model)}/${streamed ? "converse-stream" : "converse"}`,
    modelsPath: undefined,
    auth: "bearer",
    awsService: "bedrock",
    needsKey: true,
    listsModels: false,
    quirks: {},
  },
  azure_openai: {
    dialect: "openai-chat",
    // Sealed reasoning belongs to the account that it was made in.
    issuer: "azure_openai",
    baseUrl: undefined,
    optionalBasePath: ["/openai/v1", "/openai"],
    chatPath: ({ model, apiVersion }) => azurePath("/chat/completions", model, apiVersion),
    embedPath: ({ model, apiVersion }) => azurePath("/embeddings", model, apiVersion),
    modelsPath: ({ apiVersion }) => azurePath("/models", "", apiVersion),
    auth: "api-key",
    needsKey: true,
    listsModels: false,
    namesDeployments: true,
    quirks: { base64Vectors: true, tokenInput: true, refuses: new Set(foreignSampling) },
  },
  openai_compatible: {
    ...ownServer,
    ...embeds,
    listsModels: false,
    issuer: "openai_compatible",
    baseUrl: undefined,
    quirks: { ...imitation, tokenInput: true },
  },
  mistral: {
    ...vendor,
    ...embeds,
    issuer: "mistral",
    baseUrl: "https://api.mistral.ai/v1",
    // Any field outside its schema is a 422, and so is a reasoning effort other than the two words it knows.
    quirks: {
      ...imitation,
      streamOptions: false,
      toolChoiceRequired: "any",
      toolCallId: "alphanumeric9",
      seedField: "random_seed",
      dimensionsField: "output_dimension",
      strictFields: true,
      takes: new Set(["guardrails", "prompt_mode", "safe_prompt"]),
      marksPrefix: true,
      refuses: new Set([
        ...foreignSampling,
        "audio",
        "logit_bias",
        "logprobs",
        "modalities",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "top_logprobs",
        "user",
        "verbosity",
        "web_search_options",
      ]),
    },
  },
  groq: {
    ...vendor,
    issuer: "groq",
    baseUrl: "https://api.groq.com/openai/v1",
    // Sent, each of these is a 400.
    quirks: { developerRole: false, customTools: false, refuses: new Set(["logit_bias", "logprobs", "n", "top_logprobs"]) },
  },
  deepseek: {
    ...vendor,
    issuer: "deepseek",
    baseUrl: "https://api.deepseek.com",
    // In thinking mode a turn with tool calls must come back with its reasoning.
    quirks: { ...imitation, replayReasoning: "reasoning_content", refuses: new Set(["logit_bias", "n"]) },
  },
  together: { ...vendor, ...embeds, issuer: "together", baseUrl: "https://api.together.xyz/v1", quirks: imitation },
  openrouter: {
    ...vendor,
    ...embeds,
    issuer: "openrouter",
    baseUrl: "https://openrouter.ai/api/v1",
    quirks: {
      maxTokensField: "max_tokens",
      customTools: false,
      replayReasoning: "reasoning",
      cacheControl: true,
      reasoningObject: true,
      tokenInput: true,
    },
  },
  xai: {
    ...vendor,
    issuer: "xai",
    baseUrl: "https://api.x.ai/v1",
    quirks: { developerRole: false, customTools: false, reasoningOutside: true },
  },
  ollama: {
    ...ownServer,
    ...embeds,
    issuer: "ollama",
    baseUrl: "http://127.0.0.1:11434/v1",
    quirks: { ...imitation, imageUrls: false, toolChoice: false, refuses: new Set(["logit_bias", "n"]) },
  },
  vllm: {
    ...ownServer,
    ...embeds,
    issuer: "vllm",
    baseUrl: "http://127.0.0.1:8000/v1",
    quirks: { ...imitation, alternateRoles: true, base64Vectors: true, tokenInput: true },
  },
} as const satisfies Record<string, Host>;

/** The `type` of a provider that is called over HTTP. */
export type HostType = keyof typeof hosts;

/** Every `type` the configuration may use. */
export type ProviderType = HostType | "simulated";

/** Whether the type is one of a provider called over HTTP. */
export function isHostType(type: string): type is HostType {
  return Object.hasOwn(hosts, type);
}

/** Names for `type`, in the order in which they are offered to people. */
export const providerTypes: readonly ProviderType[] = [...Object.keys(hosts).filter(isHostType), "simulated"];

/**
 * The base URL to which the host's paths are appended: the configured one, else the vendor's; without slashes at the end, and
 * without a tail that the paths bring along. Undefined where neither is known.
 */
export function baseUrlOf(host: Host, configured: string | undefined, region = ""): string | undefined {
  let url = configured ?? (typeof host.baseUrl === "function" ? host.baseUrl(region) : host.baseUrl);
  if (url === undefined) return undefined;
  while (url.endsWith("/")) url = url.slice(0, -1);
  for (const tail of [host.optionalBasePath ?? []].flat()) if (url.endsWith(tail)) return url.slice(0, -tail.length);
  return url;
}
