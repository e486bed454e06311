import type { LockReason } from "../core/health.ts";

/** Only an operator or the provider's bookkeeping can mend it; the next call after that long finds out. */
const lockMs = 60_000;
/** Doubles up to here with each call that finds it as it was. */
const lockMsMax = 900_000;

/** Of a refusal: when, and whether it was a 403. */
export interface RefusedFacts {
  readonly beganMs: number;
  readonly nowMs: number;
  readonly isForbidden: boolean;
}

/**
 * The axis of a credential that an upstream does not take: out for a while, longer each time, until something proves it good.
 * Every method that can change what is believed answers whether it did.
 */
export class Lockout {
  #state: LockReason | undefined;
  #untilMs = 0;
  #sinceMs = 0;
  #rounds = 0;
  /** When the last word was spoken on it; attempts that began before tell nothing new. */
  #knownMs = Number.NEGATIVE_INFINITY;
  /** A probe was good, and the next call was refused all the same: whoever answers the probe does not look at the credential. */
  #probeErred = false;
  #probeTrusted = false;

  /** An attempt that began at `beganMs` was refused. `isForbidden`: the credential is good, but not for this; a probe cannot tell. */
  refused(reason: LockReason, { beganMs, nowMs, isForbidden }: RefusedFacts): boolean {
    if (beganMs < this.#knownMs) return false;
    if (this.#probeTrusted || isForbidden) this.#probeErred = true;
    this.#probeTrusted = false;
    const changed = this.#state !== reason;
    if (this.#state === undefined) this.#sinceMs = nowMs;
    this.#untilMs = nowMs + Math.min(lockMs * 2 ** this.#rounds, lockMsMax);
    this.#rounds += 1;
    this.#knownMs = nowMs;
    this.#state = reason;
    return changed;
  }

  /** An answer began now: whoever answers took it. */
  succeeded(nowMs: number): boolean {
    return this.#rounds > 0 && this.reset(nowMs);
  }

  /** An unbilled call was answered well. That proves a credential, but no credit. */
  probed(nowMs: number): boolean {
    if (this.#state !== "UPSTREAM_AUTH" || this.#probeErred) return false;
    this.#probeTrusted = true;
    this.#state = undefined;
    this.#untilMs = 0;
    this.#knownMs = nowMs;
    return true;
  }

  /** Forgets everything, and what is still to come of attempts that began before. */
  reset(nowMs: number): boolean {
    const changed = this.#state !== undefined;
    this.#state = undefined;
    this.#untilMs = 0;
    this.#rounds = 0;
    this.#probeErred = false;
    this.#probeTrusted = false;
    this.#knownMs = nowMs;
    return changed;
  }

  /** Why it is out, or was when last used; undefined: it is believed to be good. */
  get state(): LockReason | undefined {
    return this.#state;
  }

  /** Since when it has not been known to be good. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Until when nobody is to use it; undefined: the next call may. */
  untilMs(nowMs: number): number | undefined {
    return nowMs < this.#untilMs ? this.#untilMs : undefined;
  }
}
