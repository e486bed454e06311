import { ChatError } from "../../core/error.ts";

/** Upstream headers, lower-case names. */
export type WireHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The head of an upstream answer, and its body still to be read. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: WireHeaders;
  readonly body: WireBody;
}

/** A body that is pulled: what has arrived is held up to a bound, then the socket waits. */
export interface WireBody {
  /** All chunks that came since the last call, at least one; undefined at the body's end. Rejects with a ChatError. */
  read(): Promise<readonly Buffer[] | undefined>;
  /** Everything to the end. More than `bytesMax`, or an end before its time, is UPSTREAM_PROTOCOL. */
  all(bytesMax: number): Promise<Buffer>;
  /** Closes the socket unless the body was read to its end. */
  close(): void;
}

/** Whose answer is read, in the words of a message, and how much of it. */
export interface WholeOptions {
  readonly who: string;
  readonly bytesMax: number;
}

/** `WireBody.all` for every body that can `read`. */
export async function readWhole(body: WireBody, { who, bytesMax }: WholeOptions): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for (let chunks = await body.read(); chunks !== undefined; chunks = await body.read()) {
      for (const chunk of chunks) {
        parts.push(chunk);
        bytes += chunk.length;
      }
      if (bytes > bytesMax) throw new ChatError("UPSTREAM_PROTOCOL", `the answer of ${who} is larger than ${bytesMax} bytes`);
    }
  } catch (thrown) {
    body.close();
    // A connection that breaks within an answer that was meant to be whole leaves a wrong answer, not none.
    if (!(thrown instanceof ChatError) || thrown.failure !== "UPSTREAM_UNAVAILABLE") throw thrown;
    throw new ChatError("UPSTREAM_PROTOCOL", `the answer was cut off: ${thrown.message}`, { cause: thrown });
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, bytes);
}
