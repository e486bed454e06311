import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Clock } from "../../core/clock.ts";

/** Bytes that are handed over at once. A reader that takes so much within `Bounds.readerStallMs` is only slow. */
const pieceBytes = 16 * 1024;

/** What an outbox stands on. */
export interface OutboxParts {
  readonly ws: Pick<WebSocket, "send" | "readyState" | "OPEN">;
  readonly socket: Socket;
  readonly clock: Clock;
  /** For its reader to take anything of what waits. Milliseconds. */
  readonly stallMs: number;
  /** It did not. */
  readonly onStall: () => void;
  /** Nobody waits for its turn any more. */
  readonly onFree: () => void;
}

/**
 * The frames of one socket on their way out. Whoever has frames to send waits for its turn, and for room, before they are handed over:
 * so no more than a piece waits in the socket beyond what fills it, and frames of two senders never mix.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  #last: Promise<void> | undefined;
  #sentMs: number;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#sentMs = parts.clock.now();
  }

  /** When something was handed over last. Monotonic milliseconds. */
  get sentMs(): number {
    return this.#sentMs;
  }

  /** Whether the reader has not taken all that came before. */
  get isUnread(): boolean {
    return this.#last !== undefined || this.#parts.socket.writableLength > 0;
  }

  /** Sends frames, one a line; a promise only where there is something to wait for. Once the socket is closed nothing is sent. */
  send(lines: string): Promise<void> | undefined {
    const { socket } = this.#parts;
    if (this.#last === undefined && !socket.writableNeedDrain && lines.length <= pieceBytes) {
      this.#sendAll(lines);
      return undefined;
    }
    const turn = this.#inTurn(this.#last, lines);
    this.#last = turn;
    void turn.then(() => {
      if (this.#last !== turn) return;
      this.#last = undefined;
      this.#parts.onFree();
    });
    return turn;
  }

  /** Several leave in one write. */
  #sendAll(lines: string): void {
    const { socket } = this.#parts;
    const end = lines.indexOf("\n");
    if (end < 0 || end === lines.length - 1) {
      this.#hand(end < 0 ? lines : lines.slice(0, end), true);
      return;
    }
    socket.cork();
    for (const line of lines.split("\n")) if (line !== "") this.#hand(line, true);
    socket.uncork();
  }

  async #inTurn(before: Promise<void> | undefined, lines: string): Promise<void> {
    await before;
    for (const line of lines.split("\n")) {
      if (line === "") continue;
      const bytes = Buffer.from(line);
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        await this.#room();
        this.#hand(bytes.subarray(at, at + pieceBytes), at + pieceBytes >= bytes.length);
      }
    }
  }

  /** A frame of WebSocket, or a fragment of one. */
  #hand(data: string | Uint8Array, fin: boolean): void {
    const { ws, clock } = this.#parts;
    if (ws.readyState !== ws.OPEN) return;
    this.#sentMs = clock.now();
    ws.send(data, { binary: false, fin });
  }

  async #room(): Promise<void> {
    const { socket } = this.#parts;
    while (socket.writableNeedDrain && !socket.destroyed) await this.#drained();
  }

  #drained(): Promise<void> {
    const { socket, clock, stallMs, onStall } = this.#parts;
    return new Promise((resolve) => {
      let pending = socket.writableLength;
      let cancel: (() => void) | undefined;
      const go = (): void => {
        cancel?.();
        socket.removeListener("drain", go);
        socket.removeListener("close", go);
        resolve();
      };
      const look = (): void => {
        // Nothing is added while somebody waits, so that it can only grow less.
        if (socket.writableLength >= pending) onStall();
        else {
          pending = socket.writableLength;
          cancel = clock.after(stallMs, look);
        }
      };
      cancel = clock.after(stallMs, look);
      socket.on("drain", go);
      socket.on("close", go);
    });
  }
}
