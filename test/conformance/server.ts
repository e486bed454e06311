/**
 * The server under test, as connectconformance starts it: one ServerCompatRequest on stdin, one ServerCompatResponse on
 * stdout, and the ConformanceService on the product's own listener until a signal.
 */
import type { Readable } from "node:stream";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { listen, type TlsFiles } from "../../src/server/listen.ts";
import { conformanceFront } from "./front.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";

const asked = fromBinary(ServerCompatRequestSchema, await readFrame(process.stdin));
const host = "127.0.0.1";
const limit = asked.messageReceiveLimit;
const handler = conformanceFront(limit > 0 ? { readMaxBytes: limit } : {});
const { port, close } = await listen({ host, port: 0, tls: tlsFrom(asked), handler });
const pemCert = asked.serverCreds?.cert ?? new Uint8Array();
process.stdout.write(framed(toBinary(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host, port, pemCert }))));
process.once("SIGTERM", () => void close().then(() => process.exit()));

function tlsFrom({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): TlsFiles | undefined {
  if (!useTls || serverCreds === undefined) return undefined;
  return {
    cert: textFrom(serverCreds.cert),
    key: textFrom(serverCreds.key),
    clientCa: clientTlsCert.length === 0 ? undefined : textFrom(clientTlsCert),
  };
}

function textFrom(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** Messages on stdin and stdout have their length before them, in four bytes, the highest first. */
async function readFrame(input: Readable): Promise<Uint8Array> {
  let seen: Buffer = Buffer.alloc(0);
  for await (const chunk of input) {
    if (Buffer.isBuffer(chunk)) seen = Buffer.concat([seen, chunk]);
    // The runner leaves the pipe open.
    if (seen.length >= 4 && seen.length >= 4 + seen.readUInt32BE()) return seen.subarray(4, 4 + seen.readUInt32BE());
  }
  throw new Error("stdin ended before a whole request");
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
