import { ChatError } from "../core/error.ts";
import type { ServerRequest } from "./listen.ts";

/**
 * Reads a request's body whole. More than `bytesMax` is REQUEST_TOO_LARGE, told by the length header before a byte is read
 * where there is one.
 */
export function readBody(request: ServerRequest, bytesMax: number): Promise<Buffer> {
  const told = Number(request.headers["content-length"] ?? 0);
  if (told > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        request.removeAllListeners("data");
        request.resume();
        reject(tooLarge(bytesMax));
      } else chunks.push(chunk);
    });
    request.on("end", () => {
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
    });
    const broken = (): void => {
      reject(new ChatError("CANCELLED", "the caller left while it was sending"));
    };
    request.on("error", broken);
    request.on("aborted", broken);
    request.on("close", broken);
  });
}

function tooLarge(bytesMax: number): ChatError {
  return new ChatError("REQUEST_TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}
