/** Calls over one HTTP/2 connection, by Node's own client and by hand. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { frame as message } from "../e2e/wire.ts";
import { data, flag, headers, post, type RawHttp2 } from "../support/raw-http2.ts";
import { bodyOf, isFramed, pathOf, type Protocol, typeOf } from "./caller-wire.ts";
import { canaries } from "./canaries.ts";

/** The header of the caller's key. */
export const auth: readonly [name: string, value: string] = ["authorization", `Bearer ${canaries.callerKey}`];

/** A session of Node's own client; it goes with its scope. */
export function sessionTo(url: string): ClientHttp2Session & Disposable {
  const made = connect(url);
  made.on("error", () => {});
  return Object.assign(made, { [Symbol.dispose]: () => made.destroy() });
}

/** A call that was begun. */
export interface Asked {
  readonly stream: ClientHttp2Stream;
  /** Resolves with what came of it: bytes, the code of a reset, gRPC's status. */
  readonly over: Promise<{ readonly bytes: number; readonly code: number; readonly status: string }>;
}

/** One call on the session, framed as its protocol has it. */
export function ask(on: ClientHttp2Session, protocol: Protocol, model: string): Asked {
  const [name, value] = auth;
  const fields = { ":method": "POST", ":path": pathOf(protocol), "content-type": typeOf(protocol), te: "trailers", [name]: value };
  const stream = on.request(fields);
  stream.on("error", () => {});
  stream.end(bytesOf(protocol, model));
  let bytes = 0;
  let status = "";
  stream.on("data", (part: Buffer) => (bytes += part.length));
  stream.on("response", (head) => (status = String(head["grpc-status"] ?? status)));
  stream.on("trailers", (trailers) => (status = String(trailers["grpc-status"] ?? status)));
  const over = new Promise<Awaited<Asked["over"]>>((resolve) => {
    stream.once("close", () => resolve({ bytes, code: stream.rstCode ?? 0, status }));
  });
  return { stream, over };
}

/** The same by hand. */
export function sendCall(peer: RawHttp2, stream: number, protocol: Protocol, model: string): void {
  const head = headers(stream, [...post(pathOf(protocol), typeOf(protocol)), auth], flag.endHeaders);
  peer.send(head, data(stream, bytesOf(protocol, model), flag.endStream));
}

/** A call by HTTP/1.1 on a socket that the test reads, or not. */
export function sendByHttp1(port: number, protocol: "REST" | "SSE", model: string): Socket {
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", () => {});
  const body = bodyOf(protocol, model);
  const lines = ["POST /v1/chat/completions HTTP/1.1", "host: localhost", auth.join(": "), "content-type: application/json"];
  socket.write([...lines, `content-length: ${body.length}`, "", body].join("\r\n"));
  return socket;
}

function bytesOf(protocol: Protocol, model: string): Buffer {
  const body = bodyOf(protocol, model);
  return isFramed(protocol) ? message(body) : Buffer.from(body);
}
