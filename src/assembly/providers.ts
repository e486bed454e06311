import type { CatalogProvider, Target, TargetId } from "../core/catalog.ts";
import { ProviderDialect } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { Provider, ProviderFacts } from "../core/provider.ts";
import type { ModelSettings, ProviderSettings, Settings } from "../config/schema.ts";
import { anthropicMessages } from "../dialects/anthropic-messages/upstream.ts";
import { cohere } from "../dialects/cohere/upstream.ts";
import { gemini } from "../dialects/gemini/upstream.ts";
import { bedrockConverse } from "../dialects/bedrock-converse/upstream.ts";
import { openaiChat } from "../dialects/openai-chat/upstream.ts";
import { openaiEmbeddings } from "../dialects/openai-embeddings/upstream.ts";
import { openaiResponses } from "../dialects/openai-responses/upstream.ts";
import { baseUrlOf, type Host, type HostCall, hosts, type HostType, isHostType } from "../providers/hosts.ts";
import type { Embedding } from "../providers/http-embed.ts";
import { createHttpProvider } from "../providers/http-provider.ts";
import { describeModel, knownModels, type ModelDescription, tellsKind } from "../providers/known-models.ts";
import { promptCacheOf } from "../providers/prompt-caches.ts";
import { createAwsSigner, type Signer } from "../providers/signing.ts";
import { createSimulatedProvider } from "../providers/simulated.ts";
import { createWire } from "../providers/wire/pool.ts";
import { ownPrice } from "./own-price.ts";

/** A provider of the configuration, ready to be called. */
export interface RunningProvider {
  readonly provider: Provider;
  readonly facts: ProviderFacts;
  /** What it was made from; one whose text is the same is kept over a reload, with its connections. */
  readonly fingerprint: string;
  readonly settings: ProviderSettings;
  /** True: what the host lists is what it offers. */
  readonly listsModels: boolean;
  /** Ends idle connections once running calls are done. */
  close(): Promise<void>;
}

const dialects = {
  "openai-chat": { upstream: { ...openaiChat, embeddings: openaiEmbeddings }, shown: ProviderDialect.OPENAI_CHAT },
  "openai-responses": { upstream: openaiResponses, shown: ProviderDialect.OPENAI_RESPONSES },
  "anthropic-messages": { upstream: anthropicMessages, shown: ProviderDialect.ANTHROPIC_MESSAGES },
  gemini: { upstream: gemini, shown: ProviderDialect.GEMINI },
  "bedrock-converse": { upstream: bedrockConverse, shown: ProviderDialect.BEDROCK_CONVERSE },
  cohere: { upstream: cohere, shown: ProviderDialect.COHERE_V2 },
} as const;

/** Makes a provider from its settings, which have been checked. */
export function startProvider(
  name: string,
  settings: ProviderSettings,
  timeouts: Settings["resilience"]["timeouts"],
  clock: Clock,
): RunningProvider {
  const fingerprint = fingerprintOf(settings, timeouts);
  if (!isHostType(settings.type)) return startSimulated(name, settings, fingerprint, clock);
  const host = hostOf(settings.type);
  const base = new URL(baseUrlOf(host, settings.base_url, settings.region) ?? "");
  const wire = createWire({
    clock,
    name,
    origin: base.origin,
    connectMs: timeouts.connect,
    totalMs: Math.max(timeouts.total, settings.timeout ?? 0),
    connectionsMax: settings.max_concurrent,
  });
  const path = base.pathname.replace(/\/$/, "");
  const { upstream, shown } = dialects[host.dialect];
  const at = (call: Asking, below: HostPath): string => located(base, pathOf(below, { ...call, apiVersion: settings.api_version }));
  const { alternate } = host;
  const provider = createHttpProvider({
    name,
    wire,
    dialect: upstream,
    quirks: host.quirks,
    chatPath: (call) => at(call, host.chatPath),
    alternate: alternate && {
      dialect: dialects[alternate.dialect].upstream,
      chatPath: (call) => at(call, alternate.chatPath),
      extensions: alternate.extensions,
    },
    embedding: embeddingOf(host, at),
    modelsPath: modelsPathOf(host, base, settings.api_version),
    countPath: countPathOf(host, base, settings.api_version),
    auth: host.auth,
    apiKey: settings.api_key,
    signer: signerFor(host, settings, base, clock),
    clock,
  });
  const credentialSource = (settings.api_key ?? settings.secret_access_key)?.source ?? "";
  const facts = { dialect: shown, issuer: host.issuer, baseUrl: `${base.origin}${path}`, credentialSource };
  return {
    provider,
    facts,
    fingerprint,
    settings,
    listsModels: host.listsModels && settings.models === undefined,
    close: () => wire.close(),
  };
}

/** Undefined: the host takes a key, or has been given one. */
function signerFor({ awsService }: Host, settings: ProviderSettings, base: URL, clock: Clock): Signer | undefined {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken, region = "" } = settings;
  if (awsService === undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return createAwsSigner({
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    region,
    service: awsService,
    host: base.host,
    clock,
  });
}

type HostPath = Host["chatPath"];

function pathOf(path: HostPath, call: HostCall): string {
  return typeof path === "string" ? path : path(call);
}

type Asking = Omit<HostCall, "apiVersion">;

function embeddingOf({ embedPath, embedInputsMax }: Host, at: (call: Asking, path: HostPath) => string): Embedding | undefined {
  return embedPath === undefined ? undefined : { path: (call) => at(call, embedPath), inputsMax: embedInputsMax };
}

function modelsPathOf({ modelsPath }: Host, base: URL, apiVersion: string | undefined): string | undefined {
  const path = typeof modelsPath === "function" ? modelsPath({ apiVersion }) : modelsPath;
  return path === undefined ? undefined : located(base, path);
}

function countPathOf(
  { countPath }: Host,
  base: URL,
  apiVersion: string | undefined,
): ((call: { readonly model: string }) => string) | undefined {
  if (countPath === undefined) return undefined;
  return ({ model }) => located(base, typeof countPath === "string" ? countPath : countPath({ model, apiVersion }));
}

/** A host's path below the base URL's, with the queries of both. */
function located(base: URL, hostPath: string): string {
  const path = base.pathname.replace(/\/$/, "") + hostPath;
  if (base.search === "") return path;
  return path.includes("?") ? `${path}&${base.search.slice(1)}` : path + base.search;
}

function startSimulated(name: string, settings: ProviderSettings, fingerprint: string, clock: Clock): RunningProvider {
  const provider = createSimulatedProvider({
    name,
    clock,
    firstTokenMs: settings.first_token,
    tokensPerSecond: settings.tokens_per_second,
    reply: settings.reply,
    failureRatio: settings.failure_ratio,
    failure: settings.failure,
    seed: settings.seed,
    models: (settings.models ?? []).map(({ id }) => id),
  });
  const facts = { dialect: ProviderDialect.UNSPECIFIED, issuer: "simulated", baseUrl: "", credentialSource: "" };
  return { provider, facts, fingerprint, settings, listsModels: false, close: () => Promise.resolve() };
}

/** Its secrets are part of it, so that a new key makes a new provider; the text never leaves this process's memory. */
export function fingerprintOf(settings: ProviderSettings, timeouts: Settings["resilience"]["timeouts"]): string {
  const { api_key, access_key_id, secret_access_key, session_token } = settings;
  const secrets = [api_key, access_key_id, secret_access_key, session_token].map((secret) => secret?.reveal());
  return JSON.stringify([settings, timeouts, secrets]);
}

/** Whom calls of a provider go to, and on whose bill; secret. */
export function accountOf({ facts, settings }: RunningProvider): { readonly host: string; readonly credential: string } {
  const { api_key, access_key_id, secret_access_key, session_token } = settings;
  const secrets = [api_key, access_key_id, secret_access_key, session_token].map((secret) => secret?.reveal() ?? "");
  return { host: `${settings.type} ${facts.baseUrl}`, credential: secrets.join("\n") };
}

/** What a catalogue's part depends on beside its provider. */
export interface CatalogMoment {
  /** What the host said it offers; undefined: nothing yet. */
  readonly listed: readonly string[] | undefined;
  /** Which of the prices that change with time hold. */
  readonly at: Date;
}

/** The provider's part of the catalogue, with all that is known of its models looked up. */
export function catalogPart(
  name: string,
  { settings, facts, listsModels }: RunningProvider,
  { listed, at }: CatalogMoment,
): CatalogProvider {
  const target = (model: ModelSettings): Target => {
    const { capabilities, price, alternate, ...known } = described(settings.type, model, at);
    const kind = model.kind ?? known.kind;
    return {
      id: `${name}/${model.id}` as TargetId,
      provider: name,
      model: model.id,
      upstreamModel: model.upstream ?? model.id,
      kind,
      issuer: facts.issuer,
      capabilities: model.context_tokens === undefined ? capabilities : { ...capabilities, contextTokens: model.context_tokens },
      price: ownPrice(model, kind, price),
      promptCache: promptCacheOf(settings.type, model.upstream ?? model.id),
      timeoutMs: settings.timeout,
      ...(alternate !== undefined && { alternate }),
      ...(settings.fallback_on_refusal && { fallbackOnRefusal: true as const }),
    };
  };
  const known = (): ModelSettings[] => knownModels(settings.type, at).map(({ id }) => ({ id }));
  const models = settings.models ?? (listsModels ? (listed ?? []).map((id) => ({ id })) : known());
  const other = (model: string): Target => ({
    ...target({ id: model }),
    madeUp: true,
    ...(!tellsKind(settings.type, model) && { anyKind: true }),
  });
  return { name, targets: models.map(target), other };
}

/** What is known of a model; of a deployment, whose name may say nothing, by the callers' name for it. */
function described(type: string, { id, upstream = id }: ModelSettings, at: Date): ModelDescription {
  const known = describeModel(type, upstream, at);
  const isOwnName = isHostType(type) && hostOf(type).namesDeployments === true;
  const saysNothing = known.price === undefined && Object.keys(known.capabilities).length === 1;
  return isOwnName && saysNothing ? describeModel(type, id, at) : known;
}

function hostOf(type: HostType): Host {
  return hosts[type];
}
