import type { AttemptRecord, Call } from "../core/call.ts";
import { type Batch, CacheStatus, type ChatEvent, type Usage } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Stage } from "../core/handler.ts";
import { type Identity, identityOf } from "../core/route.ts";
import { eventsFromResponse } from "../core/stream.ts";
import type { CallObserver } from "../core/telemetry.ts";

/**
 * Room 2: sees every call begin and end, exactly once, and signs the answer with what only the gateway knows: id, time
 * and the model's name here. A whole answer becomes events here where the caller wants a stream.
 */
export function meter(observers: readonly CallObserver[], clock: Clock): Stage<Call> {
  return (next) => async (call) => {
    for (const observer of observers) observer.began(call);
    try {
      const stream = await next(call);
      return { source: stream.source, batches: new Metered({ call, stream, clock, observers }) };
    } catch (thrown) {
      const error = chatErrorFrom(thrown);
      report(observers, { call, endMs: clock.now(), error, attempts: error.attempts });
      throw error;
    }
  };
}

interface Ended {
  readonly call: Call;
  readonly endMs: number;
  readonly error: ChatError | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly firstContentMs?: number;
  readonly stream?: ChatStream;
  readonly usage?: Usage | undefined;
}

function report(observers: readonly CallObserver[], { call, endMs, error, attempts, firstContentMs, stream, usage }: Ended): void {
  const source = stream?.source;
  const record = { call, endMs, error, attempts, firstContentMs, source, usage, plan: source?.plan ?? error?.plan };
  for (const observer of observers) observer.ended(record);
}

interface Parts {
  readonly call: Call;
  readonly stream: ChatStream;
  readonly clock: Clock;
  readonly observers: readonly CallObserver[];
}

/** The tap: stamps the few events that carry the gateway's own facts, and passes batches without any as they came. */
class Metered implements AsyncIterableIterator<Batch> {
  readonly #parts: Parts;
  readonly #firstContentMs: number;
  readonly #identity: Identity;
  #usage: Usage | undefined;
  #reported = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#firstContentMs = parts.clock.now();
    this.#identity = identityOf(parts.call, parts.stream.source, parts.clock);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch>> {
    return this.#parts.stream.batches.next().then(this.#seen, this.#broken);
  }

  return(): Promise<IteratorResult<Batch>> {
    const { signal } = this.#parts.call;
    const left = this.#parts.stream.batches.return?.();
    this.#report(signal.aborted ? chatErrorFrom(signal.reason) : new ChatError("CANCELLED", "the caller left"));
    return left ?? Promise.resolve({ done: true, value: undefined });
  }

  readonly #seen = (result: IteratorResult<Batch>): IteratorResult<Batch> => {
    // Not with the last event but when the door asks for more: by then the bytes have left.
    if (result.done === true) {
      this.#report(undefined);
      return result;
    }
    return { done: false, value: this.#stamped(result.value) };
  };

  readonly #broken = (thrown: unknown): never => {
    const error = chatErrorFrom(thrown);
    this.#report(error);
    throw error;
  };

  #stamped(batch: Batch): Batch {
    for (const event of batch) if (needsStamp(event)) return batch.flatMap((each) => this.#stampedEvent(each));
    return batch;
  }

  #stampedEvent(event: ChatEvent): ChatEvent | ChatEvent[] {
    switch (event.case) {
      case "started":
        return { case: "started", value: { ...event.value, ...this.#identity } };
      case "completed": {
        this.#usage = this.#charged(event.value.usage);
        return this.#usage === event.value.usage ? event : { case: "completed", value: { ...event.value, usage: this.#usage } };
      }
      case "whole": {
        this.#usage = this.#charged(event.value.usage);
        const value = { ...event.value, ...this.#identity, usage: this.#usage };
        return this.#parts.call.streamed ? eventsFromResponse(value) : { case: "whole", value };
      }
      case "embedded": {
        this.#usage = this.#charged(event.value.usage);
        return { case: "embedded", value: { ...event.value, model: this.#identity.model, usage: this.#usage } };
      }
      default:
        return event;
    }
  }

  /** A hit costs nothing, whatever its answer once did. */
  #charged(usage: Usage | undefined): Usage | undefined {
    return usage === undefined || this.#parts.stream.source.cache !== CacheStatus.HIT ? usage : { ...usage, costPicoUsd: 0n };
  }

  #report(error: ChatError | undefined): void {
    if (this.#reported) return;
    this.#reported = true;
    const { call, stream, clock, observers } = this.#parts;
    const { attempts } = stream.source;
    const usage = this.#usage ?? attempts.findLast(({ won }) => won)?.usage;
    report(observers, { call, endMs: clock.now(), error, attempts, firstContentMs: this.#firstContentMs, stream, usage });
  }
}

function needsStamp(event: ChatEvent): boolean {
  return event.case === "started" || event.case === "completed" || event.case === "whole" || event.case === "embedded";
}
