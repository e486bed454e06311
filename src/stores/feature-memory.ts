import type { Failure } from "../core/error.ts";
import type { Feature } from "../core/features.ts";

/** As long as it is believed: models are deployed, and quirks mended. */
const rememberedMs = 60_000;

/** What a target said it has not. */
export interface MissingFeature {
  readonly reason: Failure;
  /** When it said so last; monotonic milliseconds. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** The axis of what a target said it cannot do, for a minute each; as many entries as there are features. */
export class FeatureMemory {
  readonly #missing = new Map<Feature, MissingFeature>();

  /** An upstream refused it. */
  missed(feature: Feature, reason: Failure, nowMs: number): void {
    this.#missing.set(feature, { reason, sinceMs: nowMs, untilMs: nowMs + rememberedMs });
  }

  /** It has it after all. */
  found(feature: Feature): void {
    this.#missing.delete(feature);
  }

  /** What it has not, as far as is remembered. */
  entries(nowMs: number): readonly (readonly [Feature, MissingFeature])[] {
    if (this.#missing.size === 0) return none;
    for (const [feature, { untilMs }] of this.#missing) if (nowMs >= untilMs) this.#missing.delete(feature);
    return [...this.#missing];
  }

  /** Until when `entries` stay as they are; Infinity where there are none. */
  steadyUntilMs(): number {
    let soonest = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#missing.values()) soonest = Math.min(soonest, untilMs);
    return soonest;
  }

  /** Forgets everything. */
  clear(): void {
    this.#missing.clear();
  }
}

const none: readonly (readonly [Feature, MissingFeature])[] = [];
