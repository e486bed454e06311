/**
 * HTTP/2 by hand, for what no client library would send: frames as bytes (RFC 9113), and what comes back as frames.
 *
 *   using raw = await rawHttp2(port);
 *   raw.send(headers(1, get("/health")), frame(type.ping, 0, 0, Buffer.alloc(8)));
 *   expect(goaway(await raw.until(isGoaway)).code).toBe(errorCode.enhanceYourCalm);
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Frame types. */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Frame flags. */
export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

/** Codes of RST_STREAM and GOAWAY. */
export const errorCode = { none: 0, protocol: 1, internal: 2, flowControl: 3, refusedStream: 7, cancel: 8, enhanceYourCalm: 11 } as const;

/** What every client says first. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A frame that came. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A connection under the test's control. */
export interface RawHttp2 extends Disposable {
  readonly socket: Socket;
  /** All that came so far. */
  readonly frames: readonly Frame[];
  send(...frames: readonly Uint8Array[]): void;
  /** Settles when the kernel has taken all that was sent, or the connection is gone. */
  flushed(): Promise<void>;
  /** The first frame for which it is true, once it has come; rejects when the connection ends without it. */
  until(isIt: (frame: Frame) => boolean): Promise<Frame>;
  /** Resolves when the connection has ended, in whatever way. */
  readonly closed: Promise<void>;
  /** Pings until the answer comes: everything sent before has been read by then. */
  settled(): Promise<void>;
}

/** Connects, and sends the preface with our settings: identifier and value. */
export async function rawHttp2(port: number, settings: readonly (readonly [id: number, value: number])[] = []): Promise<RawHttp2> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  const frames: Frame[] = [];
  const looking = new Set<() => void>();
  let gone = false;
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3);
      frames.push({
        type: rest.readUInt8(3),
        flags: rest.readUInt8(4),
        stream: rest.readUInt32BE(5) % 2 ** 31,
        payload: Buffer.from(rest.subarray(9, 9 + length)),
      });
      rest = rest.subarray(9 + length);
    }
    for (const look of looking) look();
  });
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      gone = true;
      for (const look of looking) look();
      resolve();
    });
  });
  await once(socket, "connect");
  let pings = 0;
  const raw: RawHttp2 = {
    socket,
    frames,
    closed,
    send(...bytes) {
      if (!socket.destroyed) socket.write(Buffer.concat(bytes));
    },
    async flushed() {
      if (socket.writableNeedDrain) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
    },
    until: (isIt) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = frames.find(isIt);
          if (found === undefined && !gone) return;
          looking.delete(look);
          if (found === undefined)
            reject(new Error(`the connection ended after frames of types ${frames.map((each) => each.type).join(" ")}`));
          else resolve(found);
        };
        looking.add(look);
        look();
      }),
    async settled() {
      const payload = Buffer.alloc(8);
      payload.writeUInt32BE(++pings);
      raw.send(frame(type.ping, 0, 0, payload));
      await raw.until((each) => each.type === type.ping && each.flags === flag.ack && each.payload.equals(payload));
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
  raw.send(preface, settingsFrame(settings));
  return raw;
}

/** One frame; `length` may lie about the payload's. */
export function frame(kind: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0), length = payload.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** SETTINGS with these values. */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[] = []): Buffer {
  return frame(
    type.settings,
    0,
    0,
    Buffer.concat(
      settings.map(([id, value]) => {
        const entry = Buffer.alloc(6);
        entry.writeUInt16BE(id);
        entry.writeUInt32BE(value, 2);
        return entry;
      }),
    ),
  );
}

/** HEADERS that are whole, and by default end the request. */
export function headers(
  stream: number,
  fields: readonly (readonly [string, string])[],
  flags: number = flag.endHeaders | flag.endStream,
): Buffer {
  return frame(type.headers, flags, stream, block(fields));
}

/** DATA. */
export function data(stream: number, payload: Uint8Array, flags = 0): Buffer {
  return frame(type.data, flags, stream, payload);
}

/** RST_STREAM, by default as a caller who leaves. */
export function rstStream(stream: number, code: number = errorCode.cancel): Buffer {
  return frame(type.rstStream, 0, stream, word(code));
}

/** WINDOW_UPDATE; on stream 0 for the connection. */
export function windowUpdate(stream: number, bytes: number): Buffer {
  return frame(type.windowUpdate, 0, stream, word(bytes));
}

/** HPACK, in its plainest form: each field a literal without indexing and without Huffman (RFC 7541, 6.2.2). */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** A literal that enters the dynamic table (RFC 7541, 6.2.1); as the newest, its index is 62. */
export function indexed(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
}

/** The pseudo-headers of a GET. */
export function get(path: string): [string, string][] {
  return [
    [":method", "GET"],
    [":scheme", "http"],
    [":authority", "localhost"],
    [":path", path],
  ];
}

/** The headers of a POST. */
export function post(path: string, contentType: string): [string, string][] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", "localhost"],
    [":path", path],
    ["content-type", contentType],
    ["te", "trailers"],
  ];
}

/** Whether it is the server's goodbye. */
export function isGoaway(each: Frame): boolean {
  return each.type === type.goaway;
}

/** What a GOAWAY says. */
export function goaway({ payload }: Frame): { readonly lastStream: number; readonly code: number } {
  return { lastStream: payload.readUInt32BE(0) % 2 ** 31, code: payload.readUInt32BE(4) };
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A length of seven bits and more (RFC 7541, 5.1), and the text. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
  length.push(left);
  return Buffer.concat([Buffer.from(length), bytes]);
}
