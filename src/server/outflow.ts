import type { ServerResponse } from "./listen.ts";

/** Bytes that are handed over at once. A reader that takes so much within `Bounds.readerStallMs` is only slow. */
const pieceBytes = 16 * 1024;

/**
 * Writes, never much ahead of the reader; a promise only where there is something to wait for. Nothing is written to a
 * caller who has left, and nobody waits for him.
 */
export function write(response: ServerResponse, bytes: Uint8Array | string): Promise<void> | undefined {
  if (bytes.length > pieceBytes) return writePieces(response, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  if (isGone(response)) return undefined;
  return outOf(response).write(bytes) ? undefined : drained(response);
}

/** The answer's last bytes, and its end. */
export async function endWith(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  await writePieces(response, bytes);
  if (!isGone(response)) response.end();
}

/** Whether an answer is too long to be handed over at once. */
export function isLong(length: number): boolean {
  return length > pieceBytes;
}

async function writePieces(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length && !isGone(response); at += pieceBytes) {
    if (!outOf(response).write(bytes.subarray(at, at + pieceBytes))) await drained(response);
  }
}

/** Until there is room again, or nobody left to read. Whichever comes, both listeners go: a slow reader makes many such waits. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.removeListener("drain", go);
      response.removeListener("close", go);
      resolve();
    };
    response.on("drain", go);
    response.on("close", go);
  });
}

/** Over HTTP/2 it is the stream that knows: what was written to an answer whose stream is gone would never be drained. */
export function isGone(response: ServerResponse): boolean {
  return response.writableEnded || ("stream" in response ? response.stream.destroyed : response.destroyed);
}

/** The two classes of answers agree on `write`, but their overloads do not unite. */
function outOf(response: ServerResponse): NodeJS.WritableStream {
  return response;
}
