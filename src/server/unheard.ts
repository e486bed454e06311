import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** Connections that have not brought a request yet; the first to be given up where connections are scarce. */
export interface Unheard {
  /** A new connection. */
  watch(socket: Socket): void;
  /** A new connection that begins with a TLS handshake. */
  watchHandshake(socket: Socket): void;
  /** Its handshake is over: by HTTP/1.1 it is the secured socket that is waited for. */
  watchSecured(this: void, socket: TLSSocket): void;
  /** Its first request came, or its protocol watches it by itself from now on. */
  heard(this: void, socket: Socket): void;
  /** Closes those that have been silent for `unheardMs`; whether there was any. */
  close(): boolean;
}

/** Node takes a new connection for a busy one, so that who says nothing has to be known by name. */
export function createUnheard(unheardMs: number): Unheard {
  // Since when each waits for its first request: the oldest first.
  const unheard = new Map<Socket, number>();
  // By the peer's address, the only thing that the two sockets of a TLS connection share.
  const handshakes = new Map<string, Socket>();
  const watch = (socket: Socket): void => {
    unheard.set(socket, performance.now());
    socket.on("close", () => unheard.delete(socket));
  };
  return {
    watch,
    watchHandshake(socket) {
      watch(socket);
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
      if (socket.alpnProtocol !== "h2") watch(socket);
    },
    heard(socket) {
      unheard.delete(socket);
    },
    close() {
      const beforeMs = performance.now() - unheardMs;
      let closed = false;
      for (const [socket, sinceMs] of unheard) {
        if (sinceMs > beforeMs) break;
        unheard.delete(socket);
        socket.destroy();
        closed = true;
      }
      return closed;
    },
  };
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
