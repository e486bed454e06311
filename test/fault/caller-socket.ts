import { connect, type Socket } from "node:net";

/** What came back on a bare socket. */
export interface RawSeen {
  /** Byte for byte. */
  readonly text: string;
  /** The other side closed, before we lost patience. */
  readonly closedByServer: boolean;
}

/** How a bare socket is used. */
export interface RawOptions {
  /** Our half ends with the last byte. */
  readonly half?: true;
  /** Patience after the last byte that came, milliseconds. Default 300. */
  readonly silentMs?: number;
}

/** Sends bytes and reads until the other side closes or has been silent for a while. */
export function raw(port: number, bytes: string | Uint8Array, { half, silentMs = 300 }: RawOptions = {}): Promise<RawSeen> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    let closedByServer = false;
    socket.setTimeout(silentMs, () => socket.destroy());
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("end", () => {
      closedByServer = true;
      socket.end();
    });
    socket.on("error", () => (closedByServer = true));
    socket.on("close", () => resolve({ text, closedByServer }));
    if (half === true) socket.end(bytes);
    else socket.write(bytes);
  });
}
