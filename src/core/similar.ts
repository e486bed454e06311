import type { AttemptRecord, KeyId } from "./call.ts";
import type { CachedReply } from "./cache.ts";
import type { TargetId } from "./catalog.ts";

/** What makes questions comparable: whose they are, and a hash over all of the request but the text that may differ. */
export interface Partition {
  readonly tenant: KeyId;
  readonly requestHash: string;
}

/** A text as a direction. */
export interface Direction {
  /** Hash of the text: an embedder does not always give it the same numbers. */
  readonly textHash: string;
  /** Who made it: directions of different models have nothing to do with each other. */
  readonly target: TargetId;
  /** Of length 1. */
  readonly vector: Float32Array;
}

/** The nearest of the questions that were answered before. */
export interface Similar {
  readonly reply: CachedReply;
  /** Cosine, at most 1. */
  readonly similarity: number;
}

/** Which model embeds questions, and how alike they must be. */
export interface SimilarChoice {
  /** Asked for as callers ask for a model. */
  readonly model: string;
  /** Cosine, in [0, 1]. */
  readonly threshold: number;
}

/** Answers by what was asked, approximately; bounded, and of this process alone. */
export interface SimilarAnswers {
  /** Undefined: none is as similar as `threshold`. */
  find(partition: Partition, asked: Direction, threshold: number): Similar | undefined;
  /** `sinceMs`: when it was asked for, monotonic milliseconds. Not kept where the tenant's answers were purged since. */
  keep(partition: Partition, asked: Direction, kept: { readonly reply: CachedReply; readonly sinceMs: number }): void;
}

/**
 * What came of asking for similar questions: a hit, none that is similar enough, an embedder that failed or took too long, or one that is
 * left alone for a while because it did; a metric label.
 */
export type SimilarResult = "hit" | "miss" | "failed" | "timeout" | "left_out";

/** One look for similar questions, for those who count. */
export interface SimilarLook {
  readonly result: SimilarResult;
  /** What embedding the question took. */
  readonly attempts: readonly AttemptRecord[];
  /** Monotonic milliseconds. */
  readonly endMs: number;
}

/** A vector of length 1; undefined where it has no direction: empty, of length 0, or with what is no number. */
export function normalized(values: readonly number[]): Float32Array | undefined {
  let squares = 0;
  for (const value of values) squares += value * value;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length) || length === 0) return undefined;
  const vector = Float32Array.from(values, (value) => value / length);
  return vector.every(Number.isFinite) ? vector : undefined;
}
