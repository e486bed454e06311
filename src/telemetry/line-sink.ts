import { fstatSync, write, writeSync } from "node:fs";
import { Socket } from "node:net";

/** Where log lines go. */
export interface LineSink {
  /** Takes a whole line, its newline included. Never throws. */
  write(line: string): void;
  /** Starts writing what waits, without waiting for it. */
  flush(): void;
  /** Writes what waits before it returns; for the end of the process. */
  flushSync(): void;
  /** Resolves when everything taken so far is written, in order, or given up: nobody waits longer than 2 s for a reader. */
  settled(): Promise<void>;
  /** Lines lost since start: the reader went away, the disk is full, or the buffer is. */
  dropped(): number;
}

/** Characters that start a write. */
const batchMin = 4096;
/** Bytes that a pipe takes whole or not at all: PIPE_BUF, of Linux and most others; POSIX promises 512. */
const wholeMax = 4096;
/** Milliseconds a line waits at most for others. */
const waitMax = 250;
/** Characters kept for a reader that does not read; later lines are dropped. */
const pendingMax = 8 * 1024 * 1024;
/** Milliseconds between tries at a full, non-blocking pipe. */
const againMs = 10;
/** Tries of `flushSync` at one: 2 s in all, since a stuck reader must not keep the process alive. */
const againMax = 200;
/** Milliseconds that `settled` waits. */
const settleMax = 2000;

/**
 * Lines to a file descriptor, many a write, off the event loop: a slow reader of the log does not stall calls.
 * pino's own destination is not used: its flushSync never returns once the reader is gone (EPIPE), and ours runs at
 * every exit.
 */
export function createLineSink(fd: number, { isShared = false }: SinkOptions = {}): LineSink {
  return new FileSink(fd, isShared);
}

/** How to write. */
export interface SinkOptions {
  /** Whether other processes write there, too: then no write is longer than a pipe takes in one piece. Default: false. */
  readonly isShared?: boolean;
}

class FileSink implements LineSink {
  readonly #fd: number;
  readonly #isShared: boolean;
  #text = "";
  #lines = 0;
  #dropped = 0;
  #writing = false;
  #broken = false;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  /** Lines on their way. */
  #underway = 0;
  #waiters: (() => void)[] = [];

  constructor(fd: number, isShared: boolean) {
    this.#fd = fd;
    this.#isShared = isShared;
    unblock(fd);
  }

  write(line: string): void {
    if (this.#broken || this.#text.length + line.length > pendingMax) {
      this.#dropped++;
      return;
    }
    this.#text += line;
    this.#lines++;
    if (this.#text.length >= batchMin) this.flush();
    // Not unref'd: a process that ends by having nothing to do still writes its last lines.
    else this.#timer ??= setTimeout(() => this.flush(), waitMax);
  }

  flush(): void {
    if (this.#writing || this.#text === "") return;
    this.#writing = true;
    const { chunk, count } = this.#take();
    this.#underway = count;
    this.#push(chunk, 0, count);
  }

  flushSync(): void {
    while (this.#text !== "") {
      const { chunk, count } = this.#take();
      const failed = writeAll(this.#fd, chunk);
      if (failed !== undefined) this.#lose(failed, count);
    }
  }

  settled(): Promise<void> {
    this.flush();
    if (!this.#writing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#giveUp();
        resolve();
      }, settleMax);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  dropped(): number {
    return this.#dropped;
  }

  #take(): { readonly chunk: Buffer; readonly count: number } {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { end, count } = this.#isShared ? wholeLines(this.#text) : { end: this.#text.length, count: this.#lines };
    const chunk = Buffer.from(this.#text.slice(0, end));
    this.#text = this.#text.slice(end);
    this.#lines -= count;
    return { chunk, count };
  }

  #lose(code: string | undefined, count: number): void {
    this.#dropped += count;
    this.#broken ||= code === "EPIPE" || code === "EBADF";
  }

  /** The reader does not read: what waits for it is lost, and so is what comes. */
  #giveUp(): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#dropped += this.#lines + this.#underway;
    this.#text = "";
    this.#lines = 0;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
  }

  #push(chunk: Buffer, offset: number, count: number): void {
    write(this.#fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      if (isAgain(error)) {
        if (!this.#broken) this.#again = setTimeout(() => this.#push(chunk, offset, count), againMs);
        return;
      }
      if (error === null && offset + written < chunk.length) {
        this.#push(chunk, offset + written, count);
        return;
      }
      if (error !== null) this.#lose(error.code, count);
      this.#writing = false;
      if (this.#text.length >= batchMin || this.#isShared || this.#waiters.length > 0) this.flush();
      // The line before may have set it again.
      if (this.#isWriting()) return;
      for (const done of this.#waiters) done();
      this.#waiters = [];
    });
  }

  #isWriting(): boolean {
    return this.#writing;
  }
}

/**
 * Writes to a pipe or socket are not to wait for its reader: one that waits in a thread keeps the process from ever ending.
 * Node has no call for that, but does it to whatever it makes a stream of, and undoes it at exit. The stream itself stays
 * unused; its handle lives as long as the process.
 */
function unblock(fd: number): void {
  try {
    const stat = fstatSync(fd);
    if (stat.isFIFO() || stat.isSocket()) new Socket({ fd, readable: false, writable: true }).unref();
  } catch {
    // What is no descriptor, or none that Node knows, is left as it is: the first write will tell.
  }
}

/** As many of the first lines as a pipe takes in one piece, and one at least. */
function wholeLines(text: string): { readonly end: number; readonly count: number } {
  let end = 0;
  let count = 0;
  let bytes = 0;
  while (end < text.length) {
    const next = text.indexOf("\n", end) + 1 || text.length;
    bytes += Buffer.byteLength(text.slice(end, next));
    if (count > 0 && bytes > wholeMax) break;
    end = next;
    count++;
  }
  return { end, count };
}

/** Returns the error's code where it could not. */
function writeAll(fd: number, chunk: Buffer): string | undefined {
  let offset = 0;
  for (let tries = 0; offset < chunk.length;) {
    try {
      offset += writeSync(fd, chunk, offset);
      tries = 0;
    } catch (error) {
      if (!isAgain(error) || ++tries > againMax) return codeOf(error) ?? "EIO";
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, againMs);
    }
  }
  return undefined;
}

function isAgain(error: unknown): boolean {
  return codeOf(error) === "EAGAIN";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
