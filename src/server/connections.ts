import type { Server as Http1Server } from "node:http";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Bounds } from "./bounds.ts";
import type { Exchanges } from "./exchanges.ts";
import { createLodgers, type Lodgers } from "./lodgers.ts";
import { GuardedSession } from "./sessions.ts";
import { createUnheard } from "./unheard.ts";

/** How often connections that became idle are closed while draining. */
const idleSweepMs = 50;

/** The open connections of one listener. */
export interface Connections {
  watchSocket(this: void, socket: Socket): void;
  /** The same for a connection that begins with a TLS handshake. */
  watchHandshake(this: void, socket: Socket): void;
  /** A TLS handshake that is done: the connection goes on by this socket. */
  watchSecured(this: void, socket: TLSSocket): void;
  /** An HTTP/1.1 connection has sent a request, or a session of HTTP/2 looks after it from now on. */
  heard(this: void, socket: Socket): void;
  watchSessions(server: Http2Server | Http2SecureServer): void;
  /** A server whose idle HTTP/1.1 connections are closed while draining. */
  watchIdle(server: Pick<Http1Server, "closeIdleConnections">): void;
  /** Connections that have said nothing yet: idle, too. */
  watchSilent(sockets: ReadonlySet<Socket>): void;
  /** An HTTP/1.1 connection was handed over. */
  lodge: Lodgers["lodge"];
  /** Connections that are open. */
  open(): number;
  /** Closes those that have sent no request within a second, handshakes among them; where there are none, those that nothing runs on. */
  closeIdle(): void;
  /** Peers hear that they should go elsewhere: over HTTP/1.1 with their next answer. What they ask until then is answered. */
  handOver(): void;
  /** Idle connections close, peers of HTTP/2 and WebSocket hear of it, running requests go on. */
  drain(): void;
  /** Resolves when every connection has ended by itself. */
  ended(): Promise<void>;
  /** Ends every connection now. */
  destroy(): void;
}

/** Node closes only what is idle at one moment, and sends GOAWAY only where it is told: so all are known by name. */
export function createConnections(bounds: Bounds, exchanges: Exchanges): Connections {
  const sockets = new Set<Socket>();
  const sessions = new Set<GuardedSession>();
  const lodgers = createLodgers();
  let silent: ReadonlySet<Socket> = new Set();
  const unheard = createUnheard(bounds.unheardMs);
  let http1: Pick<Http1Server, "closeIdleConnections"> | undefined;
  let draining = false;
  let idleSweep: NodeJS.Timeout | undefined;
  const sweep = setInterval(() => {
    const nowMs = performance.now();
    exchanges.sweep(nowMs);
    for (const session of sessions) session.sweep(nowMs);
  }, bounds.sweepMs).unref();
  return {
    watchSocket(socket) {
      watchOver(socket, sockets);
      unheard.watch(socket);
    },
    watchHandshake(socket) {
      watchOver(socket, sockets);
      unheard.watchHandshake(socket);
    },
    watchSecured: unheard.watchSecured,
    heard: unheard.heard,
    watchSessions(server) {
      server.on("session", (session) => {
        const guarded = guardedBy(session, bounds);
        sessions.add(guarded);
        session.on("close", () => sessions.delete(guarded));
        if (draining) guarded.drain();
      });
      server.on("sessionError", ignoreError);
      server.on("stream", (stream) => stream.on("error", ignoreError));
    },
    watchIdle(server) {
      http1 = server;
    },
    watchSilent(connections) {
      silent = connections;
    },
    lodge: lodgers.lodge,
    open: () => sockets.size,
    closeIdle() {
      if (unheard.close()) return;
      http1?.closeIdleConnections();
      for (const session of sessions) if (session.streams === 0) session.drain();
      lodgers.closeIdle();
    },
    handOver() {
      exchanges.drain();
      for (const session of sessions) session.handOver();
    },
    drain() {
      draining = true;
      exchanges.drain();
      http1?.closeIdleConnections();
      idleSweep = setInterval(() => http1?.closeIdleConnections(), idleSweepMs).unref();
      for (const session of sessions) session.drain();
      lodgers.drain();
      for (const socket of silent) socket.destroy();
    },
    ended: () => allClosed(sockets),
    destroy() {
      clearInterval(sweep);
      clearInterval(idleSweep);
      for (const each of [...sessions, ...sockets]) each.destroy();
    },
  };
}

function watchOver(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", ignoreError);
  // Without it small frames wait 40 ms for an acknowledgement.
  socket.setNoDelay(true);
}

function guardedBy(session: ServerHttp2Session, bounds: Bounds): GuardedSession {
  session.on("error", ignoreError);
  session.setTimeout(bounds.sessionIdleMs, () => session.close());
  return new GuardedSession(session, bounds, performance.now());
}

async function allClosed(sockets: ReadonlySet<Socket>): Promise<void> {
  const open = [...sockets].filter((socket) => !socket.destroyed);
  await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
}

/** Errors of connections end the connection, and that is all there is to do about them; unheard they would end the process. */
export function ignoreError(): void {}
