import type { TargetId } from "../core/catalog.ts";
import { BreakerState } from "../core/chat.ts";
import { ChatError, type Failure, remedies } from "../core/error.ts";
import { missingFeature } from "../core/features.ts";
import type { HealthView, Insistence, Outcome } from "../core/health.ts";
import type { Hint } from "../core/hints.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { Breaker, type BreakerOptions, insistedEnough } from "./breaker.ts";
import { Cooldown } from "./cooldown.ts";
import { FeatureMemory } from "./feature-memory.ts";
import { FeltLatency } from "./felt-latency.ts";
import { Hearsay } from "./hearsay.ts";
import { Lockout } from "./lockout.ts";
import { SlidingCounts } from "./sliding-counts.ts";
import { SlowStart } from "./slow-start.ts";
import { viewOf, viewUntilMs } from "./target-view.ts";

/** Who was left alone for that long comes back slowly, too. */
const longCooldownMs = 10_000;

/** The target's fault or state, though not a fault for the breaker: it answers, and says no to everybody. */
const refusals: ReadonlySet<Failure> = new Set(["RATE_LIMITED", "QUOTA_EXHAUSTED", "UPSTREAM_AUTH"]);

/** What the last probe of the target's provider said, or a call that succeeded since. */
export type HostEvidence = "none" | "good" | "doubtful" | "bad";

/** What a target shares with the others of its provider. */
export interface ProviderEvidence {
  readonly host: HostEvidence;
  /** `max_concurrent`; 0: none known. */
  readonly concurrencyMax: number;
}

/** One attempt, from its admission on. */
export interface Admission {
  /** The breaker's. */
  readonly ticket: number;
  /** It was let past a breaker that did not admit it. */
  readonly insisted: boolean;
  /** The hearsay's. */
  readonly hearsay: number;
  /** Monotonic milliseconds. */
  readonly beganMs: number;
}

/** Everything known of one target: breaker, cool-down, credential, what it lacks, ratio and latencies, each on its own axis. */
export class TargetState {
  readonly id: TargetId;
  readonly breaker: Breaker;
  readonly cooldown: Cooldown;
  /** Of this target only: a key that may not use this one model. */
  readonly lockout = new Lockout();
  readonly missing = new FeatureMemory();
  readonly limit = new AdaptiveLimit();
  readonly slowStart = new SlowStart();
  readonly hearsay = new Hearsay();
  /** Of streams. */
  readonly firstToken = new FeltLatency();
  /** Of whole unary calls. */
  readonly unary = new FeltLatency();
  readonly counts: SlidingCounts;
  /** Attempts begun and not ended. */
  inFlight = 0;
  /** Whether any attempt ever said something about it. */
  tried = false;
  /** See `HealthView`. */
  failedAtMs: number | undefined;
  /** See `HealthView`. */
  heardMs: number | undefined;
  /** Time constants of the means that are kept beside the usual one; milliseconds. */
  decaysMs: readonly number[] = [];
  /** What the breaker heard last; undefined: nothing bad. */
  blamed: Failure | undefined;
  #view: HealthView | undefined;
  #viewUntilMs = 0;

  constructor(id: TargetId, options: BreakerOptions, random: () => number) {
    this.id = id;
    this.breaker = new Breaker(options, random);
    this.cooldown = new Cooldown();
    this.counts = new SlidingCounts(options.windowMs);
  }

  /** Keeps means of these time constants, too; milliseconds. */
  keepMeans(decaysMs: readonly number[]): void {
    this.decaysMs = decaysMs;
    this.firstToken.keep(decaysMs);
    this.unary.keep(decaysMs);
    this.changed();
  }

  /** Undefined: the breaker admits nobody, however much the call insists. */
  admit(nowMs: number, insist: Insistence | undefined): Admission | undefined {
    const regular = this.breaker.admit(nowMs);
    // The one trial of a half-open breaker bars all others, which the view has to show.
    if (this.breaker.state(nowMs) !== BreakerState.CLOSED) this.changed();
    const past = insist && regular === undefined;
    const ticket = past ? this.breaker.insist(insist === "lone" ? Number.POSITIVE_INFINITY : insistedEnough) : regular;
    if (ticket === undefined) return undefined;
    const hearsay = this.hearsay.began(nowMs);
    if (hearsay !== 0) this.changed();
    return { ticket, insisted: regular === undefined, hearsay, beganMs: nowMs };
  }

  /** What another replica found. Answers whether that was news: what this one found by itself stands. */
  hear({ kind, ms }: Hint, nowMs: number): boolean {
    if (kind === "recovered") return this.#hearWell(nowMs);
    const known = {
      failing: this.breaker.state(nowMs) !== BreakerState.CLOSED,
      limited: this.cooldown.holds(nowMs),
      refused: this.lockout.untilMs(nowMs) !== undefined,
    };
    if (known[kind] || !this.hearsay.hear(kind, ms, nowMs)) return false;
    this.changed();
    return true;
  }

  /** The first content came: an outage is over now, not when a long answer is. Answers whether anything changed. */
  answered({ ticket, hearsay }: Admission, nowMs: number): boolean {
    const isRefuted = this.hearsay.answered(hearsay, nowMs);
    if (isRefuted) this.changed();
    if (this.breaker.state(nowMs) === BreakerState.CLOSED) return isRefuted;
    this.#breakerSucceeded(ticket, nowMs);
    this.changed();
    return true;
  }

  /** The answer is whole. */
  succeeded({ ticket, hearsay }: Admission, { streamed, firstContentMs }: Success, nowMs: number): void {
    this.hearsay.answered(hearsay, nowMs);
    this.#breakerSucceeded(ticket, nowMs);
    this.tried = true;
    this.heardMs = nowMs;
    this.failedAtMs = undefined;
    this.counts.record(false, nowMs);
    this.cooldown.succeeded();
    this.missing.found("model");
    this.limit.grow(this.inFlight);
    (streamed ? this.firstToken : this.unary).add(firstContentMs, nowMs);
  }

  /** Answers whether that was the target's doing. What callers, tenants and we ourselves do wrong never is. */
  failed(admission: Admission, { error, streamed, answeredMs }: Failed, nowMs: number): boolean {
    const { insisted, beganMs } = admission;
    const feature = missingFeature(error);
    if (feature !== undefined) this.missing.missed(feature, error.failure, nowMs);
    if (!speaksAgainst(error)) {
      this.abandoned(admission);
      return false;
    }
    if (remedies[error.failure].blame) {
      this.blamed = error.failure;
      if (!insisted) this.#breakerFailed(admission, nowMs);
    } else this.abandoned(admission);
    this.tried = true;
    this.heardMs = nowMs;
    // Attempts that ran beside the first failure belong to the same event; only one that dared after it starts anew.
    if (this.failedAtMs === undefined || beganMs >= this.failedAtMs) this.failedAtMs = nowMs;
    this.counts.record(true, nowMs);
    (streamed ? this.firstToken : this.unary).penalise((answeredMs ?? nowMs) - beganMs, nowMs);
    const word = lastWord(error);
    if (this.cooldown.refused(word, beganMs, nowMs)) this.#comeBackSlowly(nowMs);
    if (saysTooMuch(word, answeredMs)) this.limit.cut(nowMs, this.firstToken.samples.mean ?? this.unary.samples.mean);
    return true;
  }

  /** Exactly once for each admission, after its outcome. */
  ended({ insisted, hearsay }: Admission): void {
    this.inFlight -= 1;
    this.hearsay.ended(hearsay);
    if (insisted) this.breaker.insistedEnded();
    this.changed();
  }

  /** Says nothing about it. */
  abandoned({ ticket, insisted }: Admission): void {
    if (!insisted) this.breaker.abandoned(ticket);
  }

  /** Closes the breaker, ends what bars it, and gives it its whole part; what was measured stays. */
  reset(nowMs: number): void {
    this.breaker.reset();
    this.cooldown.reset();
    this.lockout.reset(nowMs);
    this.missing.clear();
    this.limit.reset();
    this.slowStart.skip();
    this.hearsay.forget();
    this.failedAtMs = undefined;
    this.blamed = undefined;
    this.changed();
  }

  /** Calls it may have at a time. One that insists has nowhere else to go, and is not kept from a target that comes back. */
  concurrencyLimit(nowMs: number, insist: Insistence | undefined): number {
    return insist === undefined ? this.limit.warming(this.slowStart.warmth(nowMs)) : this.limit.value;
  }

  /** Until when the breaker is open; undefined: closed, or half-open and for the next call to try. */
  openUntilMs(nowMs: number): number | undefined {
    return this.breaker.state(nowMs) === BreakerState.OPEN ? this.breaker.barredUntilMs(nowMs) : undefined;
  }

  /** To be called after every change, of the provider's evidence too. */
  changed(): void {
    this.#view = undefined;
  }

  /** The same object as long as nothing changed, neither by an outcome nor by time. */
  view(nowMs: number, provider: ProviderEvidence): HealthView {
    if (this.#view !== undefined && nowMs < this.#viewUntilMs) return this.#view;
    this.#view = viewOf(this, provider, nowMs);
    this.#viewUntilMs = viewUntilMs(this, this.#view, nowMs);
    return this.#view;
  }

  /** Whoever is out tries at once, by one trial as ever, and whoever only heard of trouble forgets it. */
  #hearWell(nowMs: number): boolean {
    const isDoubted = this.hearsay.kind(nowMs) === "failing";
    const isOpen = this.openUntilMs(nowMs) !== undefined && this.hearsay.hearWell(nowMs);
    if (!isDoubted && !isOpen) return false;
    if (isDoubted) this.hearsay.forget();
    if (isOpen) this.breaker.tryNow(nowMs);
    this.changed();
    return true;
  }

  /** What others have said and one attempt since confirms needs no row of failures. */
  #breakerFailed({ ticket, hearsay }: Admission, nowMs: number): void {
    this.breaker.failed(ticket, nowMs, this.hearsay.judgedBy(hearsay, nowMs) === "failing");
    if (this.breaker.state(nowMs) !== BreakerState.CLOSED && this.hearsay.kind(nowMs) === "failing") this.hearsay.forget();
  }

  #breakerSucceeded(ticket: number, nowMs: number): void {
    const wasClosed = this.breaker.state(nowMs) === BreakerState.CLOSED;
    this.breaker.succeeded(ticket, nowMs);
    if (!wasClosed && this.breaker.state(nowMs) === BreakerState.CLOSED) this.slowStart.begin(nowMs);
  }

  #comeBackSlowly(nowMs: number): void {
    const untilMs = this.cooldown.untilMs(nowMs) ?? nowMs;
    if (untilMs - this.cooldown.sinceMs >= longCooldownMs) this.slowStart.begin(untilMs);
  }
}

type Success = Extract<Outcome, { readonly kind: "succeeded" }>;

/** How an attempt failed. */
interface Failed {
  readonly error: ChatError;
  readonly streamed: boolean;
  /** When its first content came; undefined: none did. */
  readonly answeredMs: number | undefined;
}

function speaksAgainst(error: ChatError): boolean {
  return error.skipped === undefined && !error.blameless && (remedies[error.failure].blame || refusals.has(error.failure));
}

/** What the upstream said; of an answer that broke off, what it broke off with. */
function lastWord(error: ChatError): ChatError {
  return error.failure === "STREAM_INTERRUPTED" && error.cause instanceof ChatError ? error.cause : error;
}

/** Whether it has more calls than it can take: it says so, or does not begin to answer. */
function saysTooMuch({ failure }: ChatError, answeredMs: number | undefined): boolean {
  return failure === "RATE_LIMITED" || failure === "OVERLOADED" || (failure === "TIMEOUT" && answeredMs === undefined);
}
