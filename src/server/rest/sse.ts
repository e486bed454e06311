import type { Clock } from "../../core/clock.ts";
import type { ChatError } from "../../core/error.ts";
import { streamErrorText } from "../../dialects/openai-chat/error-encode.ts";
import type { HeaderList } from "../answer-headers.ts";
import type { ServerResponse } from "../listen.ts";
import { isGone, write } from "../outflow.ts";
import { flat, sendError, writeHead } from "./answer.ts";

/** What an event stream is made of. */
export interface SseParts {
  readonly response: ServerResponse;
  readonly clock: Clock;
  /** Silence after which a comment is sent, the wait for the first event included. */
  readonly heartbeatMs: number;
  /** Known before the target is. */
  readonly headers: HeaderList;
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
    const { response, headers } = this.#parts;
    if (response.headersSent || this.#gone()) return;
    writeHead(response, 200, flat([...headers, ...more, ...streamHeaders]));
  }

  /** A promise only where the caller does not read, to be waited for before more is written: most events cost none. */
  write(text: string): Promise<void> | undefined {
    const { response, clock } = this.#parts;
    this.#lastWriteMs = clock.now();
    return write(response, text);
  }

  /** A good end; the dialect's own end mark has been written. */
  end(): void {
    this.#stop();
    if (!this.#gone()) this.#parts.response.end();
  }

  /** An error: as a status where no head has left, else as the stream's last event, never followed by an end mark. */
  fail(error: ChatError, more: HeaderList): void {
    this.#stop();
    const { response, headers } = this.#parts;
    if (this.#gone()) return;
    if (response.headersSent) response.end(streamErrorText(error));
    else sendError(response, error, [...headers, ...more]);
  }

  #gone(): boolean {
    return isGone(this.#parts.response);
  }

  #stop(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
  }

  /** One timer that looks again when it fires, instead of one that every event moves. */
  #beatAfter(ms: number): void {
    const { response, clock, heartbeatMs } = this.#parts;
    this.#cancelBeat = clock.after(ms, () => {
      if (this.#gone()) return;
      const silentMs = clock.now() - this.#lastWriteMs;
      if (silentMs >= heartbeatMs) {
        this.open([]);
        // A reader who has not taken what came before needs no sign of life.
        if (!response.writableNeedDrain) void this.write(": keep-alive\n\n");
        this.#beatAfter(heartbeatMs);
      } else this.#beatAfter(heartbeatMs - silentMs);
    });
  }
}
