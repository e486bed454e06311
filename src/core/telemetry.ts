import type { AttemptRecord, Call, Door, Source } from "./call.ts";
import type { Usage } from "./chat.ts";
import type { ChatError, Failure } from "./error.ts";

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
  /** Undefined on success. */
  readonly error: ChatError | undefined;
}

/** Whoever wants to know of calls: the log, the metrics, the tracer, the counters. Must not throw. */
export interface CallObserver {
  began(call: Call): void;
  ended(record: CallRecord): void;
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
  readonly failure: Failure;
}

/** Whoever wants to know of refused requests. Must not throw. */
export interface RefusalObserver {
  refused(request: RefusedRequest): void;
}
