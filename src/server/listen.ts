import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { createConnections, ignoreError } from "./connections.ts";
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

// Node's own defaults are no limits: HTTP/2 advertises 2^32-1 streams and has no timeouts at all.
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

/** One port for HTTP/1.1 and HTTP/2: by the connection's first bytes without TLS, by ALPN with it. */
export async function listen({ host, port, tls, handler }: ListenOptions): Promise<Listener> {
  const connections = createConnections();
  const server = tls === undefined ? plainServer(handler, connections) : secureServer(tls, handler, connections);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  // A server on a TCP port has such an address; only pipes have a text.
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    port: bound,
    drain() {
      server.close(ignoreError);
      connections.drain();
    },
    ended: () => connections.ended(),
    close() {
      connections.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function plainServer(handler: RequestHandler, connections: ReturnType<typeof createConnections>): Server {
  const http1 = http.createServer(http1Options, handler);
  const h2c = http2.createServer(http2Options, handler);
  http1.maxHeadersCount = 100;
  http1.on("clientError", refuseBadRequest);
  connections.watchSessions(h2c);
  connections.watchIdle(http1);
  sniff(http1, h2c, connections.watchSocket);
  return http1;
}

function secureServer(
  { cert, key, clientCa }: TlsFiles,
  handler: RequestHandler,
  connections: ReturnType<typeof createConnections>,
): Server {
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const options = { ...http2Options, ...http1Options, allowHTTP1: true, minVersion: "TLSv1.2", cert, key, ...clients } as const;
  const server = http2.createSecureServer(options, handler);
  connections.watchSessions(server);
  server.on("connection", connections.watchSocket);
  server.on("secureConnection", (socket) => socket.on("error", ignoreError));
  server.on("tlsClientError", ignoreError);
  server.on("clientError", refuseBadRequest);
  return server;
}

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
