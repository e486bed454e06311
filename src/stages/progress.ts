import type { CallOptions } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { AttemptKind } from "../core/chat.ts";
import { ChatError, type Failure, remedies } from "../core/error.ts";
import type { Ranked } from "../core/policy.ts";

/** Longest wait for a free slot once every target is full (docs/configuration.md, max_concurrent). */
const slotWaitMs = 2000;
/** Longest Retry-After that a call sits out before the same target is asked again. */
const retryAfterWaitMaxMs = 5000;

/** A moment more than was asked for: by then the target's cool-down is over for certain. */
const retryAfterSlackMs = 20;

/** What to do next. */
export interface Step {
  readonly target: Target;
  readonly index: number;
  readonly kind: AttemptKind;
  /** Pause before it. */
  readonly pauseMs: number;
  readonly patienceMs: number;
}

interface Entry {
  readonly target: Target;
  tries: number;
  /** The last failure's remedy allows this target again. */
  again: boolean;
  skipped: ChatError | undefined;
  retryAfterMs: number | undefined;
}

/**
 * What next, given what came of the attempts so far. Pure but for its own memory: another target at once, the same one
 * after a pause, each at most twice (a lone one as often as the call allows), a full one after a wait.
 */
export class Progress {
  readonly #entries: Entry[];
  readonly #attemptsMax: number;
  readonly #options: CallOptions;
  readonly #random: () => number;
  readonly #errors: ChatError[] = [];
  #waited = false;
  #stopped: ChatError | undefined;

  constructor(ranked: readonly Ranked[], attemptsMax: number, options: CallOptions, random: () => number) {
    this.#entries = ranked.map(({ candidate }) => ({
      target: candidate.target,
      tries: 0,
      again: true,
      skipped: undefined,
      retryAfterMs: undefined,
    }));
    this.#attemptsMax = attemptsMax;
    this.#options = options;
    this.#random = random;
  }

  /** The next attempt; undefined: there is none, and `verdict()` says why. */
  next(): Step | undefined {
    if (this.#stopped !== undefined || this.#errors.length >= this.#attemptsMax) return undefined;
    const fresh = this.#entries.findIndex((entry) => entry.tries === 0 && entry.skipped === undefined);
    if (fresh >= 0) return this.#step(fresh, 0, 0);
    const each = this.#entries.length === 1 ? this.#attemptsMax : 2;
    const again = this.#entries.findIndex(
      (entry) =>
        entry.tries > 0 &&
        entry.again &&
        entry.tries < each &&
        entry.skipped === undefined &&
        (entry.retryAfterMs ?? 0) <= retryAfterWaitMaxMs,
    );
    const entry = this.#entries[again];
    if (entry !== undefined)
      return this.#step(
        again,
        Math.max(this.#backoffMs(entry.tries), entry.retryAfterMs === undefined ? 0 : entry.retryAfterMs + retryAfterSlackMs),
        0,
      );
    if (this.#waited) return undefined;
    this.#waited = true;
    const busy = this.#entries.findIndex(({ skipped }) => skipped?.skipped === "busy");
    return busy < 0 ? undefined : this.#step(busy, 0, slotWaitMs);
  }

  /** An attempt failed, or was never made because its target could not be called. */
  failed(step: Step, error: ChatError): void {
    const entry = this.#entries[step.index];
    if (entry === undefined) return;
    if (error.skipped !== undefined) {
      entry.skipped = error;
      return;
    }
    // It was called after all: what it was skipped for is over.
    entry.skipped = undefined;
    entry.tries++;
    this.#errors.push(error);
    const remedy = remedies[error.failure];
    entry.again = remedy.same;
    entry.retryAfterMs = error.retryAfterMs;
    if (remedy.next === "nobody" && !remedy.same) this.#stopped = error;
  }

  /** Why the call failed: the most informative of its attempts' errors. */
  verdict(): ChatError {
    const error = this.#verdict();
    const unknown = error.failure === "MODEL_NOT_FOUND" && this.#entries.every(({ target }) => target.madeUp !== true);
    if (!unknown) return error;
    // The caller asked for a name that we offer: that the upstream does not know it is the operator's to mend.
    return new ChatError("UPSTREAM_UNAVAILABLE", error.message, {
      cause: error,
      ...(error.upstream !== undefined && { upstream: error.upstream }),
    });
  }

  #verdict(): ChatError {
    if (this.#stopped !== undefined) return this.#stopped;
    const last = this.#errors.at(-1);
    if (last === undefined) return notCalled(this.#entries.flatMap(({ skipped }) => skipped ?? []));
    // What waiting can heal is worth more to the caller than what it cannot; of waits the shortest is true.
    const waits = this.#errors.filter((error) => waitable.has(error.failure));
    const shortest = waits.toSorted((a, b) => (a.retryAfterMs ?? 1000) - (b.retryAfterMs ?? 1000))[0];
    return shortest ?? this.#errors.findLast((error) => !callersOwn.has(error.failure)) ?? last;
  }

  #step(index: number, pauseMs: number, patienceMs: number): Step | undefined {
    const entry = this.#entries[index];
    if (entry === undefined) return undefined;
    const first = this.#errors.length === 0;
    const kind = first ? AttemptKind.PRIMARY : entry.tries > 0 ? AttemptKind.RETRY : AttemptKind.FAILOVER;
    return { target: entry.target, index, kind, pauseMs, patienceMs };
  }

  /** Full jitter: anything up to base × 2^(tries−1), so that callers who failed together do not come back together. */
  #backoffMs(tries: number): number {
    return this.#random() * Math.min(this.#options.retryMaxMs, this.#options.retryBaseMs * 2 ** (tries - 1));
  }
}

const waitable: ReadonlySet<Failure> = new Set(["RATE_LIMITED", "OVERLOADED"]);
const callersOwn: ReadonlySet<Failure> = new Set([
  "CONTEXT_LENGTH_EXCEEDED",
  "UNSUPPORTED_FEATURE",
  "REQUEST_TOO_LARGE",
  "MODEL_NOT_FOUND",
]);

function notCalled(skips: readonly ChatError[]): ChatError {
  const why = skips.map((error) => error.message).join("; ");
  const retryAfterMs = Math.max(1, Math.min(...skips.map((error) => error.retryAfterMs ?? 1000)));
  if (skips.length > 0 && skips.every((error) => error.skipped === "busy")) return new ChatError("SHED", why, { retryAfterMs });
  return new ChatError("NO_TARGET", `no target could be called: ${why}`, {
    retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : 1000,
  });
}
