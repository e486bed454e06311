import http from "node:http";
import http2 from "node:http2";
import { type AddressInfo, Server } from "node:net";
import { Duplex } from "node:stream";
import { type Bounds, boundsDefault } from "./bounds.ts";
import { type Connections, createConnections, ignoreError } from "./connections.ts";
import { createExchanges } from "./exchanges.ts";
import { sniff } from "./sniff.ts";
import { mayUpgrade, type Upgrade, upgradeListener } from "./upgrades.ts";
import { headersMax } from "./well-formed.ts";

/** A request by HTTP/1.1 or HTTP/2; the two are close enough to be served by one handler. */
export type ServerRequest = http.IncomingMessage | http2.Http2ServerRequest;
/** Its answer. */
export type ServerResponse = http.ServerResponse | http2.Http2ServerResponse;
/** Serves one request; must not throw. `upgrade`: it asks to speak WebSocket from now on, and its answer is the connection's last. */
export type RequestHandler = (request: ServerRequest, response: ServerResponse, upgrade?: Upgrade) => void;

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
  /** Where they differ from the product's. */
  readonly bounds?: Partial<Bounds>;
  /** Hears of each connection that was closed because there were too many. */
  readonly onFull?: () => void;
}

/** An open listener. */
export interface Listener {
  readonly url: string;
  readonly port: number;
  /** Connections that are open. */
  connections(): number;
  /** Closes connections that nothing runs on. */
  closeIdle(): void;
  /** No new connections; open ones are asked to end, and are served until they do. */
  handOver(): void;
  /** No new connections; running requests go on, idle connections close, HTTP/2 peers hear GOAWAY. */
  drain(): void;
  /** Resolves as soon as no request is being received or answered. */
  quiet(): Promise<void>;
  /** Resolves when every connection has ended by itself. */
  ended(): Promise<void>;
  /** Ends every connection now. */
  close(): Promise<void>;
}

/** What every listener has beside its server. */
interface Watch {
  readonly bounds: Bounds;
  readonly handler: RequestHandler;
  readonly connections: Connections;
  readonly onUpgrade: ReturnType<typeof upgradeListener>;
}

// Node's own defaults are no limits: HTTP/2 advertises 2^32-1 streams and has no timeouts at all.
const http2Options = {
  maxSessionMemory: 10,
  maxHeaderListPairs: headersMax,
  maxOutstandingPings: 10,
  maxSettings: 32,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  streamResetBurst: 200,
  streamResetRate: 20,
  settings: { maxConcurrentStreams: 100, initialWindowSize: 256 * 1024, maxHeaderListSize: 16 * 1024, enablePush: false },
} as const;

function http1Options({ headersMs, requestMs, keepAliveMs, sweepMs }: Bounds) {
  return {
    maxHeaderSize: 16 * 1024,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: sweepMs,
    keepAliveTimeout: keepAliveMs,
    noDelay: true,
  };
}

/** One port for HTTP/1.1 and HTTP/2: by the connection's first bytes without TLS, by ALPN with it. */
export async function listen({ host, port, tls, handler, bounds: wished, onFull }: ListenOptions): Promise<Listener> {
  const bounds = { ...boundsDefault, ...wished };
  const exchanges = createExchanges(bounds);
  const connections = createConnections(bounds, exchanges);
  const watch: Watch = {
    bounds,
    connections,
    handler(request, response) {
      if (request.httpVersionMajor === 1) connections.heard(request.socket);
      exchanges.begin(request, response);
      handler(request, response);
    },
    onUpgrade: upgradeListener({ bounds, connections, exchanges, handler }),
  };
  const server = tls === undefined ? plainServer(watch) : secureServer(tls, watch);
  server.maxConnections = bounds.connections;
  // Among workers Node would hand one too many from worker to worker until one has room. The types do not know it yet.
  Object.assign(server, { dropMaxConnection: true });
  if (onFull !== undefined) server.on("drop", onFull);
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
    connections: () => connections.open(),
    closeIdle: () => connections.closeIdle(),
    handOver() {
      // Those of HTTP and HTTP/2 would close idle connections as well, on which a request may be under way.
      Server.prototype.close.call(server, ignoreError);
      connections.handOver();
    },
    drain() {
      server.close(ignoreError);
      connections.drain();
    },
    quiet: () => exchanges.quiet(),
    ended: () => connections.ended(),
    close() {
      connections.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function plainServer({ bounds, handler, connections, onUpgrade }: Watch): Server {
  const http1 = http.createServer({ ...http1Options(bounds), shouldUpgradeCallback: mayUpgrade }, handler);
  const h2c = http2.createServer(http2Options, handler);
  // One more than is allowed, or nobody could tell that there were too many: Node drops the rest without a word.
  http1.maxHeadersCount = headersMax + 1;
  http1.maxRequestsPerSocket = bounds.requestsPerConnection;
  http1.on("clientError", refuseBadRequest);
  http1.on("connect", (_request, socket) => refuseConnect(socket));
  http1.on("upgrade", onUpgrade);
  connections.watchSessions(h2c);
  h2c.on("connection", connections.heard);
  connections.watchIdle(http1);
  const silent = sniff(http1, h2c, { firstBytesMs: bounds.headersMs, onConnection: connections.watchSocket });
  connections.watchSilent(silent);
  return http1;
}

function secureServer({ cert, key, clientCa }: TlsFiles, { bounds, handler, connections, onUpgrade }: Watch): Server {
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const server = http2.createSecureServer(
    {
      ...http2Options,
      ...http1Options(bounds),
      allowHTTP1: true,
      minVersion: "TLSv1.2",
      handshakeTimeout: bounds.headersMs,
      cert,
      key,
      ...clients,
    },
    handler,
  );
  // HTTP/1.1 over TLS reads them from here, too, which the types do not know.
  Object.assign(server, {
    maxHeadersCount: headersMax + 1,
    maxRequestsPerSocket: bounds.requestsPerConnection,
    shouldUpgradeCallback: mayUpgrade,
  });
  server.on("upgrade", onUpgrade);
  connections.watchSessions(server);
  // The types do not know yet that this one has them, too.
  connections.watchIdle({
    closeIdleConnections: () => {
      if ("closeIdleConnections" in server && typeof server.closeIdleConnections === "function") server.closeIdleConnections();
    },
  });
  server.on("connection", connections.watchHandshake);
  server.on("secureConnection", (socket) => {
    socket.on("error", ignoreError);
    connections.watchSecured(socket);
  });
  // A handshake that fails is over; one that takes too long Node would only tell of.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("clientError", refuseBadRequest);
  server.on("connect", (request: ServerRequest, there: Duplex | http2.Http2ServerResponse) => {
    if ("stream" in request) request.stream.respond({ ":status": 405, allow: allowed }, { endStream: true });
    else if (there instanceof Duplex) refuseConnect(there);
  });
  return server;
}

/** What a refused method may be replaced by. */
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** We are no proxy. */
function refuseConnect(socket: Duplex): void {
  socket.on("error", ignoreError);
  socket.end(refusalText("405 Method Not Allowed", "method_not_allowed", "CONNECT is not allowed here", `allow: ${allowed}\r\n`));
}

function refuseBadRequest(
  error: Error & { readonly code?: string },
  socket: NodeJS.WritableStream & { readonly writable: boolean; destroy?: () => void },
): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy?.();
    return;
  }
  if (error.code === "HPE_HEADER_OVERFLOW")
    socket.end(
      refusalText(
        "431 Request Header Fields Too Large",
        "headers_too_large",
        `the headers are larger than 16 KiB, or more than ${headersMax}`,
      ),
    );
  else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
    socket.end(refusalText("408 Request Timeout", "request_timeout", "the request did not arrive in time"));
  else socket.end(refusalText("400 Bad Request", "invalid_request", "the request is not valid HTTP"));
}

/** An answer where Node has none to write to. */
function refusalText(status: string, code: string, message: string, more = ""): string {
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } });
  const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n`;
  return `HTTP/1.1 ${status}\r\n${more}${head}\r\n${body}`;
}
