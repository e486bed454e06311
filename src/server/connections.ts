import type { Server as Http1Server } from "node:http";
import type { Http2SecureServer, Http2Server, Http2Session } from "node:http2";
import type { Socket } from "node:net";

/** How often connections that became idle are closed while draining. */
const idleSweepMs = 50;
/** An HTTP/2 session without a frame for so long is closed; Node itself has no limit. */
const sessionIdleMs = 300_000;

/** The open connections of one listener. */
export interface Connections {
  watchSocket(this: void, socket: Socket): void;
  watchSessions(server: Http2Server | Http2SecureServer): void;
  /** An HTTP/1.1 server whose idle connections are closed while draining. */
  watchIdle(server: Http1Server): void;
  /** Idle connections close, HTTP/2 peers hear GOAWAY, running requests go on. */
  drain(): void;
  /** Resolves when every connection has ended by itself. */
  ended(): Promise<void>;
  /** Ends every connection now. */
  destroy(): void;
}

/** Node closes only what is idle at one moment, and sends GOAWAY only where it is told: so all are known by name. */
export function createConnections(): Connections {
  const sockets = new Set<Socket>();
  const sessions = new Set<Http2Session>();
  let http1: Http1Server | undefined;
  let draining = false;
  let sweep: NodeJS.Timeout | undefined;
  return {
    watchSocket(socket) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", ignoreError);
      // Without it small frames wait 40 ms for an acknowledgement.
      socket.setNoDelay(true);
    },
    watchSessions(server) {
      server.on("session", (session) => {
        sessions.add(session);
        session.on("close", () => sessions.delete(session));
        session.on("error", ignoreError);
        session.setTimeout(sessionIdleMs, () => session.close());
        if (draining) session.close();
      });
      server.on("sessionError", ignoreError);
      server.on("stream", (stream) => stream.on("error", ignoreError));
    },
    watchIdle(server) {
      http1 = server;
    },
    drain() {
      draining = true;
      http1?.closeIdleConnections();
      sweep = setInterval(() => http1?.closeIdleConnections(), idleSweepMs);
      sweep.unref();
      for (const session of sessions) session.close();
    },
    async ended() {
      const open = [...sockets].filter((socket) => !socket.destroyed);
      await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    },
    destroy() {
      clearInterval(sweep);
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Errors of connections end the connection, and that is all there is to do about them; unheard they would end the process. */
export function ignoreError(): void {}
