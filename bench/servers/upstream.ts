// The upstream of every case: answers OpenAI calls with constants and no delay, cheaply enough not to be what is measured.
// Usage: node upstream.ts PORT unary|one|burst
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { answerBody, chatPath, streamEvents } from "../fixtures.ts";
import { createMessageReader } from "../http1-reader.ts";

/** Events of a burst; they leave in one write. */
const burst = 10;

const [port, mode] = process.argv.slice(2);
const unary = whole("application/json", answerBody());
const models = whole("application/json", JSON.stringify({ object: "list", data: [] }));
const missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const writes = { plain: writesOf(streamEvents(false)), usage: writesOf(streamEvents(true)) };

createServer({ noDelay: true }, (socket) => {
  let head = "";
  let usage = false;
  const read = createMessageReader({
    onHead(text) {
      head = text;
      usage = false;
    },
    onBody(bytes) {
      if (mode !== "unary") usage ||= bytes.includes('"include_usage":true');
    },
    onEnd() {
      if (head.startsWith("get ")) socket.write(models);
      else if (!head.startsWith(`post ${chatPath} `)) socket.write(missing);
      else if (mode === "unary") socket.write(unary);
      else stream(socket, usage ? writes.usage : writes.plain);
    },
  });
  socket.on("data", read);
  socket.on("error", () => socket.destroy());
}).listen(Number(port), "127.0.0.1");

function stream(socket: Socket, parts: readonly Buffer[]): void {
  socket.write(streamHead);
  let index = 0;
  const next = (): void => {
    const part = parts[index++];
    if (part === undefined || socket.destroyed) return;
    socket.write(part);
    // The next turn of the event loop: as soon as every other stream has had its write. A timer here would let the servers under test fall
    // asleep between events, and waking up, which costs the same for all of them, would be most of what is measured.
    setImmediate(next);
  };
  next();
}

/** What is written at each tick: one event, or a burst; the last one with the end of the chunked body. */
function writesOf(events: readonly string[]): Buffer[] {
  const size = mode === "burst" ? burst : 1;
  const parts: Buffer[] = [];
  for (let at = 0; at < events.length; at += size) {
    const chunks = events.slice(at, at + size).map((event) => `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`);
    parts.push(Buffer.from(chunks.join("") + (at + size >= events.length ? "0\r\n\r\n" : "")));
  }
  return parts;
}

function whole(type: string, body: string): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
