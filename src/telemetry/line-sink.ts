import { write, writeSync } from "node:fs";

/** Where log lines go. */
export interface LineSink {
  /** Takes a whole line, its newline included. Never throws. */
  write(line: string): void;
  /** Starts writing what waits, without waiting for it. */
  flush(): void;
  /** Writes what waits before it returns; for the end of the process. */
  flushSync(): void;
  /** Resolves when everything taken so far is written, in order. */
  settled(): Promise<void>;
  /** Lines lost since start: the reader went away, the disk is full, or the buffer is. */
  dropped(): number;
}

/** Characters that start a write. */
const batchMin = 4096;
/** Milliseconds a line waits at most for others. */
const waitMax = 250;
/** Characters kept for a reader that does not read; later lines are dropped. */
const pendingMax = 8 * 1024 * 1024;
/** Milliseconds between tries at a full, non-blocking pipe. */
const againMs = 10;
/** Tries of `flushSync` at one: 2 s in all, since a stuck reader must not keep the process alive. */
const againMax = 200;

/**
 * Lines to a file descriptor, many a write, off the event loop: a slow reader of the log does not stall calls.
 * pino's own destination is not used: its flushSync never returns once the reader is gone (EPIPE), and ours runs at
 * every exit.
 */
export function createLineSink(fd: number): LineSink {
  let text = "";
  let lines = 0;
  let dropped = 0;
  let writing = false;
  let broken = false;
  let timer: NodeJS.Timeout | undefined;
  let waiters: (() => void)[] = [];

  const take = (): { readonly chunk: Buffer; readonly count: number } => {
    clearTimeout(timer);
    timer = undefined;
    const taken = { chunk: Buffer.from(text), count: lines };
    text = "";
    lines = 0;
    return taken;
  };
  const lose = (code: string | undefined, count: number): void => {
    dropped += count;
    broken ||= code === "EPIPE" || code === "EBADF";
  };
  const start = (): void => {
    if (writing || text === "") return;
    writing = true;
    const { chunk, count } = take();
    push(chunk, 0, count);
  };
  const push = (chunk: Buffer, offset: number, count: number): void => {
    write(fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      if (isAgain(error)) {
        setTimeout(push, againMs, chunk, offset, count);
        return;
      }
      if (error === null && offset + written < chunk.length) {
        push(chunk, offset + written, count);
        return;
      }
      if (error !== null) lose(error.code, count);
      writing = false;
      if (text.length >= batchMin || waiters.length > 0) start();
      if (writing) return;
      for (const done of waiters) done();
      waiters = [];
    });
  };

  return {
    write(line) {
      if (broken || text.length + line.length > pendingMax) {
        dropped++;
        return;
      }
      text += line;
      lines++;
      if (text.length >= batchMin) start();
      // Not unref'd: a process that ends by having nothing to do still writes its last lines.
      else timer ??= setTimeout(start, waitMax);
    },
    flush: start,
    flushSync() {
      if (text === "") return;
      const { chunk, count } = take();
      const failed = writeAll(fd, chunk);
      if (failed !== undefined) lose(failed, count);
    },
    settled() {
      start();
      return writing ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve();
    },
    dropped: () => dropped,
  };
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
