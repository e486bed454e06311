import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

/** A queue of texts on disk: what one process leaves in it, the next one finds. It belongs to one process at a time. */
export interface Journal {
  /** At the end, in this order: all of them or none. Rejects where the disk or its own bound does not let them in. */
  append(texts: readonly string[]): Promise<void>;
  /** The first ones, so many at most; none: it is empty. They stay until they are dropped. */
  peek(max: number): Promise<readonly string[]>;
  /** Takes out what was peeked last. */
  drop(): Promise<void>;
  /** Whether something is in it, or on its way there. */
  pending(): boolean;
  /** Size of its file. */
  bytes(): number;
  close(): Promise<void>;
}

/** Where it is, and how long it may become. */
export interface JournalOptions {
  /** Absolute. */
  readonly path: string;
  /** Default 256 MiB. */
  readonly bytesMax?: number | undefined;
  /** So many texts were damaged, and are lost. Must not throw. */
  readonly onDamage: (texts: number) => void;
}

const bytesMaxDefault = 256 * 2 ** 20;
/** Read at once; a longer text takes more. */
const readBytes = 256 * 2 ** 10;
const newline = 0x0a;

/**
 * Opens it, with what is in it. Each text is a line behind its checksum, so that what a power cut tore is found. What was appended
 * outlives the process at once; like a database's log it is not forced to the disk. Never blocks: the disk is waited for elsewhere.
 */
export async function openJournal({ path, bytesMax = bytesMaxDefault, onDamage }: JournalOptions): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a+", 0o600);
  let size = await mendedSize(file);
  /** Where what is left begins. */
  let head = 0;
  let peekedBytes = 0;
  let peekedDamaged = 0;
  let waiting = 0;
  // One after the other: an end that moves and a file that is cut do not go together.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
  return {
    append(texts) {
      waiting++;
      return inTurn(async () => {
        try {
          const bytes = Buffer.from(texts.map(lineFrom).join(""));
          if (size + bytes.length > bytesMax) throw new Error("the journal is full");
          await written(file, bytes, size);
          size += bytes.length;
        } finally {
          waiting--;
        }
      });
    },
    peek: (max) =>
      inTurn(async () => {
        const part = await readLines(file, { from: head, to: size, max });
        peekedBytes = part.bytes;
        const texts = part.lines.flatMap((line) => textFrom(line) ?? []);
        peekedDamaged = part.lines.length - texts.length;
        return texts;
      }),
    drop: () =>
      inTurn(async () => {
        if (peekedDamaged > 0) onDamage(peekedDamaged);
        head += peekedBytes;
        peekedBytes = 0;
        peekedDamaged = 0;
        if (head < size) return;
        await file.truncate(0);
        head = 0;
        size = 0;
      }),
    pending: () => waiting > 0 || head < size,
    bytes: () => size,
    close: () => inTurn(() => file.close()),
  };
}

/** A line that was torn gets its end, so that it does not spoil the next one. */
async function mendedSize(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  if (size === 0) return 0;
  const { buffer } = await file.read({ buffer: Buffer.alloc(1), position: size - 1 });
  if (buffer[0] === newline) return size;
  await file.appendFile("\n");
  return size + 1;
}

/** What a full disk let in of it is taken back. */
async function written(file: FileHandle, bytes: Uint8Array, size: number): Promise<void> {
  try {
    await file.appendFile(bytes);
  } catch (cause) {
    await file.truncate(size).catch(() => undefined);
    throw cause;
  }
}

interface Part {
  readonly from: number;
  readonly to: number;
  readonly max: number;
}

/** Whole lines, `max` at most, and how many bytes they take; a line that is longer than `length` takes another try. */
async function readLines(
  file: FileHandle,
  part: Part,
  length = readBytes,
): Promise<{ readonly lines: readonly string[]; readonly bytes: number }> {
  const { from, to, max } = part;
  if (from >= to) return { lines: [], bytes: 0 };
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(Math.min(length, to - from)), position: from });
  const lines: string[] = [];
  let start = 0;
  for (let end = buffer.indexOf(newline); end >= 0 && end < bytesRead && lines.length < max; end = buffer.indexOf(newline, start)) {
    lines.push(buffer.toString("utf8", start, end));
    start = end + 1;
  }
  if (lines.length > 0) return { lines, bytes: start };
  return length < to - from ? readLines(file, part, 2 * length) : { lines: [""], bytes: to - from };
}

function lineFrom(text: string): string {
  return `${checksum(text)} ${text}\n`;
}

/** Undefined: it is damaged. */
function textFrom(line: string): string | undefined {
  const text = line.slice(9);
  return line.slice(0, 9) === `${checksum(text)} ` ? text : undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
