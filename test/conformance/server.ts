/**
 * The server under test, as connectconformance starts it: one ServerCompatRequest on stdin, one ServerCompatResponse on
 * stdout, and the ConformanceService on the product's own listener until a signal.
 */
import { buffer } from "node:stream/consumers";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { listen, type TlsFiles } from "../../src/server/listen.ts";
import { conformanceFront } from "./front.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";

/** Longer than the whole suite takes. */
const lifeMs = 300_000;

const asked = fromBinary(ServerCompatRequestSchema, unframed(await buffer(process.stdin)));
const host = "127.0.0.1";
const limit = asked.messageReceiveLimit;
const handler = conformanceFront(limit > 0 ? { readMaxBytes: limit } : {});
const listener = await listen({ host, port: 0, tls: tlsFrom(asked), handler });
const pemCert = asked.serverCreds?.cert ?? new Uint8Array();
process.stdout.write(
  framed(toBinary(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host, port: listener.port, pemCert }))),
);
// The runner ends what it starts by a signal; one that was ended itself cannot.
setTimeout(() => process.exit(1), lifeMs).unref();
process.once("SIGTERM", () => void listener.close().then(() => process.exit()));

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
function unframed(bytes: Buffer): Uint8Array {
  return bytes.subarray(4, 4 + bytes.readUInt32BE());
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
