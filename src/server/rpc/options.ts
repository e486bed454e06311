import type { ConnectRouterOptions } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { encodeMessagesByTheBook, type RequestGate } from "./error-details.ts";
import { callerJson } from "./json.ts";

/** What services may differ in. */
export interface RpcRules {
  /** Who may come in. */
  readonly gate: RequestGate;
  /** Largest message we take, decompressed. Bytes. */
  readonly readMaxBytes: number;
}

/** Largest message we write: a whole answer as one. */
const writeBytesMax = 128 * 1024 * 1024;

/** What all services have in common, whatever they do: the protocols' conformance is tested with a service that is not ours. */
export function rpcOptions({ gate, readMaxBytes }: RpcRules) {
  return {
    requestGate(context) {
      encodeMessagesByTheBook(context.responseTrailer);
      return gate(context);
    },
    jsonOptions: callerJson,
    readMaxBytes,
    writeMaxBytes: writeBytesMax,
    // Callers may compress what they send; what we send is not compressed, for that costs more than it saves on a stream of tokens.
    acceptCompression: [compressionGzip],
    compressMinBytes: writeBytesMax,
  } satisfies ConnectRouterOptions;
}
