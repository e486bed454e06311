import { hash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompressSync } from "node:zlib";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Batch, type ChatEvent, ChatResponseSchema, EmbedResponseSchema, StreamMessageSchema } from "../../core/chat.ts";

/** Version of what is kept; also a part of every key, so that two versions side by side do not meet. */
export const entryVersion = 1;
/** Largest entry, as Redis has it. */
export const entryBytesMax = 1024 * 1024;
/** Longer ones are packed. */
const packFrom = 4096;
/** Longest that an entry can be unpacked: an answer above 1 MiB is not kept. */
const unpackedBytesMax = 4 * 1024 * 1024;
const checksumBytes = 16;
const headBytes = 2 + checksumBytes;

/** An answer on its way into Redis, or out of it. */
export interface Entry {
  /** `provider/model`. */
  readonly target: string;
  readonly batches: readonly Batch[];
  /** What it weighs in memory. */
  readonly bytes: number;
  /** The purges that were known when it was kept. */
  readonly purges: string;
  /** Milliseconds since the epoch, by the clock of whoever kept it. */
  readonly expiresWall: number;
}

const pack = promisify(zstdCompress);

/**
 * Version, packing, a checksum over the key's name and all that follows, and the answer: its batches of events, each as the message of the
 * API that it is. Undefined: too large.
 */
export async function encodeEntry(name: string, entry: Entry): Promise<Buffer | undefined> {
  const plain = written(entry);
  const packed = plain.length > packFrom ? await pack(plain) : plain;
  const isPacked = packed.length < plain.length;
  const content = isPacked ? packed : plain;
  if (headBytes + content.length > entryBytesMax) return undefined;
  const flags = isPacked ? 1 : 0;
  return Buffer.concat([Buffer.of(entryVersion, flags), checksum(name, flags, content), content]);
}

/** Undefined: it is none, is of another version, or is not what was kept under this name. */
export function decodeEntry(name: string, bytes: Buffer): Entry | undefined {
  const flags = bytes[1];
  if (bytes.length <= headBytes || bytes[0] !== entryVersion || flags === undefined || flags > 1) return undefined;
  const content = bytes.subarray(headBytes);
  if (!checksum(name, flags, content).equals(bytes.subarray(2, headBytes))) return undefined;
  try {
    return read(flags === 1 ? zstdDecompressSync(content, { maxOutputLength: unpackedBytesMax }) : content);
  } catch {
    return undefined;
  }
}

function checksum(name: string, flags: number, content: Uint8Array): Buffer {
  const head = Buffer.from(`${name}\n${flags}\n`);
  return hash("sha256", Buffer.concat([head, content]), "buffer").subarray(0, checksumBytes);
}

function written({ target, batches, bytes, purges, expiresWall }: Entry): Uint8Array {
  const writer = new BinaryWriter();
  writer.string(target).string(purges).uint64(Math.ceil(bytes)).uint64(Math.ceil(expiresWall)).uint32(batches.length);
  for (const batch of batches) {
    writer.uint32(batch.length);
    for (const event of batch) writeEvent(writer, event);
  }
  return writer.finish();
}

/** What an event is: one of a stream, a whole answer, or vectors. */
const kinds = { stream: 0, whole: 1, embedded: 2 } as const;

function writeEvent(writer: BinaryWriter, event: ChatEvent): void {
  if (event.case === "whole") writer.uint32(kinds.whole).bytes(toBinary(ChatResponseSchema, event.value));
  else if (event.case === "embedded") writer.uint32(kinds.embedded).bytes(toBinary(EmbedResponseSchema, event.value));
  else writer.uint32(kinds.stream).bytes(toBinary(StreamMessageSchema, { $typeName: "semaroute.v1.StreamChatResponse", event }));
}

function read(content: Uint8Array): Entry {
  const reader = new BinaryReader(content);
  const target = reader.string();
  const purges = reader.string();
  const bytes = Number(reader.uint64());
  const expiresWall = Number(reader.uint64());
  const batches: Batch[] = [];
  for (let left = reader.uint32(); left > 0; left -= 1) {
    const batch: ChatEvent[] = [];
    for (let events = reader.uint32(); events > 0; events -= 1) batch.push(readEvent(reader));
    batches.push(batch);
  }
  if (reader.pos !== reader.len) throw new Error("an entry is longer than what it holds");
  return { target, batches, bytes, purges, expiresWall };
}

function readEvent(reader: BinaryReader): ChatEvent {
  const kind = reader.uint32();
  const bytes = reader.bytes();
  if (kind === kinds.whole) return { case: "whole", value: fromBinary(ChatResponseSchema, bytes) };
  if (kind === kinds.embedded) return { case: "embedded", value: fromBinary(EmbedResponseSchema, bytes) };
  if (kind !== kinds.stream) throw new Error("an event of an entry is of no kind");
  const { event } = fromBinary(StreamMessageSchema, bytes);
  if (event.case === undefined) throw new Error("an event of an entry is empty");
  return event;
}
