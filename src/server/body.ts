import { isUtf8 } from "node:buffer";
import { ChatError } from "../core/error.ts";
import type { ServerRequest } from "./listen.ts";

/**
 * Reads a request's body whole. More than `bytesMax` is REQUEST_TOO_LARGE, told by the length header before a byte is read
 * where there is one.
 */
function readBody(request: ServerRequest, bytesMax: number): Promise<Buffer> {
  const told = Number(request.headers["content-length"] ?? 0);
  if (told > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let whole = false;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        request.removeAllListeners("data");
        request.resume();
        reject(tooLarge(bytesMax));
      } else chunks.push(chunk);
    });
    request.on("end", () => {
      whole = true;
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
    });
    // "close" comes after a good end too.
    const broken = (): void => {
      if (!whole) reject(new ChatError("CANCELLED", "the caller left while it was sending"));
    };
    request.on("error", broken);
    request.on("close", broken);
  });
}

/** The body as text; a byte order mark is taken off, and bytes that are not UTF-8 are INVALID_REQUEST (RFC 8259, 8.1). */
export async function readText(request: ServerRequest, bytesMax: number): Promise<string> {
  const body = await readBody(request, bytesMax);
  if (!isUtf8(body)) throw new ChatError("INVALID_REQUEST", "the body is not valid UTF-8");
  const text = body.toString("utf8");
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

function tooLarge(bytesMax: number): ChatError {
  return new ChatError("REQUEST_TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}
