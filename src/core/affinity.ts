import type { TargetId } from "./catalog.ts";

/** Where a conversation's prompt lies warm in a vendor's prompt cache. */
export interface Holding {
  readonly target: TargetId;
  /** How much of the prompt, in tokens of our own estimate, so that it can be held against the next one's; 0: not known to be any. */
  readonly tokens: number;
  /** How long the vendor keeps it after each use; milliseconds. */
  readonly ttlMs: number;
}

/** Remembers holders. Bounded: who was not asked about for longest is forgotten first. */
export interface Affinity {
  /** Undefined: nobody holds it, or not any more. */
  find(conversation: string): Holding | undefined;
  /** After a success: this target holds it from now on, whoever did before. */
  bind(conversation: string, holding: Holding): void;
  /** Asks others for what `find` does not know; after it `find` knows as much as can be. Never rejects. Absent: there are no others. */
  readonly recollect?: (this: void, conversation: string, signal: AbortSignal) => Promise<void>;
}

/** How a vendor's prompt cache works, as far as it matters for money. */
export interface PromptCache {
  /** How long it keeps a prompt after each use; milliseconds. */
  readonly ttlMs: number;
  /** What it keeps: all of a long prompt, or what the request marks. */
  readonly keeps: "all" | "marked";
}

/** As most vendors do it. */
export const usualPromptCache: PromptCache = { ttlMs: 300_000, keeps: "all" };
