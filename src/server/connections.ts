import type { Server as Http1Server } from "node:http";
import type { Http2SecureServer, Http2Server } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Bounds } from "./bounds.ts";
import type { Exchanges } from "./exchanges.ts";
import { GuardedSession } from "./sessions.ts";

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
  /** Connections that are open. */
  open(): number;
  /** Closes those that have sent no request within a second, handshakes among them; where there are none, those that nothing runs on. */
  closeIdle(): void;
  /** Idle connections close, HTTP/2 peers hear GOAWAY, running requests go on. */
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
  let silent: ReadonlySet<Socket> = new Set();
  // Since when each waits for its first request: the oldest first. Node takes a new connection for a busy one.
  const unheard = new Map<Socket, number>();
  // By the peer's address, the only thing that the two sockets of a TLS connection share.
  const handshakes = new Map<string, Socket>();
  let http1: Pick<Http1Server, "closeIdleConnections"> | undefined;
  let draining = false;
  let idleSweep: NodeJS.Timeout | undefined;
  const sweep = setInterval(() => {
    const nowMs = performance.now();
    exchanges.sweep(nowMs);
    for (const session of sessions) session.sweep(nowMs);
  }, bounds.sweepMs);
  sweep.unref();
  const watchSocket = (socket: Socket): void => {
    sockets.add(socket);
    unheard.set(socket, performance.now());
    socket.on("close", () => {
      sockets.delete(socket);
      unheard.delete(socket);
    });
    socket.on("error", ignoreError);
    // Without it small frames wait 40 ms for an acknowledgement.
    socket.setNoDelay(true);
  };
  const closeUnheard = (): boolean => {
    const beforeMs = performance.now() - bounds.unheardMs;
    let closed = false;
    for (const [socket, sinceMs] of unheard) {
      if (sinceMs > beforeMs) break;
      unheard.delete(socket);
      socket.destroy();
      closed = true;
    }
    return closed;
  };
  return {
    watchSocket,
    watchHandshake(socket) {
      watchSocket(socket);
      const key = addressOf(socket);
      handshakes.set(key, socket);
      // The next connection of the same address may be here before this one is told to be gone.
      socket.on("close", () => {
        if (handshakes.get(key) === socket) handshakes.delete(key);
      });
    },
    watchSecured(socket) {
      const key = addressOf(socket);
      const under = handshakes.get(key);
      if (under === undefined) return;
      handshakes.delete(key);
      unheard.delete(under);
      if (socket.alpnProtocol === "h2") return;
      unheard.set(socket, performance.now());
      socket.on("close", () => unheard.delete(socket));
    },
    heard(socket) {
      unheard.delete(socket);
    },
    watchSessions(server) {
      server.on("session", (session) => {
        const guarded = new GuardedSession(session, bounds, performance.now());
        sessions.add(guarded);
        session.on("close", () => sessions.delete(guarded));
        session.on("error", ignoreError);
        session.setTimeout(bounds.sessionIdleMs, () => session.close());
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
    open: () => sockets.size,
    closeIdle() {
      if (closeUnheard()) return;
      http1?.closeIdleConnections();
      for (const session of sessions) if (session.streams === 0) session.drain();
    },
    drain() {
      draining = true;
      exchanges.drain();
      http1?.closeIdleConnections();
      idleSweep = setInterval(() => http1?.closeIdleConnections(), idleSweepMs);
      idleSweep.unref();
      for (const session of sessions) session.drain();
      for (const socket of silent) socket.destroy();
    },
    async ended() {
      const open = [...sockets].filter((socket) => !socket.destroyed);
      await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    },
    destroy() {
      clearInterval(sweep);
      clearInterval(idleSweep);
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Errors of connections end the connection, and that is all there is to do about them; unheard they would end the process. */
export function ignoreError(): void {}
