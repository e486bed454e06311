import { type Batch, type ChatEvent, FinishReason } from "../core/chat.ts";

/** Longest answer worth keeping. */
const bytesMax = 1024 * 1024;
/** What an event weighs besides its text: the object and its small fields. */
const eventBytes = 250;

/** Remembers batches on their way, and hands all of them over after a clean end with finish reason stop. */
export class Keeper implements AsyncIterableIterator<Batch> {
  readonly #inner: AsyncIterableIterator<Batch>;
  readonly #keep: (batches: readonly Batch[], bytes: number) => void;
  #batches: Batch[] | undefined = [];
  #bytes = 0;
  #complete = false;
  #stops = 0;

  constructor(inner: AsyncIterableIterator<Batch>, keep: (batches: readonly Batch[], bytes: number) => void) {
    this.#inner = inner;
    this.#keep = keep;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch>> {
    return this.#inner.next().then(this.#seen);
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#batches = undefined;
    return this.#inner.return?.() ?? Promise.resolve({ done: true, value: undefined });
  }

  readonly #seen = (result: IteratorResult<Batch>): IteratorResult<Batch> => {
    if (result.done !== true) this.#remember(result.value);
    return result;
  };

  /** Kept as soon as the last event is there: the caller's next question may already be on its way when it reads it. */
  #remember(batch: Batch): void {
    if (this.#batches === undefined) return;
    this.#batches.push(batch);
    for (const event of batch) {
      this.#bytes += eventBytes + 2 * textLength(event);
      if (!this.#accepts(event)) {
        this.#batches = undefined;
        return;
      }
    }
    if (this.#bytes > bytesMax) this.#batches = undefined;
    else if (this.#complete && this.#stops > 0) {
      this.#keep(this.#batches, this.#bytes);
      this.#batches = undefined;
    }
  }

  #accepts(event: ChatEvent): boolean {
    switch (event.case) {
      case "choiceEnded":
        this.#stops++;
        return event.value.finishReason === FinishReason.STOP;
      case "completed":
        this.#complete = true;
        return true;
      case "whole":
        this.#complete = true;
        this.#stops = event.value.choices.length;
        return event.value.choices.every((choice) => choice.finishReason === FinishReason.STOP);
      case "embedded":
        this.#complete = true;
        this.#stops = 1;
        return true;
      default:
        return true;
    }
  }
}

function textLength(event: ChatEvent): number {
  if (event.case === "partDelta") {
    const { value } = event.value.delta;
    return typeof value === "string" ? value.length : value instanceof Uint8Array ? value.length : eventBytes;
  }
  // Numbers weigh eight bytes, characters two.
  if (event.case === "embedded") return event.value.embeddings.reduce((sum, { values }) => sum + 4 * values.length + eventBytes, 0);
  if (event.case !== "whole") return 0;
  let length = 0;
  for (const choice of event.value.choices) {
    for (const { part } of choice.message?.content ?? []) {
      if (part.case === "text" || part.case === "reasoning" || part.case === "refusal") length += part.value.text.length + eventBytes;
      else if (part.case === "toolCall") length += part.value.argumentsJson.length + eventBytes;
      else if (part.case === "audio" && part.value.media?.source.case === "data") length += part.value.media.source.value.length;
    }
    length += choice.logprobs.length * eventBytes;
  }
  return length;
}
