import { connect } from "node:net";
import { once } from "node:events";
import type { Socket } from "node:net";
import { chatPath, requestBody } from "../fixtures.ts";
import { createMessageReader } from "../http1-reader.ts";
import type { Lockstep } from "../lockstep.ts";
import type { Caller, Callers, CallOutcome, Load } from "./words.ts";
import { streamFault, unaryFault } from "./verify.ts";

const contentMark = Buffer.from('"content":" word');

/** Callers that speak HTTP/1.1 on a kept-alive connection each, and tell the lockstep of every content event they see. */
export async function restCallers(load: Load, lockstep: Lockstep | undefined): Promise<Callers> {
  const sockets: Socket[] = [];
  const callers: Caller[] = [];
  for (let index = 0; index < load.concurrency; index++) {
    const socket = connect({ port: load.port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    sockets.push(socket);
    callers.push(callerOn(socket, load, { caller: index, lockstep }));
  }
  return {
    callers,
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function callerOn(socket: Socket, load: Load, { caller, lockstep }: { caller: number; lockstep: Lockstep | undefined }): Caller {
  const request = requestBytes(load, caller);
  let waiting: ((outcome: CallOutcome) => void) | undefined;
  let head = "";
  let parts: Buffer[] = [];
  let begun = 0;
  let firstMs = 0;

  function finish(failure: string | undefined): void {
    const done = waiting;
    waiting = undefined;
    done?.({ failure, pieces: parts.length, firstMs });
  }

  const read = createMessageReader({
    onHead(text) {
      head = text;
    },
    onBody(bytes) {
      parts.push(bytes);
      if (firstMs === 0 && (!load.streamed || bytes.includes(contentMark))) firstMs = performance.now() - begun;
      lockstep?.seen(caller, count(bytes));
    },
    onEnd() {
      finish(faultOf(head, parts, load));
    },
  });
  socket.on("data", read);
  socket.on("error", (error) => finish(error.message));
  socket.on("close", () => finish("the connection was closed"));

  return (done) => {
    waiting = done;
    parts = [];
    firstMs = 0;
    lockstep?.begin(caller);
    begun = performance.now();
    if (socket.destroyed) setImmediate(finish, "the connection was closed");
    else socket.write(request);
  };
}

function faultOf(head: string, parts: readonly Buffer[], load: Load): string | undefined {
  const body = Buffer.concat(parts);
  if (!head.startsWith("http/1.1 200 ")) return `${head.slice(0, 40)} ${body.toString().slice(0, 300)}`;
  if (!head.includes(load.headContains)) return `the head has no ${load.headContains}: ${head}`;
  return load.streamed ? streamFault(body.toString()) : unaryFault(body);
}

/** Content events that begin in these bytes. Servers write events whole, and one write of these sizes is not torn apart on loopback. */
function count(bytes: Buffer): number {
  let contents = 0;
  for (let at = bytes.indexOf(contentMark); at !== -1; at = bytes.indexOf(contentMark, at + contentMark.length)) contents++;
  return contents;
}

function requestBytes(load: Load, caller: number): Buffer {
  const body = requestBody({ ...load, caller });
  const headers = { host: `127.0.0.1:${load.port}`, "content-type": "application/json", ...load.headers };
  const lines = Object.entries({ ...headers, "content-length": Buffer.byteLength(body) }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${chatPath} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}
