import { constants } from "node:http2";
import type { Socket } from "node:net";
import { ChatError } from "../core/error.ts";
import type { Bounds } from "./bounds.ts";
import { ignoreError } from "./connections.ts";
import type { ServerRequest, ServerResponse } from "./listen.ts";

/** The requests of one listener that are being received or answered. */
export interface Exchanges {
  /** To be told of each, before its handler. Who calls what it gives back says that the exchange is over without an answer. */
  begin(request: ServerRequest, response: ServerResponse): () => void;
  /** Whether an answer over HTTP/1.1 is still on its way on this connection. */
  isBusy(socket: Socket): boolean;
  /** Ends answers that nobody reads; to be called now and then. */
  sweep(nowMs: number): void;
  /** From now on answers over HTTP/1.1 are the last of their connections. */
  drain(): void;
  /** Resolves as soon as none is left; at once where there is none. */
  quiet(): Promise<void>;
}

const stalled = new WeakSet<ServerResponse>();

/** Why a call ends whose answer was closed before its end: its caller left, or took nothing of it for too long. */
export function callerGone(response: ServerResponse): ChatError {
  return stalled.has(response)
    ? new ChatError("CANCELLED", "the caller stopped reading", { code: "reader_stalled" })
    : new ChatError("CANCELLED", "the caller left");
}

/** Whether a closed answer was closed before its end. Over HTTP/2 each calls itself finished then, however it was closed. */
export function closedEarly(response: ServerResponse): boolean {
  return "stream" in response ? !response.writableEnded : !response.writableFinished;
}

/** An answer on its way. */
interface Exchange {
  readonly response: ServerResponse;
  /** Since when its reader takes nothing; undefined: it does, or nothing waits. */
  stuckMs: number | undefined;
  /** Bytes that waited at the last sweep. */
  pending: number;
}

/**
 * Whoever writes an answer waits for "drain" when it is told to, and hands over no more than a piece at a time (`outflow.ts`).
 * So nothing is added to an answer that is full or has ended, and what waits of it can only grow less: if it does not,
 * nobody reads.
 */
export function createExchanges({ readerStallMs }: Pick<Bounds, "readerStallMs">): Exchanges {
  const open = new Set<Exchange>();
  let draining = false;
  let waiting: (() => void)[] = [];
  return {
    begin(request, response) {
      // A connection that is destroyed tells its requests so, also those that nobody reads any more.
      request.on("error", ignoreError);
      leaveRest(request, response);
      const exchange: Exchange = { response, stuckMs: undefined, pending: 0 };
      open.add(exchange);
      response.on("drain", () => {
        exchange.stuckMs = undefined;
      });
      const end = (): void => {
        if (!open.delete(exchange) || open.size > 0) return;
        for (const resolve of waiting) resolve();
        waiting = [];
      };
      response.once("close", end);
      if (draining && request.httpVersionMajor === 1) response.setHeader("connection", "close");
      return end;
    },
    isBusy: (socket) => [...open].some(({ response }) => !("stream" in response) && response.socket === socket),
    sweep(nowMs) {
      for (const exchange of open) {
        const { response } = exchange;
        const pending = response.writableLength;
        if (!isStuck(response)) exchange.stuckMs = undefined;
        else if (exchange.stuckMs === undefined || pending < exchange.pending) exchange.stuckMs = nowMs;
        else if (nowMs - exchange.stuckMs >= readerStallMs) abandon(response);
        exchange.pending = pending;
      }
    },
    drain() {
      draining = true;
      for (const { response } of open) if (!("stream" in response) && !response.headersSent) response.setHeader("connection", "close");
    },
    quiet() {
      if (open.size === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

/** Bytes wait, and the writer waits for them or has written its last. */
function isStuck(response: ServerResponse): boolean {
  return response.writableNeedDrain || (response.writableEnded && !response.writableFinished);
}

/**
 * An answer may be whole before its request is, above all where the request is refused. A rest that nobody takes would keep
 * an HTTP/1.1 connection from its next request, and an HTTP/2 stream open. HTTP/2 can say that no more is wanted (RFC 9113,
 * 8.1); over HTTP/1.1 the rest is dropped as it comes, as Node does by itself where nobody began to read.
 */
function leaveRest(request: ServerRequest, response: ServerResponse): void {
  if ("stream" in response) {
    const { stream } = response;
    // Not as soon as all is written: a reset would take back trailers that still wait for the socket.
    stream.once("wantTrailers", () => {
      if (!request.readableEnded) setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
    });
  } else {
    response.once("finish", () => {
      if (request.readableEnded) return;
      request.removeAllListeners("readable");
      request.resume();
    });
  }
}

function abandon(response: ServerResponse): void {
  stalled.add(response);
  if ("stream" in response) response.stream.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}
