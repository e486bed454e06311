import type { Batch } from "../core/chat.ts";

/** Hands batches on unseen, and calls back once when there are no more, whoever ended them. */
export class EndTap implements AsyncIterableIterator<Batch> {
  readonly #inner: AsyncIterableIterator<Batch>;
  #onEnd: (() => void) | undefined;

  constructor(inner: AsyncIterableIterator<Batch>, onEnd: () => void) {
    this.#inner = inner;
    this.#onEnd = onEnd;
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
    if (result.done === true) this.#end();
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
