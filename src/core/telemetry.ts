import type { AttemptRecord, Call, Door, KeyId, Source } from "./call.ts";
import type { Usage } from "./chat.ts";
import type { ChatError, Failure } from "./error.ts";
import type { PlanView } from "./policy.ts";
import type { SimilarLook } from "./similar.ts";

/** What came of a call; exactly one for each. Holds no prompt and no answer. */
export interface CallRecord {
  readonly call: Call;
  /** Monotonic milliseconds. */
  readonly endMs: number;
  /** Undefined: no content was sent. */
  readonly firstContentMs: number | undefined;
  /** Undefined: nothing answered. */
  readonly source: Source | undefined;
  /** All attempts, also those of a call that nothing answered. */
  readonly attempts: readonly AttemptRecord[];
  readonly usage: Usage | undefined;
  /** How the targets were ranked; absent where nobody had to, or the call did not come so far. */
  readonly plan?: PlanView | undefined;
  /** Undefined on success. */
  readonly error: ChatError | undefined;
}

/** Whoever wants to know of calls: the log, the metrics, the tracer, the counters. One that throws is sheltered from the rest. */
export interface CallObserver {
  began(call: Call): void;
  ended(record: CallRecord): void;
  /** A copy of the call, which nobody waits for, came to its end: before the call's own or after it. Absent: it is not interested. */
  shadowed?(call: Call, attempt: AttemptRecord): void;
  /** The semantic cache was asked for the call, which goes on. Absent: it is not interested. */
  looked?(call: Call, look: SimilarLook): void;
}

/** A request that was refused at its door, before it became a call: no key, no JSON, a foreign page. */
export interface RefusedRequest {
  /** Ours; what its call would have been known by. */
  readonly id: string;
  readonly requestId: string;
  /** `admin` for the control plane, by whatever protocol. */
  readonly door: Door | "admin";
  /** Peer of the socket; who guesses keys is found by it. */
  readonly address: string | undefined;
  /** Method of the control plane that was asked for (`SwapPolicy`), as in an audit line; undefined: none, or not known. */
  readonly action?: string | undefined;
  readonly failure: Failure;
  /** Whose limit it was; absent: no limit of a key refused it. */
  readonly key?: KeyId | undefined;
}

/** Whoever wants to know of refused requests; sheltered likewise. */
export interface RefusalObserver {
  refused(request: RefusedRequest): void;
}

/** An observer whose bugs are its own: the call it was told of, and whoever else is told, do not feel them. */
export function sheltered(observer: CallObserver, onBug: (error: unknown) => void): CallObserver {
  return {
    began(call) {
      try {
        observer.began(call);
      } catch (bug) {
        onBug(bug);
      }
    },
    ended(record) {
      try {
        observer.ended(record);
      } catch (bug) {
        onBug(bug);
      }
    },
    shadowed(call, attempt) {
      try {
        observer.shadowed?.(call, attempt);
      } catch (bug) {
        onBug(bug);
      }
    },
    looked(call, look) {
      try {
        observer.looked?.(call, look);
      } catch (bug) {
        onBug(bug);
      }
    },
  };
}

/** Tells each of them, sheltered likewise. */
export function refusalTeller(observers: readonly RefusalObserver[], onBug: (error: unknown) => void): (request: RefusedRequest) => void {
  return (request) => {
    for (const observer of observers) {
      try {
        observer.refused(request);
      } catch (bug) {
        onBug(bug);
      }
    }
  };
}
