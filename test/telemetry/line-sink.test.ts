import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createLineSink, type LineSink } from "../../src/telemetry/line-sink.ts";

const folder = mkdtempSync(join(tmpdir(), "line-sink-"));
const open: number[] = [];
afterAll(() => {
  for (const fd of open) closeSync(fd);
  rmSync(folder, { recursive: true });
});

function sinkTo(path: string): LineSink {
  const fd = openSync(path, "a");
  open.push(fd);
  return createLineSink(fd);
}

test("lines arrive whole and in order, whatever their number", async () => {
  const path = join(folder, "order");
  const sink = sinkTo(path);
  const lines = Array.from({ length: 5000 }, (_, i) => `{"i":${i},"text":"späť"}\n`);
  for (const [i, line] of lines.entries()) {
    sink.write(line);
    if (i % 500 === 0) await sink.settled();
  }
  await sink.settled();
  expect(readFileSync(path, "utf8")).toBe(lines.join(""));
  expect(sink.dropped()).toBe(0);
});

test("flushSync writes before it returns", () => {
  const path = join(folder, "sync");
  const sink = sinkTo(path);
  sink.write("one\n");
  sink.write("two\n");
  sink.flushSync();
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

test("few lines wait, flush sends them", async () => {
  const path = join(folder, "flush");
  const sink = sinkTo(path);
  sink.write("one\n");
  expect(readFileSync(path, "utf8")).toBe("");
  sink.flush();
  await sink.settled();
  expect(readFileSync(path, "utf8")).toBe("one\n");
});

test("lines beyond what is kept for a slow reader are dropped and counted, and the rest is whole", async () => {
  const path = join(folder, "bound");
  const sink = sinkTo(path);
  const line = `${"x".repeat(99_999)}\n`;
  for (let i = 0; i < 200; i++) sink.write(line);
  const dropped = sink.dropped();
  expect(dropped).toBeGreaterThan(100);
  await sink.settled();
  expect(readFileSync(path, "utf8")).toBe(line.repeat(200 - dropped));
});

for (const [name, write] of [
  ["flush", async (sink: LineSink) => sink.settled()],
  ["flushSync", async (sink: LineSink) => sink.flushSync()],
] as const) {
  test(`a full disk loses lines by ${name}, counts them, and throws nothing`, async () => {
    const sink = sinkTo("/dev/full");
    sink.write("one\n");
    sink.write("two\n");
    await write(sink);
    expect(sink.dropped()).toBe(2);
    sink.write("three\n");
    await write(sink);
    expect(sink.dropped()).toBe(3);
  });
}

test("a descriptor that is closed loses lines and never throws", async () => {
  const path = join(folder, "closed");
  const fd = openSync(path, "a");
  closeSync(fd);
  const sink = createLineSink(fd);
  sink.write("one\n");
  sink.flushSync();
  sink.write("two\n");
  await sink.settled();
  expect(sink.dropped()).toBe(2);
});

/** A pipe that nobody reads until the test does; both ends are one descriptor. */
function fifo(): number {
  const path = join(folder, `fifo-${open.length}`);
  execFileSync("/usr/bin/env", ["mkfifo", path]);
  const fd = openSync(path, constants.O_RDWR);
  open.push(fd);
  return fd;
}

test("a reader that stopped reading holds nobody up at the end, and what it did not read is counted", async () => {
  const sink = createLineSink(fifo());
  const line = `${"x".repeat(999)}\n`;
  for (let i = 0; i < 1000; i++) sink.write(line);
  await sink.settled();
  // The first batch of five fits into the pipe; of the rest, not all.
  expect(sink.dropped()).toBe(995);
  sink.write("late\n");
  sink.flushSync();
  await sink.settled();
  expect(sink.dropped()).toBe(996);
});

test("a reader that is slow gets every line whole and in order", async () => {
  const fd = fifo();
  const sink = createLineSink(fd);
  const lines = Array.from({ length: 300 }, (_, i) => `${i} ${"x".repeat(1000)}\n`);
  for (const line of lines) sink.write(line);
  const done = sink.settled();
  const bytes = Buffer.alloc(Buffer.byteLength(lines.join("")));
  let read = 0;
  while (read < bytes.length) {
    try {
      read += readSync(fd, bytes, read, bytes.length - read, null);
    } catch {
      // The pipe is empty for now.
      await new Promise(setImmediate);
    }
  }
  await done;
  expect(bytes.toString()).toBe(lines.join(""));
  expect(sink.dropped()).toBe(0);
});

test("two that write to one pipe do not tear each other's lines, however slow its reader is", async () => {
  const fd = fifo();
  const sinks = ["a", "b"].map((name) => ({ name, sink: createLineSink(fd, { isShared: true }) }));
  const lineOf = (name: string, i: number): string => `${name} ${i} ${"ä".repeat(300 + (i % 7) * 50)}\n`;
  for (let i = 0; i < 400; i++) for (const { name, sink } of sinks) sink.write(lineOf(name, i));
  const done = Promise.all(sinks.map(({ sink }) => sink.settled()));
  const wanted = sinks.map(({ name }) => Array.from({ length: 400 }, (_, i) => lineOf(name, i)));
  const bytes = Buffer.alloc(Buffer.byteLength(wanted.flat().join("")));
  let read = 0;
  while (read < bytes.length) {
    try {
      read += readSync(fd, bytes, read, Math.min(3000, bytes.length - read), null);
    } catch {
      // The pipe is empty for now.
    }
    await new Promise(setImmediate);
  }
  await done;
  const lines = bytes.toString().split(/(?<=\n)/);
  expect(sinks.map(({ name }) => lines.filter((line) => line.startsWith(name)))).toEqual(wanted);
});
