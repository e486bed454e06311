import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import zlib from "node:zlib";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Arrivals } from "./arrivals.ts";
import type { ServerRequest } from "./listen.ts";
import { Refusal } from "./rest/refusal.ts";

/** For a request's body to come whole, from when its door begins to read. Milliseconds. */
export const bodyMs = 60_000;

/** What a body may cost. */
export interface BodyOptions {
  /** As it came, and decompressed. */
  readonly bytesMax: number;
  readonly clock: Pick<Clock, "after">;
  /** Shared by all requests. */
  readonly arrivals: Pick<Arrivals, "begin">;
}

/** The body as text; a byte order mark is taken off, and bytes that are not UTF-8 are INVALID_REQUEST (RFC 8259, 8.1). */
export async function readText(request: ServerRequest, options: BodyOptions): Promise<string> {
  const body = await readBody(request, options);
  const coding = codingOf(request.headers["content-encoding"]);
  return textFrom(coding === undefined ? body : await decompressed(body, options.bytesMax, coding));
}

/** A content coding that is understood. */
export type Coding = "gzip" | "zstd";

/** The body's content coding; undefined: none. One that is not understood, or several, is refused (415) by its name. */
export function codingOf(contentEncoding: string | undefined): Coding | undefined {
  const coding = contentEncoding?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return undefined;
  if (coding === "gzip" || coding === "zstd") return coding;
  const told = JSON.stringify(coding.slice(0, 64));
  const text = `content encoding ${told} is not supported; gzip and zstd are`;
  throw new Refusal(415, "unsupported_encoding", text, [["accept-encoding", "gzip, zstd"]]);
}

/** What was compressed, as far as it fits into `bytesMax`: a few bytes can say that they are gigabytes. */
export async function decompressed(body: Uint8Array, bytesMax: number, coding: Coding): Promise<Buffer> {
  try {
    return await decoders[coding](body, { maxOutputLength: bytesMax });
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(bytesMax);
    throw new ChatError("INVALID_REQUEST", `the body is not valid ${coding}`);
  }
}

type Decoder = (body: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const unzstd = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);
/** A frame says itself how much memory its reader needs; 8 MiB is what every encoder may count on (RFC 8878, 3.1.1.1.2). */
const zstdBounds = { [zlib.constants.ZSTD_d_windowLogMax]: 23 };

const decoders: Readonly<Record<Coding, Decoder>> = {
  gzip: promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gunzip),
  zstd: (body, options) => unzstd(body, { ...options, params: zstdBounds }),
};

/** UTF-8 without its byte order mark. */
export function textFrom(body: Buffer): string {
  if (!isUtf8(body)) throw new ChatError("INVALID_REQUEST", "the body is not valid UTF-8");
  const text = body.toString("utf8");
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/**
 * Reads a request's body whole. More than `bytesMax` is REQUEST_TOO_LARGE, told by the length header before a byte is read
 * where there is one; more than there is room for beside all others is SHED.
 */
function readBody(request: ServerRequest, { bytesMax, clock, arrivals }: BodyOptions): Promise<Buffer> {
  const told = Number(request.headers["content-length"] ?? 0);
  if (told > bytesMax) return Promise.reject(tooLarge(bytesMax));
  // While its door asked who it is: no more would be heard of it.
  if ("stream" in request ? request.stream.destroyed : request.destroyed) return Promise.reject(callerLeft());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let whole = false;
    const stop = (): void => {
      cancelTimer();
      arrival.end();
    };
    const giveUp = (error: Error): void => {
      stop();
      // Its listeners, and with them what has come, live on until the caller has sent the rest or left.
      chunks.length = 0;
      request.removeAllListeners("data");
      request.resume();
      reject(error);
    };
    const arrival = arrivals.begin((reason) => giveUp(reason));
    const cancelTimer = clock.after(bodyMs, () => {
      giveUp(new Refusal(408, "request_timeout", `the body did not arrive within ${bodyMs / 1000} s`));
    });
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      const refusal = bytes > bytesMax ? tooLarge(bytesMax) : arrival.take(chunk.length);
      if (refusal === undefined) chunks.push(chunk);
      else giveUp(refusal);
    });
    request.on("end", () => {
      whole = true;
      stop();
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
    });
    // "close" comes after a good end too.
    const broken = (): void => {
      stop();
      if (!whole) reject(callerLeft());
    };
    request.on("error", broken);
    request.on("close", broken);
  });
}

function callerLeft(): ChatError {
  return new ChatError("CANCELLED", "the caller left while it was sending");
}

function tooLarge(bytesMax: number): ChatError {
  return new ChatError("REQUEST_TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}
