import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import { requestMessage } from "../fixtures.ts";
import { ChatRequestSchema } from "../../src/core/chat.ts";
import { unaryFault } from "./verify.ts";
import type { Caller, Callers, Load } from "./words.ts";

/** Calls in flight on one HTTP/2 connection. */
const callsPerConnection = 8;

const head = {
  ":method": "POST",
  ":path": "/semaroute.v1.RouterService/Chat",
  "content-type": "application/grpc+proto",
  te: "trailers",
};

/** Callers that speak gRPC, several to a connection. */
export async function grpcCallers(load: Load): Promise<Callers> {
  const message = toBinary(ChatRequestSchema, requestMessage());
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);

  const sessions: ClientHttp2Session[] = [];
  for (let index = 0; index < Math.ceil(load.concurrency / callsPerConnection); index++) {
    const session = connect(`http://127.0.0.1:${load.port}`);
    await once(session, "connect");
    sessions.push(session);
  }
  const callers = Array.from({ length: load.concurrency }, (_, index) => callerOn(sessions[index % sessions.length], frame));
  return {
    callers,
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function callerOn(session: ClientHttp2Session | undefined, frame: Buffer): Caller {
  if (session === undefined) throw new Error("a caller needs a connection");
  return (done) => {
    const begun = performance.now();
    const stream = session.request(head);
    const parts: Buffer[] = [];
    let status = "none";
    let firstMs = 0;
    let failure: string | undefined;
    stream.on("data", (part: Buffer) => {
      if (parts.length === 0) firstMs = performance.now() - begun;
      parts.push(part);
    });
    // A call that fails at once has its status in the head ("trailers only").
    stream.on("response", (headers) => (status = String(headers["grpc-status"] ?? status)));
    stream.on("trailers", (headers) => (status = String(headers["grpc-status"] ?? status)));
    stream.on("error", (error) => (failure = error.message));
    stream.on("close", () => {
      failure ??= status === "0" ? unaryFault(Buffer.concat(parts)) : `grpc-status ${status}`;
      done({ failure, pieces: parts.length, firstMs });
    });
    stream.end(frame);
  };
}
