/** An upstream below HTTP: a TCP or TLS server that writes what the test tells it to, byte by byte. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** One connection, as the upstream sees it. */
export interface RawConnection {
  readonly socket: Socket;
  /** From 0, in the order in which they were made. */
  readonly ordinal: number;
  /** The next whole request on it, head and body. */
  readonly request: () => Promise<string>;
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>;
}

/** A running one. */
export interface RawUpstream extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or with `https:`. */
  readonly url: string;
  readonly port: number;
  readonly connections: readonly RawConnection[];
  /** Everything that was ever received, on all connections. */
  received(): string;
}

/** Starts an upstream that plays `serve` on each connection. With `tls` it speaks TLS, by default with a certificate nobody trusts. */
export async function rawUpstream(serve: (connection: RawConnection) => unknown, tls?: TlsOptions | true): Promise<RawUpstream> {
  const connections: RawConnection[] = [];
  const texts: string[] = [];
  const sockets = new Set<Socket>();
  const onSocket = (socket: Socket): void => {
    // What breaks a connection is what the test is about.
    socket.on("error", () => {});
    const ordinal = connections.length;
    texts.push("");
    let unread = "";
    const waiting: ((text: string) => void)[] = [];
    const tell = (): void => {
      for (let end = endOfRequest(unread); end !== undefined && waiting.length > 0; end = endOfRequest(unread)) {
        waiting.shift()?.(unread.slice(0, end));
        unread = unread.slice(end);
      }
    };
    socket.on("data", (chunk: Buffer) => {
      unread += chunk.toString("latin1");
      texts[ordinal] += chunk.toString("latin1");
      tell();
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const connection: RawConnection = {
      socket,
      ordinal,
      closed,
      request: () =>
        new Promise((resolve) => {
          waiting.push(resolve);
          tell();
        }),
    };
    connections.push(connection);
    void serve(connection);
  };
  const server = tls === undefined ? createServer(onSocket) : createTlsServer(tls === true ? ownCertificate() : tls, onSocket);
  // Sockets of handshakes that fail never reach the test, and must go too.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the upstream has no port");
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${address.port}`,
    port: address.port,
    connections,
    received: () => texts.join(""),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** The fixtures' certificate, for localhost. */
export function ownCertificate(): { readonly cert: Buffer; readonly key: Buffer } {
  const folder = join(import.meta.dirname, "../../fixtures/tls");
  return { cert: readFileSync(join(folder, "cert.pem")), key: readFileSync(join(folder, "key.pem")) };
}

/** Where the first request in a text ends, body included; undefined: not yet. */
function endOfRequest(text: string): number | undefined {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return undefined;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1] ?? "0";
  const end = head + 4 + Number(length);
  return text.length >= end ? end : undefined;
}
