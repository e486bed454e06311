import type { Socket } from "node:net";
import type { Line } from "./exchange.ts";

const sign = Buffer.from("HTTP/1.1 100");
const endOfHead = "\r\n\r\n";

/**
 * Takes `100 Continue` out of what a socket reads. undici breaks the connection over one that was not asked for, though a
 * client has to skip it (RFC 9110, 15.2); the other interim answers it hands on.
 */
export function skipContinue(socket: Socket, line: Line): void {
  const read = socket.read.bind(socket);
  let held: Buffer | undefined;
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!line.atHead || !(chunk instanceof Buffer)) return chunk;
    let bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    held = undefined;
    while (bytes.subarray(0, sign.length).equals(sign)) {
      const end = bytes.indexOf(endOfHead);
      if (end < 0) {
        // The rest of a short head is on its way; one that does not end is left to undici and its bound.
        if (bytes.length > 1024) break;
        held = bytes;
        return null;
      }
      bytes = bytes.subarray(end + endOfHead.length);
      if (bytes.length === 0) return null;
    }
    line.atHead = false;
    return bytes;
  };
}
