import type { Catalog, Target } from "./catalog.ts";
import type { AttemptKind, CacheStatus, CallRequest, Priority, TranslationNote, Usage } from "./chat.ts";
import type { ChatError } from "./error.ts";
import type { Insistence } from "./health.ts";
import type { PlanView, Policy } from "./policy.ts";
import type { Provider } from "./provider.ts";

/** Id of a caller's key: `cfg_<name>` for keys of the configuration, `anonymous` where callers are not told apart. */
export type KeyId = string & { readonly __brand: "KeyId" };

/** What a key may use; 0 of anything is no limit. */
export interface KeyLimits {
  readonly requestsPerMinute: number;
  /** Input and output together. */
  readonly tokensPerMinute: number;
  readonly concurrentCalls: number;
  /** Millionths of a US dollar that may be spent in a period. */
  readonly budgetMicroUsd: number;
  /** Days and months are those of UTC. */
  readonly budgetPeriod: "day" | "month" | "total";
}

/** A caller and what it may do. The secret is not in here. */
export interface Key {
  readonly id: KeyId;
  readonly name: string;
  /** Models, aliases and `provider/model` allowed; undefined: all. */
  readonly models: ReadonlySet<string> | undefined;
  readonly priority: Priority;
  /** The operator's word on it, which rules may go by; absent: none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent: none. */
  readonly limits?: KeyLimits | undefined;
}

/** The protocol a call came by; a metric label. */
export type Door = "openai" | "responses" | "anthropic" | "websocket" | "grpc" | "grpc-web" | "connect";

/** Durations in milliseconds and counts that bound a call; from `resilience` in the configuration. */
export interface CallOptions {
  readonly attemptsMax: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly firstTokenMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
  /** Longest time between two content events of a stream, whatever else the upstream sends meanwhile. */
  readonly progressMs: number;
  /** Repeats per call, over time; 0: none. */
  readonly retryBudget: number;
  /** Undefined: calls are not hedged. */
  readonly hedge: HedgeOptions | undefined;
  /** What to do with request fields a target cannot honour, where the request does not say. */
  readonly unsupportedFields: "drop" | "require";
}

/** When a second target is asked beside the first, and what that may cost; from `resilience.hedge`. */
export interface HedgeOptions {
  /** Of the first target's observed times to first content, in (0, 1). */
  readonly quantile: number;
  /** Most that hedges may add to what calls cost without them. */
  readonly extraCostRatioMax: number;
}

/** The policy in force and the revision it is known by. */
export interface ActivePolicy {
  /** Content hash; `x-semaroute-policy`. */
  readonly revision: string;
  readonly name: string;
  readonly rank: Policy;
}

/** Configuration, catalogue, prices and policy as they were when a call began; frozen, swapped by one assignment. */
export interface Snapshot {
  readonly catalog: Catalog;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly policy: ActivePolicy;
  readonly options: CallOptions;
  /** Which prices are in force: the price source's version and a hash of all of them; absent: nobody told. */
  readonly priceVersion?: string | undefined;
  /** Present while a second policy is tried on a share of the callers: what those get instead (`sideOf`). */
  readonly canary?: { readonly snapshot: Snapshot; readonly share: number };
}

/** A caller's request, whatever protocol it came by. */
export interface Call {
  /** Ours, unique, UUIDv7; the decision's id. Keys everything. */
  readonly id: string;
  /** The caller's x-request-id if sane, else ours; echoed and logged, never a key of anything. */
  readonly requestId: string;
  readonly door: Door;
  readonly key: Key;
  readonly request: Readonly<CallRequest>;
  /** Whether the caller wants events as they come; never for embeddings. */
  readonly streamed: boolean;
  /** When the call's bytes had arrived; monotonic milliseconds. */
  readonly receivedMs: number;
  /** Monotonic milliseconds. Of a call that equal ones share (`Flight`), the latest of theirs: it may move until it is over. */
  readonly deadline: number;
  /** True: the deadline is the caller's own wish; its passing is DEADLINE_EXCEEDED, not TIMEOUT. */
  readonly deadlineByCaller: boolean;
  /** Aborts when the caller leaves, the deadline passes or the server drains; the reason is a ChatError. */
  readonly signal: AbortSignal;
  readonly snapshot: Snapshot;
  /** All randomness of this call, 53 bits. Those of calls that follow each other are spread evenly (`chance.ts`). */
  readonly seed: number;
  /** W3C trace context of the caller, if it sent a sane one. */
  readonly traceparent: string | undefined;
}

/** One try at one target. */
export interface Attempt extends Call {
  readonly target: Target;
  /** From 0, over all targets of the call. */
  readonly ordinal: number;
  /** How long to wait for a free slot of the provider; 0: not at all. */
  readonly patienceMs: number;
  /** Set: the target's breaker is not asked. From the call's plan. */
  readonly insist: Insistence | undefined;
}

/** What became known of an attempt. `dispatch` owns it; it is final once `endMs` is set. */
export interface AttemptRecord {
  readonly id: string;
  readonly target: Target;
  readonly kind: AttemptKind;
  /** Milliseconds since the epoch. */
  readonly startWall: number;
  /** Monotonic milliseconds. */
  readonly startMs: number;
  firstContentMs: number | undefined;
  endMs: number | undefined;
  /** HTTP status of the upstream; 0 when no answer came. */
  status: number;
  upstreamRequestId: string;
  error: ChatError | undefined;
  usage: Usage | undefined;
  /** Its answer is the one the caller got. */
  won: boolean;
}

/** Where an answer comes from. */
export interface Source {
  readonly target: Target;
  readonly cache: CacheStatus;
  /** In the order they were made; the last one goes on until the stream ends. */
  readonly attempts: readonly AttemptRecord[];
  /** Milliseconds this call waited for an upstream that an equal call had asked, or that embedded its question for the semantic cache. */
  readonly sharedMs?: number;
  /** Of the question that the answer is of to the one that was asked: cosine, at most 1; absent: it is the same one. */
  readonly similarity?: number;
  /** What the translation to this target changed. */
  readonly notes: readonly TranslationNote[];
  /** Name of the policy's rule that matched; empty: none. */
  readonly rule: string;
  /** Name of the experiment's arm that the call was dealt to; absent: none. */
  readonly arm?: string;
  /** Rules whose condition could not be evaluated; absent: none. */
  readonly failedRules?: readonly string[];
  /** How the targets were ranked; absent where nobody had to: a stored answer. */
  readonly plan?: PlanView;
}
