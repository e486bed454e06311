import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { chatErrorFrom } from "../../core/error.ts";
import { decompressed } from "../body.ts";
import { isBytes } from "./arriving.ts";
import { refuseExcessMessage } from "./message-bounds.ts";

/** What is known of a method's messages. */
export interface Examination {
  readonly input: DescMessage;
  /** What is larger is refused by Connect, and not looked at. Bytes. */
  readonly bytesMax: number;
}

/**
 * The request with binary messages that are looked at before Connect decodes them (`refuseExcessMessage`). Connect shows
 * messages to nobody while they are bytes; so they are looked at where they come in, and passed on as they came. JSON is
 * looked at as text (`json.ts`).
 */
export function examined(request: UniversalServerRequest, examination: Examination): UniversalServerRequest {
  const { body, header } = request;
  const type = header.get("content-type")?.toLowerCase() ?? "";
  if (!isBytes(body) || type.includes("json")) return request;
  if (type.startsWith("application/proto")) {
    return { ...request, body: wholeExamined(body, { ...examination, isGzip: header.get("content-encoding") === gzip }) };
  }
  const encoding = header.get(type.startsWith("application/connect") ? "connect-content-encoding" : "grpc-encoding");
  return { ...request, body: framesExamined(body, { ...examination, isGzip: encoding === gzip }) };
}

const gzip = "gzip";

interface Coded extends Examination {
  readonly isGzip: boolean;
}

/** A body that is one message. */
async function* wholeExamined(body: AsyncIterable<Uint8Array>, { isGzip, ...examination }: Coded): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes <= examination.bytesMax) {
      chunks.push(chunk);
      continue;
    }
    yield* chunks.splice(0);
    yield chunk;
  }
  if (bytes > examination.bytesMax) return;
  const message = Buffer.concat(chunks, bytes);
  await examine(message, isGzip, examination);
  yield message;
}

/** Flags, and the length of what follows. */
const prefixBytes = 5;

/** A body of messages that say how long they are. */
async function* framesExamined(body: AsyncIterable<Uint8Array>, { isGzip, ...examination }: Coded): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  // Of the frame that comes, its prefix included.
  let wanted = prefixBytes;
  let excessive = false;
  for await (const chunk of body) {
    if (excessive) {
      yield chunk;
      continue;
    }
    pending.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < wanted) continue;
    let all = Buffer.concat(pending, bytes);
    while (all.byteLength >= prefixBytes) {
      const length = all.readUInt32BE(1);
      wanted = prefixBytes + length;
      excessive = length > examination.bytesMax;
      if (excessive || all.byteLength < wanted) break;
      const isCompressed = ((all[0] ?? 0) & 1) === 1;
      if (!isCompressed || isGzip) await examine(all.subarray(prefixBytes, wanted), isCompressed, examination);
      yield all.subarray(0, wanted);
      all = all.subarray(wanted);
      wanted = prefixBytes;
    }
    pending = excessive || all.byteLength === 0 ? [] : [all];
    bytes = excessive ? 0 : all.byteLength;
    if (excessive) yield all;
  }
  // Half a frame; Connect has a word for that, too.
  if (bytes > 0) yield Buffer.concat(pending, bytes);
}

async function examine(message: Uint8Array, isGzip: boolean, { input, bytesMax }: Examination): Promise<void> {
  const plain = isGzip ? await decompressed(message, bytesMax, gzip).catch(() => undefined) : message;
  // What cannot be unpacked, or is too large then, is Connect's to refuse.
  if (plain === undefined) return;
  try {
    refuseExcessMessage(input, plain);
  } catch (thrown) {
    throw new ConnectError(chatErrorFrom(thrown).message, Code.InvalidArgument, undefined, undefined, thrown);
  }
}
