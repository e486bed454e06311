import type { CallOptions } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { AttemptKind } from "../core/chat.ts";
import { ChatError, type Failure, remedies } from "../core/error.ts";
import type { Candidate, Ranked } from "../core/policy.ts";
import { hasMoreRoom } from "./needs.ts";

/** Longest wait for a free slot once every target is full (docs/configuration.md, max_concurrent). */
const slotWaitMs = 2000;
/** Where several are full, each is waited for so long before it is the next one's turn. */
const waitTurnMs = 200;
/** A 429 without a wait is taken for one of so long, doubled each time; so long the target is left alone by others too. */
const rateLimitedMs = 1000;
/** Longest Retry-After that a call sits out before the same target is asked again. */
const retryAfterWaitMaxMs = 5000;

/** A moment more than was asked for: by then the target's cool-down is over for certain. */
const retryAfterSlackMs = 20;

/** A failure that took so long is not repeated: the upstream worked for it, and would again. Other targets are still tried. */
const lateMs = 10_000;

/** What to do next. */
export interface Step {
  readonly candidate: Candidate;
  readonly target: Target;
  readonly index: number;
  readonly kind: AttemptKind;
  /** Pause before it. */
  readonly pauseMs: number;
  readonly patienceMs: number;
  /** The request goes without sealed state of earlier turns. */
  readonly bare: boolean;
}

interface Entry {
  readonly candidate: Candidate;
  readonly target: Target;
  tries: number;
  /** What went wrong elsewhere would go wrong here too: the same credential, no more room. */
  passed: boolean;
  /** The last failure's remedy allows this target again. */
  again: boolean;
  skipped: ChatError | undefined;
  retryAfterMs: number | undefined;
}

/** What progress is made of. */
export interface ProgressParts {
  readonly ranked: readonly Ranked[];
  /** Over all targets. */
  readonly attemptsMax: number;
  /** There is no other target for this call, whatever the moment is like. */
  readonly isLone: boolean;
  readonly options: CallOptions;
  /** The request may be sent without sealed state of earlier turns, if an upstream does not accept it. */
  readonly mayBare: boolean;
  /** In [0, 1). */
  readonly random: () => number;
  /** Whether the group's budget grants one more repeat; asked once for each. */
  readonly mayRepeat: () => boolean;
}

/**
 * What next, given what came of the attempts so far. Pure but for its own memory: another target at once, the same one
 * after a pause, each at most twice (a lone one as often as the call allows), a full one after a wait.
 */
export class Progress {
  readonly #entries: Entry[];
  readonly #attemptsMax: number;
  readonly #lone: boolean;
  readonly #options: CallOptions;
  readonly #mayBare: boolean;
  readonly #random: () => number;
  readonly #mayRepeat: () => boolean;
  readonly #errors: ChatError[] = [];
  /** What our own translation refused: no attempt, and no answer as long as there is another. */
  readonly #unfit: ChatError[] = [];
  #waitLeftMs = slotWaitMs;
  #waitedAt = -1;
  #stopped: ChatError | undefined;
  /** Sealed state was refused: it is sent no more. */
  #bare = false;
  /** Who refused it, and is asked once more. */
  #refuser: number | undefined;

  constructor({ ranked, attemptsMax, isLone, options, mayBare, random, mayRepeat }: ProgressParts) {
    this.#entries = ranked.map(({ candidate }) => ({
      candidate,
      target: candidate.target,
      tries: 0,
      passed: false,
      again: true,
      skipped: undefined,
      retryAfterMs: undefined,
    }));
    this.#attemptsMax = attemptsMax;
    this.#lone = isLone;
    this.#options = options;
    this.#mayBare = mayBare;
    this.#random = random;
    this.#mayRepeat = mayRepeat;
  }

  /** The next attempt; undefined: there is none, and `verdict()` says why. */
  next(): Step | undefined {
    if (this.#stopped !== undefined || this.#errors.length >= this.#attemptsMax) return undefined;
    const refuser = this.#refuser;
    this.#refuser = undefined;
    if (refuser !== undefined) return this.#step(refuser, 0, 0);
    const fresh = this.#fresh();
    if (fresh >= 0) return this.#step(fresh, 0, 0);
    const again = this.#again();
    if (again !== undefined) return again;
    return this.#wait();
  }

  /** Whoever gets a slot first: one full target is waited for as long as may be, several by turns. */
  #wait(): Step | undefined {
    if (this.#waitLeftMs <= 0) return undefined;
    const busy = [...this.#entries.keys()].filter((index) => isBusy(this.#entries[index]));
    const index = busy.find((each) => each > this.#waitedAt) ?? busy[0];
    if (index === undefined) return undefined;
    this.#waitedAt = index;
    const patienceMs = busy.length === 1 ? this.#waitLeftMs : Math.min(this.#waitLeftMs, waitTurnMs);
    this.#waitLeftMs -= patienceMs;
    return this.#step(index, 0, patienceMs);
  }

  /** Who may be asked beside `running`, which has not answered yet; undefined: nobody. */
  beside(running: Step): Step | undefined {
    if (this.#errors.length + 2 > this.#attemptsMax) return undefined;
    const index = this.#entries.findIndex(
      (entry, at) => at !== running.index && isFresh(entry) && entry.candidate.health.openUntilMs === 0,
    );
    const step = this.#step(index, 0, 0);
    return step && { ...step, kind: AttemptKind.HEDGE };
  }

  /** Nobody else is to be tried, whatever still runs. */
  get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** An attempt failed after `tookMs`, or was never made because its target could not be called. */
  failed(step: Step, error: ChatError, tookMs: number): void {
    const entry = this.#entries[step.index];
    if (entry === undefined) return;
    if (error.skipped !== undefined) {
      entry.skipped = error;
      return;
    }
    // It was called after all: what it was skipped for is over.
    entry.skipped = undefined;
    if (isOurOwnNo(error)) {
      entry.passed = true;
      this.#unfit.push(error);
      return;
    }
    entry.tries++;
    this.#errors.push(error);
    const remedy = remedies[error.failure];
    entry.again = remedy.same && !error.final && tookMs < lateMs;
    entry.retryAfterMs =
      error.failure === "RATE_LIMITED" ? error.retryAfterMs || rateLimitedMs * 2 ** (entry.tries - 1) : error.retryAfterMs;
    if (error.staleState && this.#mayBare && !step.bare) {
      // A repair of the request, no repeat of it: at once, once a call, and not on the budget for repeats.
      if (!this.#bare) this.#refuser = step.index;
      this.#bare = true;
      return;
    }
    const wished = error.failure === "CONTENT_POLICY" && entry.target.fallbackOnRefusal === true;
    if (remedy.next === "nobody" && !remedy.same && !wished) this.#stopped = error;
    for (const other of this.#entries) if (isFutile(other, entry, error)) other.passed = true;
  }

  /** Who has not been asked. One that is asked although its breaker is open is worth no more than a repeat. */
  #fresh(): number {
    return this.#entries.findIndex((entry) => {
      if (!isFresh(entry)) return false;
      entry.passed = this.#errors.length > 0 && entry.candidate.health.openUntilMs > 0 && !this.#mayRepeat();
      return !entry.passed;
    });
  }

  /** The same target once more, after a pause, where its failure allows it and the budget grants it. */
  #again(): Step | undefined {
    const each = this.#lone ? this.#attemptsMax : 2;
    const index = this.#entries.findIndex(
      (entry) =>
        entry.tries > 0 &&
        entry.again &&
        entry.tries < each &&
        entry.skipped === undefined &&
        !entry.passed &&
        (entry.retryAfterMs ?? 0) <= retryAfterWaitMaxMs,
    );
    const entry = this.#entries[index];
    if (entry === undefined || !this.#mayRepeat()) return undefined;
    const told = entry.retryAfterMs === undefined ? 0 : entry.retryAfterMs + retryAfterSlackMs;
    return this.#step(index, Math.max(this.#backoffMs(entry.tries), told), 0);
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
    const last = this.#errors.at(-1) ?? this.#unfit.at(-1);
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
    return { candidate: entry.candidate, target: entry.target, index, kind, pauseMs, patienceMs, bare: this.#bare };
  }

  /** Full jitter: anything up to base × 2^(tries−1), so that callers who failed together do not come back together. */
  #backoffMs(tries: number): number {
    return this.#random() * Math.min(this.#options.retryMaxMs, this.#options.retryBaseMs * 2 ** (tries - 1));
  }
}

function isBusy(entry: Entry | undefined): boolean {
  return entry?.skipped?.skipped === "busy" && !entry.passed;
}

/** Refused by our own translation, before anybody was called. */
export function isOurOwnNo({ failure, upstream }: ChatError): boolean {
  return failure === "UNSUPPORTED_FEATURE" && upstream === undefined;
}

function isFresh({ tries, skipped, passed }: Entry): boolean {
  return tries === 0 && skipped === undefined && !passed;
}

/** Whether a failure of one target tells that the call would fail at the other too. */
function isFutile(other: Entry, failed: Entry, error: ChatError): boolean {
  if (error.failure === "CONTEXT_LENGTH_EXCEEDED") return !hasMoreRoom(other.target, failed.target, error.field);
  if (remedies[error.failure].next !== "credential") return false;
  // A 403 may speak of the one model; everything else of the credential, which all of a provider's targets share.
  return error.upstream?.status === 403 ? other === failed : other.target.provider === failed.target.provider;
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
