import type { Quirks } from "../core/dialect.ts";
import { methodPath } from "../dialects/gemini/paths.ts";

/** The wire languages that hosts speak. */
export type HostDialect = "openai-chat" | "anthropic-messages" | "gemini";

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

/** A vendor, or a kind of server, as data. */
export interface Host {
  readonly dialect: HostDialect;
  /** Family for Opaque.issuer and extensions: who can read its own tokens and fields back. */
  readonly issuer: string;
  /** What the vendor's own SDK calls base URL; no slash at the end. Undefined: the configuration must name one. */
  readonly baseUrl: string | undefined;
  /** A tail of the base URL that users may write or leave out; the paths below have it. */
  readonly optionalBasePath?: string;
  /** Appended to the base URL; hosts that name the model in the path make it of the call. */
  readonly chatPath: string | ((call: HostCall) => string);
  /** The same for embeddings, in the dialect's `embeddings`; undefined: the host has none. */
  readonly embedPath?: string | ((call: HostCall) => string);
  /** Most inputs of one request for embeddings; a call with more is several requests, one after another. Default: as many as it has. */
  readonly embedInputsMax?: number;
  /** The same for counting tokens, in the dialect's `counting`; undefined: the host has none. */
  readonly countPath?: string | ((call: HostCall) => string);
  /** The unbilled list call; undefined: there is none. */
  readonly modelsPath: string | undefined;
  /** Header that carries the key. */
  readonly auth: KeyHeader;
  /** True: without a key the host answers nothing. */
  readonly needsKey: boolean;
  /** True: what the host lists is what it offers, for we cannot know it. */
  readonly listsModels: boolean;
  readonly quirks: Quirks;
}

const openaiPaths = { dialect: "openai-chat", chatPath: "/chat/completions", modelsPath: "/models", auth: "bearer" } as const;
const vendor = { ...openaiPaths, needsKey: true, listsModels: false } as const;
const ownServer = { ...openaiPaths, needsKey: false, listsModels: true } as const;

/** What servers that imitate OpenAI's API have in common: the older limit field, templates that know no `developer`, functions as the only tools. */
const imitation = { maxTokensField: "max_tokens", developerRole: false, customTools: false } as const satisfies Quirks;

/**
 * Who can be called, by the configuration's `type`. `quirks.refuses` holds field names of the OpenAI wire format. A new host of a
 * known dialect is one entry here.
 */
export const hosts = {
  openai: { ...vendor, issuer: "openai", baseUrl: "https://api.openai.com/v1", quirks: {} },
  anthropic: {
    dialect: "anthropic-messages",
    issuer: "anthropic",
    baseUrl: "https://api.anthropic.com",
    optionalBasePath: "/v1",
    chatPath: "/v1/messages",
    modelsPath: "/v1/models",
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
    countPath: ({ model }: HostCall) => methodPath(model, "countTokens"),
    modelsPath: "/v1beta/models?pageSize=1000",
    auth: "x-goog-api-key",
    needsKey: true,
    listsModels: false,
    quirks: {},
  },
  openai_compatible: { ...ownServer, listsModels: false, issuer: "openai_compatible", baseUrl: undefined, quirks: imitation },
  mistral: {
    ...vendor,
    issuer: "mistral",
    baseUrl: "https://api.mistral.ai/v1",
    // Any field outside its schema is a 422, and so is a reasoning effort other than the two words it knows.
    quirks: {
      ...imitation,
      streamOptions: false,
      toolChoiceRequired: "any",
      toolCallId: "alphanumeric9",
      seedField: "random_seed",
      strictFields: true,
      refuses: new Set([
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
  together: { ...vendor, issuer: "together", baseUrl: "https://api.together.xyz/v1", quirks: imitation },
  openrouter: {
    ...vendor,
    issuer: "openrouter",
    baseUrl: "https://openrouter.ai/api/v1",
    quirks: { maxTokensField: "max_tokens", customTools: false, replayReasoning: "reasoning", cacheControl: true, reasoningObject: true },
  },
  xai: {
    ...vendor,
    issuer: "xai",
    baseUrl: "https://api.x.ai/v1",
    quirks: { developerRole: false, customTools: false, reasoningOutside: true },
  },
  ollama: {
    ...ownServer,
    issuer: "ollama",
    baseUrl: "http://127.0.0.1:11434/v1",
    quirks: { ...imitation, refuses: new Set(["logit_bias", "n"]) },
  },
  vllm: { ...ownServer, issuer: "vllm", baseUrl: "http://127.0.0.1:8000/v1", quirks: imitation },
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
export function baseUrlOf(host: Host, configured: string | undefined): string | undefined {
  let url = configured ?? host.baseUrl;
  if (url === undefined) return undefined;
  while (url.endsWith("/")) url = url.slice(0, -1);
  const tail = host.optionalBasePath;
  return tail !== undefined && url.endsWith(tail) ? url.slice(0, -tail.length) : url;
}
