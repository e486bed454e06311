/** Frames of `application/vnd.amazon.eventstream`, written by the specification alone. */
import { crc32 } from "node:zlib";

/** One frame; the headers are strings. */
export function frame(headers: Readonly<Record<string, string>>, payload: string | Uint8Array): Buffer {
  const head = Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => {
      const text = Buffer.from(value);
      const lengths = Buffer.from([7, text.length >> 8, text.length & 0xff]);
      return [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), lengths, text];
    }),
  );
  const body = Buffer.from(payload);
  const out = Buffer.alloc(16 + head.length + body.length);
  out.writeUInt32BE(out.length, 0);
  out.writeUInt32BE(head.length, 4);
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8);
  head.copy(out, 12);
  body.copy(out, 12 + head.length);
  out.writeUInt32BE(crc32(out.subarray(0, out.length - 4)), out.length - 4);
  return out;
}

/** An event of a service. */
export function eventFrame(type: string, payload: unknown): Buffer {
  return frame({ ":event-type": type, ":content-type": "application/json", ":message-type": "event" }, JSON.stringify(payload));
}

/** An exception of a service. */
export function exceptionFrame(type: string, message: string): Buffer {
  return frame({ ":exception-type": type, ":content-type": "application/json", ":message-type": "exception" }, JSON.stringify({ message }));
}
