import type { AttemptRecord, KeyId } from "./call.ts";
import { ErrorReason, type Usage } from "./chat.ts";
import type { Allowances } from "./limits.ts";
import type { PlanView } from "./policy.ts";

/** A cause that a machine can act on: the names of the proto's ErrorReason. */
export type Failure = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** Whether a word names a failure. */
export function isFailure(word: string): word is Failure {
  return word !== "UNSPECIFIED" && Object.hasOwn(ErrorReason, word);
}

/** What is known about the upstream answer behind a failure. */
export interface UpstreamTrace {
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** The upstream's own request id; empty where it sent none. */
  readonly requestId: string;
}

/** Why a target was not called: its credential is out, it wants to be left alone, its breaker is open, or it is full. */
export type Skip = "credential" | "cooling" | "open" | "busy";

/** Facts that go with a failure. */
export interface ChatErrorOptions {
  readonly cause?: unknown;
  /** Path of the offending field in the caller's own terms, such as `messages[0].content`. */
  readonly field?: string | undefined;
  /** Milliseconds after which a new try may help. */
  readonly retryAfterMs?: number | undefined;
  readonly upstream?: UpstreamTrace | undefined;
  /** The target was not called at all: it is barred, or full. Never counts as an attempt. */
  readonly skipped?: Skip | undefined;
  /** The upstream's own 400, whose message and param the caller may see. */
  readonly fromUpstream?: boolean | undefined;
  /** The same target would fail in the same way again: a bad certificate, a redirect. */
  readonly final?: boolean | undefined;
  /** What the model made of the one request, not the target's state: health does not hear of it, whatever the failure's remedy says. */
  readonly blameless?: boolean | undefined;
  /**
   * Nobody waited any longer, before the target's own limits were reached: the caller wished for less, or another target
   * answered first. Speaks against the target only where it had been slow for its own measure.
   */
  readonly impatient?: boolean | undefined;
  /** The upstream cannot read, or does not accept, sealed state of earlier turns: without it the same request may be taken. */
  readonly staleState?: boolean | undefined;
  /** The door's own, more exact name of the fault: `error.code` in OpenAI's shape. */
  readonly code?: string | undefined;
}

/**
 * The one error of the house. Messages are lower case, say what and which, and never hold a secret, a prompt or an
 * answer: they are shown to callers and written to logs.
 */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly failure: Failure;
  readonly field: string | undefined;
  /** As the upstream told it; dispatch makes it true for the whole call. */
  retryAfterMs: number | undefined;
  readonly upstream: UpstreamTrace | undefined;
  readonly skipped: Skip | undefined;
  readonly fromUpstream: boolean;
  readonly final: boolean;
  readonly blameless: boolean;
  readonly impatient: boolean;
  readonly staleState: boolean;
  readonly code: string | undefined;
  /** Set by the room that watched the attempt: what it used before it failed. */
  usage: Usage | undefined;
  /** Set by dispatch on the error that ends a call: what was tried. */
  attempts: readonly AttemptRecord[] = [];
  /** Set by dispatch likewise: how the targets were ranked. */
  plan: PlanView | undefined;
  /** Set by whoever refuses or answers for a key with limits: how they stand. */
  allowances: Allowances | undefined;
  /** Set where a limit of a key refused the call: whose. */
  limitedKey: KeyId | undefined;

  constructor(failure: Failure, text: string, options: ChatErrorOptions = {}) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
    this.upstream = options.upstream;
    this.skipped = options.skipped;
    this.fromUpstream = options.fromUpstream ?? false;
    this.final = options.final ?? false;
    this.blameless = options.blameless ?? false;
    this.impatient = options.impatient ?? false;
    this.staleState = options.staleState ?? false;
    this.code = options.code;
  }

  /** The enum's number. */
  get reason(): ErrorReason {
    return ErrorReason[this.failure];
  }
}

/** Any thrown thing as a ChatError; what nobody foresaw is INTERNAL, and its own text stays in `cause`. */
export function chatErrorFrom(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  return new ChatError("INTERNAL", "internal error", { cause: thrown });
}

/** Where a failed attempt may be tried again. */
export interface Remedy {
  /** The same target may be tried once more, after a pause. */
  readonly same: boolean;
  /**
   * Who may be tried next, at once: any other target, only one that is called with another credential, or nobody.
   */
  readonly next: "target" | "credential" | "nobody";
  /** The breaker hears of it: the target is at fault, not the caller and not a limit. */
  readonly blame: boolean;
}

const stop: Remedy = { same: false, next: "nobody", blame: false };
const fault: Remedy = { same: true, next: "target", blame: true };
const elsewhere: Remedy = { same: false, next: "target", blame: false };
const otherCredential: Remedy = { same: false, next: "credential", blame: false };

/** What to do about each failure of an attempt: one table for all dialects. */
export const remedies = {
  INVALID_REQUEST: stop,
  CONTEXT_LENGTH_EXCEEDED: elsewhere,
  REQUEST_TOO_LARGE: elsewhere,
  CONTENT_POLICY: stop,
  UNSUPPORTED_FEATURE: elsewhere,
  CALLER_UNAUTHENTICATED: stop,
  CALLER_FORBIDDEN: stop,
  MODEL_NOT_FOUND: elsewhere,
  CALLER_RATE_LIMITED: stop,
  BUDGET_EXHAUSTED: stop,
  RATE_LIMITED: { same: true, next: "target", blame: false },
  QUOTA_EXHAUSTED: otherCredential,
  OVERLOADED: fault,
  UPSTREAM_UNAVAILABLE: fault,
  TIMEOUT: { same: false, next: "target", blame: true },
  UPSTREAM_AUTH: otherCredential,
  UPSTREAM_PROTOCOL: fault,
  STREAM_INTERRUPTED: { same: false, next: "nobody", blame: true },
  NO_TARGET: elsewhere,
  CANCELLED: stop,
  INTERNAL: stop,
  SHED: elsewhere,
  DRAINING: stop,
  DEADLINE_EXCEEDED: stop,
  STORE_UNAVAILABLE: stop,
} as const satisfies Record<Failure, Remedy>;
