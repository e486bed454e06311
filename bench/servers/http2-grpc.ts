// Reference of case C: gRPC by hand on node:http2, making the same upstream call.
// Usage: node http2-grpc.ts PORT UPSTREAM_PORT
import { createServer } from "node:http2";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChatRequestSchema, ChatResponseSchema } from "../../src/core/chat.ts";
import { bodyFromRequest, responseFromAnswer } from "./grpc-words.ts";
import { createUpstream, joined } from "./upstream-client.ts";

/** A gRPC message is preceded by one byte of flags and four of length. */
const prefixBytes = 5;
const head = { ":status": 200, "content-type": "application/grpc+proto" };
const trailers = { "grpc-status": "0" };

const [port, upstreamPort = ""] = process.argv.slice(2);
const upstream = createUpstream(upstreamPort);

const server = createServer();
server.on("stream", (stream) => {
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("end", () => {
    const request = fromBinary(ChatRequestSchema, joined(parts).subarray(prefixBytes));
    upstream(bodyFromRequest(request), (_, answer) => {
      stream.respond(head, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end(framed(toBinary(ChatResponseSchema, responseFromAnswer(answer))));
    });
  });
});
server.listen(Number(port), "127.0.0.1");

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}
