import type { Attempt } from "../core/call.ts";
import type { Batch, ChatEvent } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStream, Ending, UpstreamHead } from "../core/handler.ts";
import { priced } from "../core/price.ts";
import type { ProviderEvent } from "../core/provider.ts";
import { isContent } from "../core/stream.ts";
import { createUsageTally } from "../core/usage-tally.ts";

/** Events held back before the first content. A vendor that sends more starts than this is broken. */
const heldEventsMax = 1000;

/** How long an upstream may take to close an answer that is complete, before its socket is closed for it. */
const lingerMs = 1000;

/** What belongs to one attempt's stream. */
export interface ProviderStreamParts {
  readonly attempt: Attempt;
  /** Closes the upstream socket. */
  readonly stop: AbortController;
  /** Unlinks `stop` from the call's signal. */
  readonly unlink: () => void;
  readonly clock: Clock;
}

/**
 * An attempt's answer: held back until its first content, watched to its end. It is the only reader of the provider's
 * iterator, and the one place that decides whether a stream was complete.
 */
export class ProviderStream implements AttemptStream, AsyncIterableIterator<Batch> {
  head: UpstreamHead = { status: 0, requestId: "", notes: [] };
  firstContentMs = 0;
  readonly #parts: ProviderStreamParts;
  readonly #events: AsyncIterator<readonly ProviderEvent[]>;
  readonly #tally;
  readonly #listeners: ((ending: Ending) => void)[] = [];
  #held: ChatEvent[] | undefined = [];
  /** When content came last, moved on by the time in which nobody asked for more. */
  #contentMs = 0;
  /** When the last batch was handed on; undefined while its reader waits for the next. */
  #handedMs: number | undefined;
  #cancelProgress: (() => void) | undefined;
  #ending: Ending | undefined;
  #ranOut = false;
  #whole = false;

  constructor(parts: ProviderStreamParts, events: AsyncIterator<readonly ProviderEvent[]>) {
    this.#parts = parts;
    this.#events = events;
    this.#tally = createUsageTally(parts.attempt.request);
  }

  get batches(): this {
    return this;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  onEnd(listener: (ending: Ending) => void): void {
    if (this.#ending === undefined) this.#listeners.push(listener);
    else listener(this.#ending);
  }

  /** Reads up to the first content. Rejects with why the attempt failed, and has then ended. */
  async prime(): Promise<void> {
    const held = this.#held ?? [];
    try {
      for (let content = false; !content;) {
        const { done, value } = await this.#events.next();
        if (done === true) throw this.#cut();
        for (const event of value) {
          if (event.case === "head") this.head = event.value;
          else {
            held.push(event);
            content = isContent(event) || content;
          }
        }
        if (held.length > heldEventsMax && !content) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream sent only empty events");
      }
      const { clock, stop, attempt } = this.#parts;
      // It may have been ended in the same moment.
      stop.signal.throwIfAborted();
      this.firstContentMs = clock.now();
      this.#look(held);
      if (this.#ending === undefined) {
        stop.signal.addEventListener("abort", this.#stopped);
        this.#watchProgress(attempt.snapshot.options.progressMs);
      }
    } catch (thrown) {
      for (const event of held) this.#tally.add(event);
      throw this.#fail(thrown, false);
    }
  }

  next(): Promise<IteratorResult<Batch>> {
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      return Promise.resolve({ done: false, value: held });
    }
    if (this.#ending !== undefined) return this.#over(this.#ending);
    if (this.#handedMs !== undefined) this.#contentMs += this.#parts.clock.now() - this.#handedMs;
    this.#handedMs = undefined;
    return this.#events.next().then(this.#seen, this.#broken);
  }

  /** The reader leaves: the upstream is closed at once, whatever the provider is waiting for. */
  return(): Promise<IteratorResult<Batch>> {
    this.#held = undefined;
    if (this.#ending === undefined) this.#fail(new ChatError("CANCELLED", "the caller left"), true);
    else if (this.#ending.error === undefined) this.#runOut();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** A reader that does not read hears nothing, and must not keep its slot and its upstream for it. */
  readonly #stopped = (): void => {
    this.#fail(this.#parts.stop.signal.reason, true);
  };

  readonly #seen = (result: IteratorResult<readonly ProviderEvent[]>): IteratorResult<Batch> => {
    if (this.#ending?.error !== undefined) throw this.#ending.error;
    if (result.done === true) {
      if (this.#ending === undefined) throw this.#fail(this.#cut(), true);
      return { done: true, value: undefined };
    }
    const batch = result.value;
    // The head came first, and was taken out then.
    if (!isAnswer(batch)) throw this.#fail(new ChatError("INTERNAL", "a provider sent its head twice"), true);
    this.#look(batch);
    return { done: false, value: batch };
  };

  readonly #broken = (thrown: unknown): never => {
    throw this.#fail(thrown, true);
  };

  #over(ending: Ending): Promise<IteratorResult<Batch>> {
    if (ending.error !== undefined) return Promise.reject(ending.error);
    this.#runOut();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** What follows a complete answer is read, not used: a socket serves again only once its body has come to an end. */
  #runOut(): void {
    if (this.#ranOut) return;
    this.#ranOut = true;
    if (this.#whole) {
      // A whole answer was read to its end before it was one: there is nothing to wait for.
      void Promise.resolve(this.#events.return?.()).catch(() => undefined);
      return;
    }
    const { clock, stop } = this.#parts;
    const cancelTimer = clock.after(lingerMs, () => {
      stop.abort(new ChatError("CANCELLED", "the answer is complete"));
    });
    const over = this.#events.next().then(({ done }) => (done === true ? undefined : this.#events.return?.()));
    // Nothing can fail an answer that is complete.
    void over.catch(() => undefined).finally(cancelTimer);
  }

  /** Counts, and ends the attempt when its last event is there. */
  #look(batch: readonly ChatEvent[]): void {
    this.#handedMs = this.#parts.clock.now();
    let content = false;
    for (const event of batch) {
      this.#tally.add(event);
      content ||= isContent(event);
      if (event.case !== "completed" && event.case !== "whole" && event.case !== "embedded") continue;
      const usage = priced(this.#tally.usage(), this.#parts.attempt.target.price);
      event.value.usage = usage;
      this.#whole = event.case !== "completed";
      this.#end({ error: undefined, usage });
    }
    if (content) this.#contentMs = this.#handedMs;
  }

  /**
   * An upstream that sends signs of life and nothing else is dead all the same. One timer that looks again when it fires,
   * instead of one that every event moves; a reader that does not read is not the upstream's silence.
   */
  #watchProgress(ms: number): void {
    const { clock, stop, attempt } = this.#parts;
    const { progressMs, totalMs } = attempt.snapshot.options;
    // Where the call's deadline comes first, it ends the attempt by itself; unless callers who join put it off.
    const isLate = clock.now() + ms >= attempt.deadline;
    if (isLate && progressMs >= totalMs) return;
    this.#cancelProgress = clock.after(isLate ? ms + 1 : ms, () => {
      const idleMs = (this.#handedMs ?? clock.now()) - this.#contentMs;
      if (idleMs < progressMs) this.#watchProgress(progressMs - idleMs);
      else stop.abort(new ChatError("TIMEOUT", `no content came for ${progressMs} ms`));
    });
  }

  #cut(): ChatError {
    return new ChatError("UPSTREAM_UNAVAILABLE", `the stream of target ${this.#parts.attempt.target.id} ended before its time`);
  }

  #fail(thrown: unknown, begun: boolean): ChatError {
    if (this.#ending?.error !== undefined) return this.#ending.error;
    const { stop, attempt } = this.#parts;
    // Whatever the provider made of an abort, the reason for it is what happened.
    const cause = stop.signal.aborted ? stop.signal.reason : thrown;
    const error = begun ? interrupted(chatErrorFrom(cause), attempt) : chatErrorFrom(cause);
    // What was told before a failure was used, and what was sent was paid for, told or not.
    const used = begun ? this.#tally.usage() : this.#tally.told();
    const usage = used === undefined ? undefined : priced(used, attempt.target.price);
    if (usage !== undefined && error.usage === undefined) error.usage = usage;
    this.#end({ error, usage });
    stop.abort(error);
    // The iterator is left for good; what it throws on its way out has nobody to go to.
    void Promise.resolve(this.#events.return?.()).catch(() => undefined);
    return error;
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#cancelProgress?.();
    this.#parts.stop.signal.removeEventListener("abort", this.#stopped);
    this.#parts.unlink();
    for (const listener of this.#listeners) listener(ending);
  }
}

function isAnswer(batch: readonly ProviderEvent[]): batch is readonly ChatEvent[] {
  for (const event of batch) if (event.case === "head") return false;
  return true;
}

/** After the first content only the caller's own reasons keep their name; all else is a broken stream. */
function interrupted(error: ChatError, attempt: Attempt): ChatError {
  switch (error.failure) {
    case "CANCELLED":
    case "DEADLINE_EXCEEDED":
    case "DRAINING":
    case "INTERNAL":
    case "BUDGET_EXHAUSTED":
    case "STORE_UNAVAILABLE":
    case "CALLER_UNAUTHENTICATED":
      return error;
    default: {
      const text = `the answer of target ${attempt.target.id} broke off: ${error.message}`;
      const { upstream, fromUpstream, blameless } = error;
      return new ChatError("STREAM_INTERRUPTED", text, { cause: error, upstream, fromUpstream, blameless });
    }
  }
}
