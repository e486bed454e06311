import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { sniff } from "./sniff.ts";

/** A request by HTTP/1.1 or HTTP/2; the two are close enough to be served by one handler. */
export type ServerRequest = http.IncomingMessage | http2.Http2ServerRequest;
/** Its answer. */
export type ServerResponse = http.ServerResponse | http2.Http2ServerResponse;
/** Serves one request; must not throw. */
export type RequestHandler = (request: ServerRequest, response: ServerResponse) => void;

/** Certificate and key, PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Present: a client certificate of this authority is required. */
  readonly clientCa: string | undefined;
}

/** Where to listen. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  readonly handler: RequestHandler;
}

/** An open listener. */
export interface Listener {
  readonly url: string;
  readonly port: number;
  /** No new connections; running requests go on, idle connections close, HTTP/2 peers hear GOAWAY. */
  drain(): void;
  /** Resolves when every connection has ended by itself. */
  ended(): Promise<void>;
  /** Ends every connection now. */
  close(): Promise<void>;
}

/** How often connections that became idle are closed while draining. */
const idleSweepMs = 50;

// Node's own defaults are no limits: HTTP/2 advertises 2^32-1 streams and has no timeouts at all (reliability 5.6).
const http1Options = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5000,
  // Longer than a load balancer's usual 60 s, so that it is not us who closes under its request.
  keepAliveTimeout: 75_000,
  noDelay: true,
} as const;
const http2Options = {
  maxSessionMemory: 10,
  maxHeaderListPairs: 100,
  maxOutstandingPings: 10,
  maxSettings: 32,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  streamResetBurst: 200,
  streamResetRate: 20,
  settings: { maxConcurrentStreams: 100, initialWindowSize: 256 * 1024, maxHeaderListSize: 16 * 1024, enablePush: false },
} as const;
const sessionIdleMs = 300_000;

/** One port for HTTP/1.1 and HTTP/2: by the connection's first bytes without TLS, by ALPN with it. */
export async function listen({ host, port, tls, handler }: ListenOptions): Promise<Listener> {
  const http1 = http.createServer(http1Options, handler);
  http1.maxHeadersCount = 100;
  const h2c = http2.createServer(http2Options, handler);
  const secure =
    tls === undefined
      ? undefined
      : http2.createSecureServer(
          {
            ...http2Options,
            ...http1Options,
            allowHTTP1: true,
            minVersion: "TLSv1.2",
            cert: tls.cert,
            key: tls.key,
            ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          },
          handler,
        );
  const server: Server = secure ?? http1;
  const sockets = new Set<Socket>();
  const sessions = new Set<http2.Http2Session>();
  let draining = false;

  for (const each of [h2c, ...(secure === undefined ? [] : [secure])]) {
    each.on("session", (session) => {
      sessions.add(session);
      session.on("close", () => sessions.delete(session));
      session.on("error", ignore);
      session.setTimeout(sessionIdleMs, () => session.close());
      if (draining) session.close();
    });
    each.on("sessionError", ignore);
    each.on("stream", (stream) => stream.on("error", ignore));
  }
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", ignore);
    socket.setNoDelay(true);
  };
  if (secure === undefined) {
    http1.on("clientError", refuseBadRequest);
    sniff(http1, h2c, track);
  } else {
    secure.on("connection", track);
    secure.on("secureConnection", (socket: TLSSocket) => socket.on("error", ignore));
    secure.on("tlsClientError", ignore);
    secure.on("clientError", refuseBadRequest);
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  let sweep: NodeJS.Timeout | undefined;
  return {
    url: `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    port: bound,
    drain() {
      draining = true;
      server.close(ignore);
      // Node ends only the connections that are idle at this moment; those that become so later are swept up.
      sweep = setInterval(() => {
        http1.closeIdleConnections();
      }, idleSweepMs);
      sweep.unref();
      http1.closeIdleConnections();
      for (const session of sessions) session.close();
    },
    async ended() {
      await Promise.all([...sockets].map((socket) => (socket.destroyed ? undefined : new Promise((resolve) => socket.once("close", resolve)))));
    },
    close() {
      clearInterval(sweep);
      for (const session of sessions) session.destroy();
      http1.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** Errors of connections end the connection, and that is all there is to do about them; unheard they would end the process. */
function ignore(): void {}

function refuseBadRequest(
  error: Error & { readonly code?: string },
  socket: NodeJS.WritableStream & { readonly writable: boolean; destroy?: () => void },
): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy?.();
    return;
  }
  const [status, text] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "the headers are larger than 16 KiB"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "the request did not arrive in time"]
        : ["400 Bad Request", "the request is not valid HTTP"];
  const body = JSON.stringify({ error: { message: text, type: "invalid_request_error", param: null, code: "invalid_request" } });
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
}
