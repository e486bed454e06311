/** Requests as no client library would send them. */
import { connect as connectH2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

/** What came back. */
export interface RawAnswer {
  readonly status: number;
  /** `error.code` of REST, `code` of Connect, `grpc-status` of gRPC. */
  readonly code: string;
  /** `error.param` of REST, the reason of the others. */
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
  /** All of it, for those who look for secrets. */
  readonly text: string;
}

/** POSTs a body by HTTP/1.1. */
export async function post(url: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  const sent = Object.hasOwn(headers, "content-type") ? headers : { "content-type": "application/json", ...headers };
  const response = await fetch(url, { method: "POST", headers: sent, body: new Uint8Array(Buffer.from(body)) });
  return answerOf(response.status, Object.fromEntries(response.headers), await response.text());
}

/** Any other request by HTTP/1.1. */
export async function request(url: string, init: RequestInit): Promise<RawAnswer> {
  const response = await fetch(url, init);
  return answerOf(response.status, Object.fromEntries(response.headers), await response.text());
}

function answerOf(status: number, headers: Readonly<Record<string, string>>, text: string): RawAnswer {
  const answer = { status, headers, text: `${JSON.stringify(headers)} ${text}` };
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return { ...answer, code: headers["grpc-status"] ?? "", detail: "" };
  }
  // What streams over Connect and gRPC-Web say comes in their last frame, and is read there.
  const error = body.error ?? body;
  const info = body.details?.find((each: { type: string }) => each.type === ErrorInfoSchema.typeName);
  return { ...answer, code: String(error.code), detail: String(error.param ?? info?.debug?.reason ?? "") };
}

/** A length-prefixed message; the length may lie. */
export function frame(
  body: string | Uint8Array,
  { flags = 0, length }: { readonly flags?: number; readonly length?: number } = {},
): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(length ?? bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** One gRPC call over a connection of its own, with bytes as they are. */
export function grpc(url: string, path: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectH2(url);
    session.on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    let text = "";
    stream.on("response", (given) => (head = given));
    stream.on("trailers", (given) => (trailers = given));
    stream.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    stream.on("error", reject);
    stream.on("close", () => {
      session.destroy();
      const all = Object.fromEntries(Object.entries({ ...head, ...trailers }).map(([name, value]) => [name, String(value)]));
      resolve({
        status: Number(head[":status"]),
        code: all["grpc-status"] ?? "",
        detail: reasonOf(all["grpc-status-details-bin"]),
        headers: all,
        text: JSON.stringify(all) + text,
      });
    });
    stream.end(body);
  });
}

/** The reason in a google.rpc.Status of base64, without a parser for it; empty where there is none. */
export function reasonOf(details: string | undefined): string {
  const status = Buffer.from(details ?? "", "base64").toString("latin1");
  return /google\.rpc\.ErrorInfo\x12.{1,2}\n.([A-Z_]+)/s.exec(status)?.[1] ?? "";
}

/** Bytes on a bare socket, and all that comes back until the other side closes or has been silent for a while. */
export function raw(port: number, bytes: string | Uint8Array, silentMs = 300): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: "127.0.0.1" });
    let text = "";
    socket.setTimeout(silentMs, () => socket.destroy());
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
}

/** A ChatRequest with tool results within tool results, as no client would build it. */
export function deepToolResult(levels: number): Buffer {
  let part: Buffer = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) part = field(7, field(3, part));
  return field(2, field(2, part));
}

function field(number: number, inner: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(inner.length), inner]);
}

function varint(value: number): Buffer {
  if (value < 128) return Buffer.from([value]);
  return Buffer.concat([Buffer.from([(value % 128) + 128]), varint(Math.floor(value / 128))]);
}
