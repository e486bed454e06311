import type { lookup } from "node:dns";
import { Socket } from "node:net";
import { buildConnector, Client, type Dispatcher, Pool } from "undici";
import type { Clock } from "../../core/clock.ts";
import type { WireAnswer } from "./body.ts";
import { guardedLookup } from "./egress.ts";
import { Exchange, type Line } from "./exchange.ts";
import { skipContinue } from "./interim.ts";
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
  /** The provider's name, for messages. */
  readonly name: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** DNS, TCP and TLS together. */
  readonly connectMs: number;
  /** Longest any request may take; undici's own header timeout is set a little above it, as a backstop. */
  readonly totalMs: number;
  readonly connectionsMax: number;
  /** Looks host names up. Default: the system does. */
  readonly resolve?: typeof lookup;
}

/**
 * HTTP/1.1, one request a connection at a time. undici offers HTTP/2 by default since version 8, and its header and body
 * timeouts of 300 s would cut long generations: both are set by hand.
 */
export function createWire(options: WireOptions): Wire {
  const { clock, origin, connectionsMax } = options;
  const who = `provider ${options.name}`;
  const connect = buildConnector({ timeout: options.connectMs, lookup: guardedLookup(who, options.resolve), allowH2: false });
  const connection = {
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 120_000,
    headersTimeout: options.totalMs + 5000,
    bodyTimeout: 0,
    maxHeaderSize: 32 * 1024,
  } as const;
  const createLine = (): Client => lineTo(origin, connection, connect);
  const pool = new Pool(origin, { ...connection, connections: connectionsMax, factory: createLine });
  // A connection of its own: the pool's others may be as old as the one that failed.
  const again = (request: Dispatcher.DispatchOptions) => (exchange: Exchange) => {
    const line = createLine();
    line.dispatch(request, exchange);
    // Closes once the answer is there; nothing of it can fail.
    void line.close();
  };
  const send = (request: Dispatcher.DispatchOptions, { signal, idleMs }: WireRequest): Promise<WireAnswer> =>
    new Promise((resolve, reject) => {
      const exchange = new Exchange({ clock, who, signal, idleMs, again: again(request) }, { resolve, reject });
      try {
        pool.dispatch(request, exchange);
      } catch (error) {
        reject(failureFromTransport(error instanceof Error ? error : new Error(String(error)), { who, inHead: false }));
      }
    });
  return {
    send: (request) => {
      const { method, path, headers, body, signal } = request;
      if (signal.aborted) return Promise.reject(signal.reason);
      return send({ method, path, headers, body: body ?? null }, request);
    },
    close: () => pool.close(),
  };
}

/** A connection that tells each exchange which socket it is served by, or is being made for it. */
function lineTo(origin: string, options: Client.Options, connect: buildConnector.connector): Client {
  const line: Line = { socket: undefined, connecting: undefined, atHead: false };
  const client = new Client(origin, {
    ...options,
    connect: (to, done) => {
      line.socket = undefined;
      // undici's connector returns the socket that it makes, though its type does not say so.
      const making: unknown = connect(to, (...result) => {
        line.connecting = undefined;
        if (result[0] === null) {
          line.socket = result[1];
          skipContinue(line.socket, line);
        }
        done(...result);
      });
      line.connecting = making instanceof Socket ? making : undefined;
    },
  });
  const dispatch = client.dispatch.bind(client);
  client.dispatch = (request, handler) => {
    if (handler instanceof Exchange) handler.line = line;
    return dispatch(request, handler);
  };
  return client;
}
