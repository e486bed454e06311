import type { Clock } from "../../core/clock.ts";
import type { ChatError } from "../../core/error.ts";
import type { StreamEncoder } from "../../core/dialect.ts";
import type { HeaderList } from "../answer-headers.ts";
import { isGone, write } from "../outflow.ts";
import { flat, sendError, writeHead } from "./answer.ts";
import type { RestCall } from "./context.ts";

/** What an event stream is made of. */
export interface SseParts {
  readonly rest: Pick<RestCall, "response" | "errors" | "headers" | "requestId">;
  readonly clock: Clock;
  /** Silence after which a comment is sent, the wait for the first event included. */
  readonly heartbeatMs: number;
  /** What is sent then. */
  readonly heartbeat: string;
  /** Known before the target is, besides those of every answer. */
  readonly headers: HeaderList;
  /** Has the last word where the stream breaks. */
  readonly encoder: Pick<StreamEncoder, "fail">;
}

const streamHeaders: HeaderList = [
  ["content-type", "text/event-stream; charset=utf-8"],
  // Proxies that buffer or compress would hold events back.
  ["cache-control", "no-cache, no-transform"],
  ["x-accel-buffering", "no"],
  ["x-content-type-options", "nosniff"],
];

/** One answer of server-sent events: head at the latest moment, signs of life in silence, an honest end. */
export class SseResponse {
  readonly #parts: SseParts;
  #lastWriteMs: number;
  #cancelBeat: (() => void) | undefined;

  constructor(parts: SseParts) {
    this.#parts = parts;
    this.#lastWriteMs = parts.clock.now();
    this.#beatAfter(parts.heartbeatMs);
  }

  /** Sends the head, unless a heartbeat already had to; with the first event, in one segment. */
  open(more: HeaderList): void {
    const { rest, headers } = this.#parts;
    if (rest.response.headersSent || this.#gone()) return;
    writeHead(rest.response, 200, flat([...rest.headers, ...headers, ...more, ...streamHeaders]));
  }

  /** A promise only where the caller does not read, to be waited for before more is written: most events cost none. */
  write(text: string): Promise<void> | undefined {
    const { rest, clock } = this.#parts;
    this.#lastWriteMs = clock.now();
    return write(rest.response, text);
  }

  /** A good end; the dialect's own end mark has been written. */
  end(): void {
    this.#stop();
    if (!this.#gone()) this.#parts.rest.response.end();
  }

  /** An error: as a status where no head has left, else as the stream's last event, never followed by an end mark. */
  fail(error: ChatError, more: HeaderList): void {
    this.#stop();
    const { rest, headers, encoder } = this.#parts;
    if (this.#gone()) return;
    if (rest.response.headersSent) rest.response.end(encoder.fail?.(error) ?? rest.errors.event(error, rest.requestId));
    else sendError(rest, error, [...headers, ...more]);
  }

  #gone(): boolean {
    return isGone(this.#parts.rest.response);
  }

  #stop(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
  }

  /** One timer that looks again when it fires, instead of one that every event moves. */
  #beatAfter(ms: number): void {
    const { rest, clock, heartbeat, heartbeatMs } = this.#parts;
    this.#cancelBeat = clock.after(ms, () => {
      if (this.#gone()) return;
      const silentMs = clock.now() - this.#lastWriteMs;
      if (silentMs >= heartbeatMs) {
        this.open([]);
        // A reader who has not taken what came before needs no sign of life.
        if (!rest.response.writableNeedDrain) void this.write(heartbeat);
        this.#beatAfter(heartbeatMs);
      } else this.#beatAfter(heartbeatMs - silentMs);
    });
  }
}
