import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";

/** RFC 9113, 3.4: what every HTTP/2 client says first. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** What the sniffer needs beside its servers. */
export interface SniffOptions {
  /** Milliseconds for the bytes that tell the protocol, all of them; then the connection is closed. */
  readonly firstBytesMs: number;
  readonly onConnection: (socket: Socket) => void;
}

/**
 * Puts HTTP/2 without TLS onto the port of an HTTP/1.1 server: looks at a connection's first bytes and hands the socket to
 * the one or the other. It stands inside the HTTP/1.1 server's own listener, so that this server keeps its header and
 * request timeouts, which a `net.Server` in front would never start. Returns the connections that have not told yet.
 */
export function sniff(http1: Http1Server, http2: Http2Server, { firstBytesMs, onConnection }: SniffOptions): ReadonlySet<Socket> {
  const accept = http1.listeners("connection");
  const silent = new Set<Socket>();
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    onConnection(socket);
    silent.add(socket);
    let seen: Buffer = Buffer.alloc(0);
    // Not the socket's own timeout, which every byte begins anew.
    const timer = setTimeout(() => socket.destroy(), firstBytesMs);
    // The server keeps a half-open connection for its answer; who leaves without a request gets none.
    const leave = (): void => void socket.destroy();
    const forget = (): void => {
      clearTimeout(timer);
      silent.delete(socket);
    };
    const decide = (): void => {
      const chunk: unknown = socket.read();
      if (!Buffer.isBuffer(chunk)) return;
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const compared = Math.min(seen.length, preface.length);
      const same = preface.compare(seen, 0, compared, 0, compared) === 0;
      if (same && compared < preface.length) return;
      socket.removeListener("readable", decide);
      socket.removeListener("close", forget);
      socket.removeListener("end", leave);
      forget();
      socket.unshift(seen);
      if (same) {
        // The HTTP/1.1 server's sockets outlive their peer's FIN. HTTP/2 knows no half-open connections, and would never
        // hear that the caller is gone.
        socket.allowHalfOpen = false;
        http2.emit("connection", socket);
      } else for (const listener of accept) Reflect.apply(listener, http1, [socket]);
    };
    socket.on("close", forget);
    socket.on("end", leave);
    socket.on("readable", decide);
  });
  return silent;
}
