import type { Batch, ChatEvent } from "../core/chat.ts";

/** Whether nothing of an answer comes behind it. */
export function isLast({ case: kind }: ChatEvent): boolean {
  return kind === "completed" || kind === "whole" || kind === "embedded";
}

/** Hands batches on, and calls back once when there are no more, whoever ended them; `early`: before the last event is handed on. */
export class EndTap implements AsyncIterableIterator<Batch> {
  readonly #inner: AsyncIterableIterator<Batch>;
  readonly #early: boolean;
  #onEnd: (() => void) | undefined;

  constructor(inner: AsyncIterableIterator<Batch>, onEnd: () => void, early = false) {
    this.#inner = inner;
    this.#onEnd = onEnd;
    this.#early = early;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch>> {
    return this.#inner.next().then(this.#seen, this.#broken);
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#end();
    return this.#inner.return?.() ?? Promise.resolve({ done: true, value: undefined });
  }

  readonly #seen = (result: IteratorResult<Batch>): IteratorResult<Batch> => {
    if (result.done === true || (this.#early && result.value.some(isLast))) this.#end();
    return result;
  };

  readonly #broken = (error: unknown): never => {
    this.#end();
    throw error;
  };

  #end(): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.();
  }
}
