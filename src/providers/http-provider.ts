import type { Attempt } from "../core/call.ts";
import { type CallRequest, type ChatRequest, isEmbedRequest, type TranslationNote } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { EncodedRequest, Quirks } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { Target } from "../core/catalog.ts";
import type { Counting, Provider, ProviderEvent } from "../core/provider.ts";
import type { Secret } from "../core/secret.ts";
import { type ChatLanguages, languageFor } from "./chat-language.ts";
import { type Answering, failureFrom, jsonFrom, listFrom, requestIdFrom, streamEvents, wholeAnswer } from "./http-answer.ts";
import { embed, type Embedding, embedLanguage } from "./http-embed.ts";
import type { KeyHeader } from "./hosts.ts";
import type { Signer } from "./signing.ts";
import type { WireAnswer } from "./wire/body.ts";
import { framings } from "./wire/framing.ts";
import type { Wire } from "./wire/pool.ts";

/** Longest wait between two bytes of a list of models, or of a count. */
const listIdleMs = 5000;
/** A key that is shorter says nothing, and could be part of any word. */
const keyLengthMin = 8;

/** A host and how to speak to it. */
export interface HttpProviderOptions extends ChatLanguages {
  readonly name: string;
  readonly wire: Wire;
  readonly quirks: Quirks;
  /** Where the host embeds; undefined: nowhere. */
  readonly embedding?: Embedding | undefined;
  /** The unbilled list call; undefined: there is none. */
  readonly modelsPath: string | undefined;
  /** The unbilled counter of tokens, from the origin's root as `chatPath`. Default: there is none. */
  readonly countPath?: ((call: { readonly model: string }) => string) | undefined;
  readonly auth: KeyHeader;
  readonly apiKey: Secret | undefined;
  /** Signs each request, where the host wants that instead of a key. */
  readonly signer?: Signer | undefined;
  readonly clock: Clock;
}

/** Any dialect over HTTP: one POST a call; knows nothing of retries, caches or limits. */
export function createHttpProvider(options: HttpProviderOptions): Provider {
  const { name, embedding } = options;
  const answering = answeringOf(options);
  const prepared: Prepared = { ...options, fixed: fixedHeaders(options), answering };
  return {
    name,
    chat(attempt) {
      const { request } = attempt;
      return isEmbedRequest(request)
        ? embed(attempt, request, { ...answering, embedding, ask: (asked, read) => ask(attempt, prepared, asked, read) })
        : chat(attempt, request, prepared);
    },
    translator: { notes: (request, target, streamed) => notesOn(request, target, streamed, options) },
    ...(options.modelsPath !== undefined && { probing: { probe: (signal) => probe(prepared, signal) } }),
    ...countingOf(prepared),
  };
}

/** What is the same for all calls. */
interface Prepared extends HttpProviderOptions {
  /** Headers of each request; with the key. */
  readonly fixed: readonly string[];
  readonly answering: Answering;
}

function fixedHeaders({ auth, apiKey, dialect }: HttpProviderOptions): readonly string[] {
  const { accept } = framings[dialect.framing ?? "sse"];
  const headers = ["content-type", "application/json", "accept", accept, "accept-encoding", "identity"];
  headers.push("user-agent", "semaroute");
  if (apiKey !== undefined) headers.push(...(auth === "bearer" ? ["authorization", `Bearer ${apiKey.reveal()}`] : [auth, apiKey.reveal()]));
  return headers;
}

async function* chat(
  attempt: Attempt,
  request: Readonly<ChatRequest>,
  prepared: Prepared,
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { quirks } = prepared;
  const { target, streamed } = attempt;
  const { dialect, chatPath } = languageFor(prepared, request, target);
  const answering = { ...prepared.answering, dialect };
  const encoded = dialect.encodeRequest(request, target, quirks, streamed);
  const answer = await post(attempt, prepared, { path: chatPath({ model: target.upstreamModel, streamed }), encoded });
  try {
    if (answer.status !== 200) throw await failureFrom(answer, answering);
    const { status } = answer;
    const head: ProviderEvent = {
      case: "head",
      value: { status, requestId: requestIdFrom(answer.headers, answering), notes: encoded.notes },
    };
    const arriving = { status, headers: answer.headers, body: answer.body, context: encoded.answering };
    if (streamed) yield* streamEvents(head, arriving, answering);
    else yield await wholeAnswer(head, arriving, answering);
  } catch (thrown) {
    throw failureOf(thrown, answer, answering);
  } finally {
    answer.body.close();
  }
}

/** One whole request and answer of an attempt that has several. */
async function ask<T>(attempt: Attempt, prepared: Prepared, asked: Asked, read: (answer: WireAnswer) => Promise<T>): Promise<T> {
  const { answering } = prepared;
  const answer = await post(attempt, prepared, asked);
  try {
    if (answer.status !== 200) throw await failureFrom(answer, answering);
    return await read(answer);
  } catch (thrown) {
    throw failureOf(thrown, answer, answering);
  } finally {
    answer.body.close();
  }
}

interface Asked {
  readonly path: string;
  readonly encoded: EncodedRequest;
}

async function post(attempt: Attempt, { wire, clock, fixed, signer }: Prepared, { path, encoded }: Asked): Promise<WireAnswer> {
  const headers = [...fixed];
  for (const [header, value] of Object.entries(encoded.headers ?? {})) headers.push(header, value);
  // Another semaroute there shares the caller's deadline; to all others it is a header they do not know.
  if (attempt.deadlineByCaller) headers.push("x-semaroute-timeout-ms", String(Math.max(1, Math.floor(attempt.deadline - clock.now()))));
  if (signer !== undefined) headers.push(...(await signer.sign({ method: "POST", path, body: encoded.body })));
  const { signal, snapshot } = attempt;
  return wire.send({ method: "POST", path, headers, body: encoded.body, signal, idleMs: snapshot.options.idleMs });
}

function notesOn(
  request: Readonly<CallRequest>,
  target: Target,
  streamed: boolean,
  options: HttpProviderOptions,
): readonly TranslationNote[] {
  const { quirks } = options;
  if (!isEmbedRequest(request)) return languageFor(options, request, target).dialect.encodeRequest(request, target, quirks, streamed).notes;
  return embedLanguage(options.name, options).encodeRequest(request, target, quirks).notes;
}

function answeringOf({ name, dialect, quirks, clock, apiKey, signer }: HttpProviderOptions): Answering {
  const secrets = [apiKey, ...(signer?.secrets ?? [])].flatMap((secret) => secret?.reveal() ?? []);
  return { who: `provider ${name}`, dialect, quirks, clock, secrets: secrets.filter((secret) => secret.length >= keyLengthMin) };
}

/** What broke an answer. Its words are the upstream's in part, and may hold what it was sent: never a secret. */
function failureOf(thrown: unknown, { status, headers }: WireAnswer, answering: Answering): ChatError {
  const { who, secrets } = answering;
  if (!(thrown instanceof ChatError)) {
    // Whatever a decoder trips over, another target's answer may do without it.
    const upstream = { status, requestId: requestIdFrom(headers, answering) };
    return new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer that cannot be read`, { cause: thrown, upstream });
  }
  const { failure, message, field, retryAfterMs, upstream, fromUpstream, final, blameless, staleState, code } = thrown;
  const tells = (text: string | undefined): boolean => text !== undefined && secrets.some((secret) => text.includes(secret));
  if (![message, field, upstream?.requestId].some(tells)) return thrown;
  const without = (text: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
  return new ChatError(failure, without(message), {
    field: field === undefined ? undefined : without(field),
    retryAfterMs,
    upstream: upstream && { ...upstream, requestId: without(upstream.requestId) },
    fromUpstream,
    final,
    blameless,
    staleState,
    code,
  });
}

/** Only where the host has a counter and its language has words for it. */
function countingOf(prepared: Prepared): Pick<Provider, "counting"> {
  const { countPath, dialect, quirks, wire, fixed, signer, answering } = prepared;
  const { counting } = dialect;
  if (countPath === undefined || counting === undefined) return {};
  const countTokens: Counting["countTokens"] = async (request, target, signal) => {
    const { body, headers: more = {} } = counting.encodeRequest(request, target, quirks);
    const path = countPath({ model: target.upstreamModel });
    const headers = [...fixed, ...Object.entries(more).flat()];
    if (signer !== undefined) headers.push(...(await signer.sign({ method: "POST", path, body })));
    const answer = await wire.send({ method: "POST", path, headers, body, signal, idleMs: listIdleMs });
    try {
      if (answer.status !== 200) throw await failureFrom(answer, answering);
      return counting.decodeResponse(await jsonFrom(answer, answering));
    } catch (thrown) {
      throw failureOf(thrown, answer, answering);
    } finally {
      answer.body.close();
    }
  };
  return { counting: { countTokens } };
}

async function probe(prepared: Prepared, signal: AbortSignal): Promise<readonly string[] | undefined> {
  const { wire, modelsPath: path = "/", fixed, signer, answering } = prepared;
  const headers = [...fixed];
  if (signer !== undefined) headers.push(...(await signer.sign({ method: "GET", path, body: undefined })));
  const answer = await wire.send({ method: "GET", path, headers, body: undefined, signal, idleMs: listIdleMs });
  try {
    // A host without a list call is alive all the same.
    if (answer.status === 404 || answer.status === 405) return undefined;
    if (answer.status !== 200) throw await failureFrom(answer, answering);
    return await listFrom(answer, answering);
  } catch (thrown) {
    throw failureOf(thrown, answer, answering);
  } finally {
    answer.body.close();
  }
}
