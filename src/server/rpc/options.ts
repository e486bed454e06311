import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouterOptions } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
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

/** Largest message of the control plane: a policy. Bytes. */
const adminBytesMax = 2 ** 20;
/** Largest message of health and reflection, which answer without a key: a name. Bytes. */
const openBytesMax = 64 * 1024;

const bytesMaxOf: ReadonlyMap<string, number> = new Map([
  [AdminService.typeName, adminBytesMax],
  ...[Health, ServerReflection, ServerReflectionAlpha].map(({ typeName }) => [typeName, openBytesMax] as const),
]);

/** Largest message that a service takes, decompressed, where a request may have `bodyMax` bytes. */
export function messageBytesMax(service: DescService, bodyMax: number): number {
  return Math.min(bodyMax, bytesMaxOf.get(service.typeName) ?? bodyMax);
}

/** What all services have in common, whatever they do: the protocols' conformance is tested with a service that is not ours. */
export function rpcOptions({ gate, readMaxBytes }: RpcRules) {
  return {
    requestGate(context) {
      encodeMessagesByTheBook(context.responseTrailer);
      return gate(context);
    },
    jsonOptions: callerJson,
    // Nobody looks at fields that we do not know.
    binaryOptions: { readUnknownFields: false },
    readMaxBytes,
    writeMaxBytes: writeBytesMax,
    // Callers may compress what they send; what we send is not compressed, for that costs more than it saves on a stream of tokens.
    acceptCompression: [compressionGzip],
    compressMinBytes: writeBytesMax,
  } satisfies ConnectRouterOptions;
}
