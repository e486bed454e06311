import { crc32 } from "node:zlib";
import { EventStreamCodec, type Message } from "@smithy/core/event-streams";
import { ChatError } from "../../core/error.ts";
import type { EventReader, OnEvent } from "./framing.ts";

/** Longest frame, in bytes. */
const frameMax = 4 * 1024 * 1024;
/** Length of the frame, length of its headers, and the checksum of these two. */
const preludeBytes = 12;
/** The prelude, and the checksum at the end. */
const frameMin = preludeBytes + 4;

/**
 * Cuts a byte stream into the frames of `application/vnd.amazon.eventstream`, wherever the chunks end. An event is told by its
 * `:event-type`, an exception by its `:exception-type`, and an error that the service does not model as `error`, with its code and
 * message as JSON.
 * https://smithy.io/2.0/aws/amazon-eventstream.html
 */
export function createEventStreamReader(onEvent: OnEvent): EventReader {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const utf8 = (bytes: Uint8Array | string): string => (typeof bytes === "string" ? bytes : decoder.decode(bytes));
  const codec = new EventStreamCodec(utf8, (text) => Buffer.from(text));
  /** What has come of frames that are not whole. */
  let held: Buffer = Buffer.alloc(0);
  /** Chunks behind `held`, joined only once they complete a frame, so that a long one costs its length and no more. */
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  /** Bytes that must be there before anything can be done. */
  let wanted = preludeBytes;
  return {
    push(chunk) {
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (held.length + waitingBytes < wanted) return;
      let bytes = Buffer.concat([held, ...waiting]);
      waiting = [];
      waitingBytes = 0;
      for (wanted = needed(bytes); bytes.length >= wanted; wanted = needed(bytes)) {
        const frame = bytes.subarray(0, wanted);
        bytes = bytes.subarray(wanted);
        tell(decoded(codec, frame), utf8, onEvent);
      }
      held = bytes;
    },
    end() {
      if (held.length + waitingBytes > 0) throw broken("the upstream's stream ended within a frame");
    },
  };
}

/** Bytes of the frame that begins here; those of a prelude, while that is not whole. */
function needed(bytes: Buffer): number {
  if (bytes.length < preludeBytes) return preludeBytes;
  // A length that is wrong would be waited for: it is checked before the frame is.
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) throw broken("a frame of the upstream's stream has a wrong checksum");
  const length = bytes.readUInt32BE(0);
  if (length > frameMax) throw broken(`a frame of the upstream's stream is longer than ${frameMax} bytes`);
  if (length < frameMin) throw broken("a frame of the upstream's stream is shorter than a frame");
  return length;
}

function decoded(codec: EventStreamCodec, frame: Buffer): Message {
  try {
    return codec.decode(frame);
  } catch (cause) {
    throw broken("a frame of the upstream's stream cannot be read", cause);
  }
}

function tell({ headers, body }: Message, utf8: (bytes: Uint8Array) => string, onEvent: OnEvent): void {
  const header = (name: string): string | undefined => {
    const value = Object.hasOwn(headers, name) ? headers[name]?.value : undefined;
    return typeof value === "string" ? value : undefined;
  };
  if (header(":message-type") === "error") {
    onEvent(JSON.stringify({ code: header(":error-code"), message: header(":error-message") }), "error");
    return;
  }
  let text: string;
  try {
    text = utf8(body);
  } catch (cause) {
    throw broken("an event of the upstream's stream is not UTF-8", cause);
  }
  onEvent(text, header(":message-type") === "exception" ? header(":exception-type") : header(":event-type"));
}

function broken(text: string, cause?: unknown): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", text, { cause });
}
