// Peer of case C: the official gRPC library for Node, with the same messages and the same upstream call.
// Usage: node grpc-js.ts PORT UPSTREAM_PORT
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChatRequestSchema, ChatResponseSchema } from "../../src/core/chat.ts";
import type { ChatRequest, ChatResponse } from "../../src/core/chat.ts";
import { bodyFromRequest, responseFromAnswer } from "./grpc-words.ts";
import { createUpstream } from "./upstream-client.ts";

const [port, upstreamPort = ""] = process.argv.slice(2);
const upstream = createUpstream(upstreamPort);

const chat = {
  path: "/semaroute.v1.RouterService/Chat",
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: ChatRequest) => Buffer.from(toBinary(ChatRequestSchema, message)),
  requestDeserialize: (bytes: Buffer) => fromBinary(ChatRequestSchema, bytes),
  responseSerialize: (message: ChatResponse) => Buffer.from(toBinary(ChatResponseSchema, message)),
  responseDeserialize: (bytes: Buffer) => fromBinary(ChatResponseSchema, bytes),
};

const server = new Server();
server.addService(
  { chat },
  {
    chat(call: ServerUnaryCall<ChatRequest, ChatResponse>, done: sendUnaryData<ChatResponse>) {
      upstream(bodyFromRequest(call.request), (_, answer) => done(null, responseFromAnswer(answer)));
    },
  },
);
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
