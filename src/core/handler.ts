import type { Attempt, Call, Source } from "./call.ts";
import type { Batch, TranslationNote, Usage } from "./chat.ts";
import type { ChatError } from "./error.ts";

/** An answer under way. A batch is what one upstream read brought; it is never empty, and leaves in one write. */
export interface ChatStream {
  readonly source: Source;
  /** To be read once. Throws a ChatError when the answer breaks; `return()` stops the upstream. */
  readonly batches: AsyncIterableIterator<Batch>;
}

/** How an upstream answer came to its end. */
export interface Ending {
  /** Undefined on success. CANCELLED where the caller left. */
  readonly error: ChatError | undefined;
  /** The last usage told, or an estimate; undefined where nothing was used. */
  readonly usage: Usage | undefined;
}

/** An answer of one attempt; right of the seam only. */
export interface AttemptStream {
  readonly batches: AsyncIterableIterator<Batch>;
  readonly head: UpstreamHead;
  /** Monotonic milliseconds of the first content. */
  readonly firstContentMs: number;
  /** Calls back once, before the last batch leaves, or at once where it already left. */
  onEnd(listener: (ending: Ending) => void): void;
}

/** What is known when an upstream has accepted a request. */
export interface UpstreamHead {
  /** HTTP status; 200 for providers without HTTP. */
  readonly status: number;
  readonly requestId: string;
  readonly notes: readonly TranslationNote[];
}

/**
 * The one function type. The promise settles with the first content: before it any failure is a rejected promise and
 * may be tried elsewhere; after it a failure is an iteration error and belongs to the caller.
 */
export type Handler<C extends Call, A = ChatStream> = (call: C) => Promise<A>;

/** A room: what it does around the next handler. */
export type Stage<C extends Call, A = ChatStream> = (next: Handler<C, A>) => Handler<C, A>;

/** A room right of the seam. */
export type AttemptStage = Stage<Attempt, AttemptStream>;

/** Reads left to right as outside to inside. */
export function compose<C extends Call, A>(stages: readonly Stage<C, A>[], inner: Handler<C, A>): Handler<C, A> {
  return stages.reduceRight((next, stage) => stage(next), inner);
}
