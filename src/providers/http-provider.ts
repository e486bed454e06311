import type { Attempt } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Quirks, UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { Counting, Provider, ProviderEvent } from "../core/provider.ts";
import type { Secret } from "../core/secret.ts";
import { type Answering, failureFrom, jsonFrom, listFrom, requestIdFrom, streamEvents, wholeAnswer } from "./http-answer.ts";
import type { KeyHeader } from "./hosts.ts";
import type { WireAnswer } from "./wire/body.ts";
import type { Wire } from "./wire/pool.ts";

/** Longest wait between two bytes of a list of models, or of a count. */
const listIdleMs = 5000;
/** A key that is shorter says nothing, and could be part of any word. */
const keyLengthMin = 8;

/** A host and how to speak to it. */
export interface HttpProviderOptions {
  readonly name: string;
  readonly wire: Wire;
  readonly dialect: UpstreamDialect;
  readonly quirks: Quirks;
  /** From the origin's root, base path and query included. */
  readonly chatPath: (call: { readonly model: string; readonly streamed: boolean }) => string;
  /** The unbilled list call; undefined: there is none. */
  readonly modelsPath: string | undefined;
  /** The unbilled counter of tokens, from the origin's root as `chatPath`. Default: there is none. */
  readonly countPath?: ((call: { readonly model: string }) => string) | undefined;
  readonly auth: KeyHeader;
  readonly apiKey: Secret | undefined;
  readonly clock: Clock;
}

/** Any dialect over HTTP: one POST a call; knows nothing of retries, caches or limits. */
export function createHttpProvider(options: HttpProviderOptions): Provider {
  const { dialect, quirks, name } = options;
  const prepared: Prepared = { ...options, fixed: fixedHeaders(options), answering: answeringOf(options) };
  return {
    name,
    chat: (attempt) => chat(attempt, prepared),
    translator: { notes: (request, target, streamed) => dialect.encodeRequest(request, target, quirks, streamed).notes },
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

function fixedHeaders({ auth, apiKey }: HttpProviderOptions): readonly string[] {
  const headers = ["content-type", "application/json", "accept", "application/json", "accept-encoding", "identity"];
  headers.push("user-agent", "semaroute");
  if (apiKey !== undefined) headers.push(...(auth === "bearer" ? ["authorization", `Bearer ${apiKey.reveal()}`] : [auth, apiKey.reveal()]));
  return headers;
}

async function* chat(attempt: Attempt, prepared: Prepared): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { dialect, quirks, wire, chatPath, clock, fixed, answering } = prepared;
  const { request, target, streamed, signal, snapshot } = attempt;
  const encoded = dialect.encodeRequest(request, target, quirks, streamed);
  const headers = [...fixed];
  for (const [header, value] of Object.entries(encoded.headers ?? {})) headers.push(header, value);
  // Another semaroute there shares the caller's deadline; to all others it is a header they do not know.
  if (attempt.deadlineByCaller) headers.push("x-semaroute-timeout-ms", String(Math.max(1, Math.floor(attempt.deadline - clock.now()))));
  const path = chatPath({ model: target.upstreamModel, streamed });
  const answer = await wire.send({ method: "POST", path, headers, body: encoded.body, signal, idleMs: snapshot.options.idleMs });
  try {
    if (answer.status !== 200) throw await failureFrom(answer, answering);
    const { status } = answer;
    const head: ProviderEvent = {
      case: "head",
      value: { status, requestId: requestIdFrom(answer.headers, answering), notes: encoded.notes },
    };
    if (streamed) yield* streamEvents(head, answer, answering);
    else yield await wholeAnswer(head, answer, answering);
  } catch (thrown) {
    throw failureOf(thrown, answer, answering);
  } finally {
    answer.body.close();
  }
}

function answeringOf({ name, dialect, quirks, clock, apiKey }: HttpProviderOptions): Answering {
  const key = apiKey?.reveal() ?? "";
  return { who: `provider ${name}`, dialect, quirks, clock, key: key.length < keyLengthMin ? undefined : key };
}

/** What broke an answer. Its words are the upstream's in part, and may hold what it was sent: never the key. */
function failureOf(thrown: unknown, { status, headers }: WireAnswer, answering: Answering): ChatError {
  const { who, key } = answering;
  if (!(thrown instanceof ChatError)) {
    // Whatever a decoder trips over, another target's answer may do without it.
    const upstream = { status, requestId: requestIdFrom(headers, answering) };
    return new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer that cannot be read`, { cause: thrown, upstream });
  }
  const { failure, message, field, retryAfterMs, upstream, fromUpstream, final, code } = thrown;
  if (key === undefined || ![message, field, upstream?.requestId].some((text) => text?.includes(key) === true)) return thrown;
  return new ChatError(failure, message.replaceAll(key, "***"), {
    field: field?.replaceAll(key, "***"),
    retryAfterMs,
    upstream: upstream && { ...upstream, requestId: upstream.requestId.replaceAll(key, "***") },
    fromUpstream,
    final,
    code,
  });
}

/** Only where the host has a counter and its language has words for it. */
function countingOf(prepared: Prepared): Pick<Provider, "counting"> {
  const { countPath, dialect, quirks, wire, fixed, answering } = prepared;
  const { counting } = dialect;
  if (countPath === undefined || counting === undefined) return {};
  const countTokens: Counting["countTokens"] = async (request, target, signal) => {
    const { body, headers: more = {} } = counting.encodeRequest(request, target, quirks);
    const headers = [...fixed, ...Object.entries(more).flat()];
    const path = countPath({ model: target.upstreamModel });
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
  const { wire, modelsPath = "/", fixed, answering } = prepared;
  const answer = await wire.send({ method: "GET", path: modelsPath, headers: [...fixed], body: undefined, signal, idleMs: listIdleMs });
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
