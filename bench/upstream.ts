import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { answerBody, callerOf, chatPath, streamEvents } from "./fixtures.ts";
import { createMessageReader } from "./http1-reader.ts";
import type { Pace } from "./lockstep.ts";

/** How the upstream answers: whole, or as a stream with each event, or each ten, in a write of their own. */
export type Mode = "unary" | "one" | "burst";

/** One write of a stream. */
interface Write {
  readonly bytes: Buffer;
  /** Content events sent when this has left. */
  readonly sent: number;
}

const eventsPerWrite = { unary: 1, one: 1, burst: 10 } as const satisfies Record<Mode, number>;
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/** The upstream of every case: answers OpenAI's calls with constants and no delay, cheaply enough not to be what is measured. */
export function createUpstream(mode: Mode, pace: Pace): Server {
  const unary = whole(answerBody());
  const models = whole(JSON.stringify({ object: "list", data: [] }));
  const writes = { plain: writesOf(mode, false), usage: writesOf(mode, true) };

  return createServer({ noDelay: true }, (socket) => {
    let head = "";
    let parts: Buffer[] = [];
    const read = createMessageReader({
      onHead(text) {
        head = text;
        parts = [];
      },
      onBody(bytes) {
        if (mode !== "unary") parts.push(bytes);
      },
      onEnd() {
        if (head.startsWith("get ")) socket.write(models);
        else if (!head.startsWith(`post ${chatPath} `)) socket.write(missing);
        else if (mode === "unary") socket.write(unary);
        else {
          const body = Buffer.concat(parts).toString();
          stream(socket, body.includes('"include_usage":true') ? writes.usage : writes.plain, { pace, caller: callerOf(body) });
        }
      },
    });
    socket.on("data", read);
    socket.on("error", () => socket.destroy());
  });
}

function stream(socket: Socket, writes: readonly Write[], { pace, caller }: { pace: Pace; caller: number }): void {
  socket.write(streamHead);
  let index = 0;
  const next = (): void => {
    const write = writes[index++];
    if (write === undefined || socket.destroyed) return;
    socket.write(write.bytes);
    pace.wait(caller, write.sent, next);
  };
  next();
}

function writesOf(mode: Mode, includeUsage: boolean): Write[] {
  const [role = "", ...rest] = streamEvents(includeUsage);
  // The role comes with the first content: a router may rightly hold it back until there is content, and nobody would see it pass.
  const events = [role + (rest[0] ?? ""), ...rest.slice(1)];
  const size = eventsPerWrite[mode];
  const writes: Write[] = [];
  let sent = 0;
  for (let at = 0; at < events.length; at += size) {
    const some = events.slice(at, at + size);
    sent += some.filter((event) => event.includes('"content":" ')).length;
    // One HTTP chunk a write, so that a burst is one piece for clients that hear of chunks rather than of reads.
    const text = some.join("");
    const chunk = `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
    writes.push({ bytes: Buffer.from(at + size >= events.length ? `${chunk}0\r\n\r\n` : chunk), sent });
  }
  return writes;
}

function whole(body: string): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
