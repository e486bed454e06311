import { create } from "@bufbuild/protobuf";
import type { AttemptRecord, Call, KeyId, Source } from "../../src/core/call.ts";
import type { Catalog, Target, TargetId } from "../../src/core/catalog.ts";
import {
  AttemptKind,
  CacheStatus,
  ChatRequestSchema,
  message,
  ModelCapabilitiesSchema,
  Role,
  textPart,
  usageOf,
  type ChatRequest,
  type Usage,
} from "../../src/core/chat.ts";
import type { CallObserver, CallRecord } from "../../src/core/telemetry.ts";

/** What must never come out anywhere: a prompt's sentence and a key's secret. */
export const canaries = ["the heron reads tax law at dusk", "sk-canary-5f2d9c"] as const;

/** A target with a price of 2 and 10 dollars per million tokens, unless told otherwise. */
export function target(
  provider: string,
  model: string,
  price: Target["price"] = { input: 2e6, output: 10e6, cacheRead: undefined, cacheWrite: undefined },
): Target {
  return {
    id: `${provider}/${model}` as TargetId,
    provider,
    model,
    upstreamModel: `${model}-2026`,
    kind: "chat",
    issuer: provider,
    capabilities: create(ModelCapabilitiesSchema),
    price,
    timeoutMs: undefined,
  };
}

const catalog: Catalog = { targets: [], aliases: new Map(), resolve: () => undefined, find: () => undefined, mayAsk: () => true };

/** A request whose every free text is a canary. */
function request(model: string): ChatRequest {
  const [sentence, secret] = canaries;
  return create(ChatRequestSchema, {
    model,
    messages: [message(Role.USER, [textPart(sentence)])],
    endUserId: secret,
    promptCacheKey: secret,
    metadata: { note: sentence },
    extensionsJson: { openai: JSON.stringify({ api_key: secret }) },
  });
}

/** A call by the OpenAI door that came at 1000 ms. */
export function call(overrides: Partial<Call> & { readonly model?: string } = {}): Call {
  const { model = "auto", ...rest } = overrides;
  return {
    id: "0193-call",
    requestId: "caller-1",
    door: "openai",
    key: { id: "cfg_team-a" as KeyId, name: "team-a", models: undefined, priority: 2 },
    request: request(model),
    streamed: false,
    receivedMs: 1000,
    deadline: 601_000,
    deadlineByCaller: false,
    signal: new AbortController().signal,
    snapshot: {
      catalog,
      providers: new Map(),
      policy: { revision: "rev-1", name: "cost", rank: () => ({ order: [], rule: "" }) },
      options: {
        attemptsMax: 3,
        retryBaseMs: 100,
        retryMaxMs: 2000,
        firstTokenMs: 60_000,
        idleMs: 60_000,
        progressMs: 300_000,
        retryBudget: 0.2,
        hedge: undefined,
        totalMs: 600_000,
        unsupportedFields: "drop",
      },
    },
    seed: 1,
    traceparent: undefined,
    ...rest,
  };
}

/** A primary attempt from 1001 to 1100 ms that answered 200. */
export function attempt(at: Target, overrides: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    id: "0193-call.1",
    target: at,
    kind: AttemptKind.PRIMARY,
    startWall: 1_767_225_601_001,
    startMs: 1001,
    firstContentMs: 1050,
    endMs: 1100,
    status: 200,
    upstreamRequestId: "",
    error: undefined,
    usage: undefined,
    won: true,
    ...overrides,
  };
}

/** Where an answer came from: the last attempt, past the cache. */
export function source(attempts: readonly AttemptRecord[], at: Target, cache: CacheStatus = CacheStatus.MISS): Source {
  return { target: at, cache, attempts, notes: [], rule: "" };
}

/** A call that ended well at 1101 ms, after one attempt. */
export function record(overrides: Partial<CallRecord> = {}): CallRecord {
  const usage: Usage = usageOf(100, 20);
  const at = target("openai", "gpt");
  const attempts = overrides.attempts ?? [attempt(at, { usage })];
  const last = attempts.at(-1)?.target ?? at;
  return {
    call: call(),
    endMs: 1101,
    firstContentMs: 1050.5,
    source: source(attempts, last),
    attempts,
    usage,
    error: undefined,
    ...overrides,
  };
}

/** Tells an observer of a whole call. */
export function observe(observer: CallObserver, seen: CallRecord): void {
  observer.began(seen.call);
  observer.ended(seen);
}
