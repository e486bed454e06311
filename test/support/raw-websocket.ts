/** WebSocket by hand: frames as bytes, for callers who break its rules. */
import { connect } from "node:net";

/** Kinds of frames (RFC 6455, 5.2). */
export const opcode = { continuation: 0, text: 1, binary: 2, reserved: 3, close: 8, ping: 9, pong: 10 } as const;

/** What a frame says of itself. */
export interface FrameHead {
  /** Default: the message's last. */
  readonly fin?: boolean;
  /** Reserved bits, 0 to 7. Default: none. */
  readonly reserved?: number;
  /** As every client must. Default: it is. */
  readonly masked?: boolean;
  /** Default: as long as it is. */
  readonly length?: bigint;
}

/** One frame. Its mask is all zeros, so that the bytes stay as they are. */
export function wsFrame(code: number, payload: string | Uint8Array = "", head: FrameHead = {}): Buffer {
  const bytes = Buffer.from(payload);
  const { fin = true, reserved = 0, masked = true, length = BigInt(bytes.length) } = head;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | code;
  const mask = masked ? 0x80 : 0;
  const start =
    length < 126n
      ? Buffer.from([first, mask | Number(length)])
      : length < 65_536n
        ? Buffer.from([first, mask | 126, Number(length >> 8n), Number(length & 255n)])
        : Buffer.concat([Buffer.from([first, mask | 127]), eightBytes(length)]);
  return Buffer.concat([start, ...(masked ? [Buffer.alloc(4)] : []), bytes]);
}

function eightBytes(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** The request that opens a socket, with further lines or others. */
export function handshake(lines: readonly string[] = [], start = "GET /v1/realtime/chat HTTP/1.1"): string {
  const usual = ["host: localhost", "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", `sec-websocket-key: ${key}`];
  const names = new Set(lines.map(nameOf));
  return [start, ...usual.filter((line) => !names.has(nameOf(line))), ...lines, "", ""].join("\r\n");
}

const key = "dGhlIHNhbXBsZSBub25jZQ==";

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(":"));
}

/** What a server has said on a socket. */
export interface RawSocketSeen {
  /** The texts of its text frames. */
  readonly texts: readonly string[];
  /** The code of its close frame; undefined: it sent none. */
  readonly code: number | undefined;
}

/** A socket that is open, and says any bytes. */
export interface RawSocket {
  /** Sends bytes; settles once they are with the system. */
  send(...bytes: readonly Uint8Array[]): Promise<void>;
  /** Reads no more. */
  stopReading(): void;
  /** Reads on, and keeps nothing. */
  readOn(): void;
  /** Bytes that have come. */
  received(): number;
  readonly destroyed: boolean;
  /** What has come so far. */
  seen(): RawSocketSeen;
  leave(): void;
}

/** Opens one; the server must agree. */
export async function rawSocket(port: number, lines: readonly string[] = []): Promise<RawSocket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.write(handshake(lines));
  let bytes = Buffer.alloc(0);
  const opened = Promise.withResolvers<void>();
  let open = false;
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf("\r\n\r\n");
    if (open || end < 0) return;
    if (!bytes.toString("latin1").startsWith("HTTP/1.1 101 ")) opened.reject(new Error(bytes.toString("latin1")));
    open = true;
    bytes = bytes.subarray(end + 4);
    opened.resolve();
  });
  await opened.promise;
  return {
    send: (...frames) =>
      new Promise((resolve) => {
        if (socket.destroyed) resolve();
        else socket.write(Buffer.concat(frames), () => resolve());
      }),
    stopReading: () => void socket.pause(),
    readOn() {
      socket.removeAllListeners("data");
      socket.resume();
    },
    received: () => socket.bytesRead,
    get destroyed() {
      return socket.destroyed;
    },
    seen: () => seenIn(bytes),
    leave: () => void socket.destroy(),
  };
}

/** A server's frames are not masked, and ours of one piece. */
function seenIn(bytes: Buffer): RawSocketSeen {
  const texts: string[] = [];
  let code: number | undefined;
  for (let at = 0; at + 2 <= bytes.length;) {
    const kind = bytes.readUInt8(at) & 15;
    const short = bytes.readUInt8(at + 1);
    const size = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (at + 2 + size > bytes.length) break;
    const length = size === 2 ? bytes.readUInt16BE(at + 2) : size === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    const payload = bytes.subarray(at + 2 + size, at + 2 + size + length);
    if (kind === opcode.text) texts.push(payload.toString());
    if (kind === opcode.close) code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    at += 2 + size + length;
  }
  return { texts, code };
}
