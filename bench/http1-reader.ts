/** Who hears of the HTTP/1.1 messages of one connection. */
export interface MessageListener {
  /** Start line and headers, lower case, without the empty line. */
  onHead(head: string): void;
  /** Bytes of the body, transfer coding taken off. */
  onBody(bytes: Buffer): void;
  /** The message is whole. */
  onEnd(): void;
}

type Place = "head" | "body" | "size" | "chunk" | "trailer";

const endOfHead = Buffer.from("\r\n\r\n");
const endOfLine = Buffer.from("\r\n");

/**
 * Splits what arrives on a connection into HTTP/1.1 messages. The bench's upstream and load generator stand on
 * this and on plain sockets, because the cheaper they are, the more of the machine is left for the server under
 * test. It knows only what well-behaved peers send: content-length, chunked, or no body.
 */
export function createMessageReader(listener: MessageListener): (bytes: Buffer) => void {
  let rest: Buffer | undefined;
  let place: Place = "head";
  let remaining = 0;

  function end(): void {
    place = "head";
    listener.onEnd();
  }

  /** Reads one element at `at`; answers where the next begins, or undefined if this one is not whole yet. */
  function step(buffer: Buffer, at: number): number | undefined {
    if (place === "body" || place === "chunk") {
      const stop = Math.min(at + remaining, buffer.length);
      remaining -= stop - at;
      listener.onBody(buffer.subarray(at, stop));
      if (remaining === 0 && place === "body") end();
      else if (remaining === 0) place = "size";
      return stop;
    }
    const mark = place === "head" ? endOfHead : endOfLine;
    const stop = buffer.indexOf(mark, at);
    if (stop === -1) return undefined;
    const line = buffer.toString("latin1", at, stop);
    if (place === "head") {
      const head = line.toLowerCase();
      listener.onHead(head);
      remaining = lengthOf(head);
      place = head.includes("transfer-encoding: chunked") ? "size" : "body";
      if (place === "body" && remaining === 0) end();
    } else if (place === "trailer") {
      if (line === "") end();
    } else if (line !== "") {
      // The empty line skipped here is the one that closes the chunk before.
      remaining = Number.parseInt(line, 16);
      place = remaining === 0 ? "trailer" : "chunk";
    }
    return stop + mark.length;
  }

  return (bytes) => {
    const buffer = rest === undefined ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    while (at < buffer.length) {
      const next = step(buffer, at);
      if (next === undefined) break;
      at = next;
    }
    rest = at < buffer.length ? buffer.subarray(at) : undefined;
  };
}

function lengthOf(head: string): number {
  const name = "\r\ncontent-length:";
  const at = head.indexOf(name);
  return at === -1 ? 0 : Number.parseInt(head.slice(at + name.length), 10);
}
