/** K28: floods and lies of HTTP/2, each with the number of its kind of CVE in mind, as data. */
import {
  block,
  data,
  errorCode,
  flag,
  frame,
  headers,
  indexed,
  type RawHttp2,
  settingsFrame,
  type,
  windowUpdate,
} from "../support/raw-http2.ts";

/** One of them. */
export interface Flood {
  readonly id: string;
  readonly fault: string;
  /** Sends it; `fields` are the headers of a good call. */
  readonly send: (peer: RawHttp2, fields: readonly (readonly [string, string])[]) => Promise<void>;
  /** The connection may live on; otherwise it must be ended. */
  readonly tolerated?: true;
}

const paddedPing = Buffer.alloc(8);

/** Sends the same frames again and again, as long as there is somebody. */
async function again(peer: RawHttp2, times: number, made: (nth: number) => readonly Uint8Array[]): Promise<void> {
  for (let i = 0; i < times && !peer.socket.destroyed; i++) {
    peer.send(...made(i));
    if (i % 200 === 199) await peer.flushed();
  }
}

/** The table. */
export const floods: readonly Flood[] = [
  {
    id: "K28",
    fault: "headers that never end",
    send: async (peer, fields) => {
      peer.send(frame(type.headers, 0, 1, block(fields)));
      await again(peer, 20_000, () => [frame(type.continuation, 0, 1, block([["x-more", "y".repeat(1000)]]))]);
    },
  },
  {
    id: "K28",
    fault: "empty continuations that never end",
    send: async (peer, fields) => {
      peer.send(frame(type.headers, 0, 1, block(fields)));
      await again(peer, 200_000, () => [frame(type.continuation, 0, 1)]);
    },
  },
  {
    id: "K28",
    fault: "100,000 pings whose answers are not read",
    send: (peer) => (peer.socket.pause(), again(peer, 100_000, () => [frame(type.ping, 0, 0, paddedPing)])),
    tolerated: true,
  },
  { id: "K28", fault: "50,000 settings", send: (peer) => again(peer, 50_000, () => [settingsFrame([[3, 100]])]) },
  {
    id: "K28",
    fault: "a SETTINGS of 2,000 entries",
    send: (peer) => again(peer, 1, () => [settingsFrame(Array.from({ length: 2000 }, () => [3, 100] as const))]),
  },
  { id: "K28", fault: "more window than there can be", send: (peer) => again(peer, 2, () => [windowUpdate(0, 2 ** 31 - 1)]) },
  { id: "K28", fault: "a window update of nothing", send: (peer) => again(peer, 1, () => [windowUpdate(0, 0)]) },
  {
    id: "K28",
    fault: "100,000 priorities",
    send: (peer) => again(peer, 100_000, (i) => [frame(type.priority, 0, 2 * (i % 1000) + 1, Buffer.from([0, 0, 0, 0, 16]))]),
    tolerated: true,
  },
  {
    id: "K28",
    fault: "100,000 empty pieces of data",
    send: async (peer, fields) => {
      peer.send(headers(1, fields, flag.endHeaders));
      await again(peer, 100_000, () => [data(1, Buffer.alloc(0))]);
    },
  },
  {
    id: "K28",
    fault: "a header of 4 KiB told a thousand times in one byte each",
    send: (peer, fields) =>
      again(peer, 1, () => [
        frame(
          type.headers,
          flag.endHeaders | flag.endStream,
          1,
          Buffer.concat([block(fields), indexed("x-bomb", "b".repeat(3900)), Buffer.alloc(1000, 0xbe)]),
        ),
      ]),
    tolerated: true,
  },
  {
    id: "K28",
    fault: "headers that are no HPACK",
    send: (peer) => again(peer, 1, () => [frame(type.headers, flag.endHeaders, 1, Buffer.alloc(40, 0xff))]),
  },
  { id: "K28", fault: "a frame longer than allowed", send: (peer) => again(peer, 1, () => [frame(type.data, 0, 1, Buffer.alloc(20_000))]) },
  { id: "K28", fault: "data on no stream", send: (peer) => again(peer, 1, () => [data(0, Buffer.alloc(5))]) },
  { id: "K28", fault: "data on a stream that was never opened", send: (peer) => again(peer, 1, () => [data(7, Buffer.alloc(5))]) },
  { id: "K28", fault: "headers on a stream that is ours", send: (peer, fields) => again(peer, 1, () => [headers(2, fields)]) },
  {
    id: "K28",
    fault: "50,000 frames of a type that nobody knows",
    send: (peer) => again(peer, 50_000, () => [frame(0xfa, 0, 0, paddedPing)]),
    tolerated: true,
  },
  { id: "K28", fault: "a ping of seven bytes", send: (peer) => again(peer, 1, () => [frame(type.ping, 0, 0, Buffer.alloc(7))]) },
  {
    id: "K28",
    fault: "a GOAWAY, and streams after it",
    send: (peer, fields) =>
      again(peer, 1, () => [frame(type.goaway, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, errorCode.none])), headers(1, fields)]),
    tolerated: true,
  },
];
