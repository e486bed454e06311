import { Pool } from "undici";
import type { Clock } from "../../core/clock.ts";
import { Exchange, type WireAnswer } from "./exchange.ts";
import { guardedLookup } from "./egress.ts";
import { failureFromTransport } from "./transport-failure.ts";

/** One request to an upstream. */
export interface WireRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Flat list of names and values. */
  readonly headers: string[];
  readonly body: string | undefined;
  /** Aborting closes the socket. */
  readonly signal: AbortSignal;
  /** Longest silence within the answer's body. */
  readonly idleMs: number;
}

/** Connections to one origin. */
export interface Wire {
  /** Settles with the answer's head; rejects with a ChatError. Redirects are answers like any other, never followed. */
  send(request: WireRequest): Promise<WireAnswer>;
  /** Lets running requests finish, then closes. */
  close(): Promise<void>;
}

/** How connections are made and kept. */
export interface WireOptions {
  readonly clock: Clock;
  /** Scheme, host and port. */
  readonly origin: string;
  /** DNS, TCP and TLS together. */
  readonly connectMs: number;
  /** Longest any request may take; undici's own header timeout is set a little above it, as a backstop. */
  readonly totalMs: number;
  readonly connectionsMax: number;
}

/**
 * HTTP/1.1, one request a connection at a time. undici offers HTTP/2 by default since version 8, and its header and body
 * timeouts of 300 s would cut long generations: both are set by hand.
 */
export function createWire(options: WireOptions): Wire {
  const { clock } = options;
  const pool = new Pool(options.origin, {
    connections: options.connectionsMax,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 120_000,
    headersTimeout: options.totalMs + 5000,
    bodyTimeout: 0,
    maxHeaderSize: 32 * 1024,
    connect: { timeout: options.connectMs, lookup: guardedLookup(), allowH2: false },
  });
  return {
    send: ({ method, path, headers, body, signal, idleMs }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        const exchange = new Exchange({ clock, signal, idleMs }, { resolve, reject });
        try {
          pool.dispatch({ method, path, headers, body: body ?? null }, exchange);
        } catch (error) {
          reject(failureFromTransport(error instanceof Error ? error : new Error(String(error))));
        }
      }),
    close: () => pool.close(),
  };
}
