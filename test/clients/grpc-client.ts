/** A gRPC client made of @grpc/grpc-js and @grpc/proto-loader: no generated code, nothing of ours but the .proto files. */
import { fileURLToPath } from "node:url";
import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status as codes,
} from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";

type Method = MethodDefinition<object, object>;

/** An event of a stream, by the name of its case. */
export type Event = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/** What goes with a call. */
export interface CallExtras {
  /** Metadata; an empty value takes the client's own away. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly deadline?: number;
  /** Runs beside the call. */
  readonly meanwhile?: (call: { cancel(): void }) => Promise<void>;
}

/** An answer and the metadata it came with. */
export interface Answer {
  readonly response: object;
  readonly initial: Metadata;
}

/** One channel; `which` is a method of RouterService, or any. */
export interface GrpcClient extends Disposable {
  unary(which: string | Method, request: object, extras?: CallExtras): Promise<Answer>;
  startStream(request: object): ClientReadableStream<object>;
  stream(request: object): Promise<{ readonly events: readonly Event[]; readonly initial: Metadata }>;
}

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const definitions = loadSync(
  ["semaroute/v1/router.proto", "grpc/health/v1/health.proto", "google/rpc/error_details.proto", "status.proto"],
  { includeDirs: [folder("../../proto"), folder("../../third_party"), folder(".")], enums: String, json: true, oneofs: true },
);

/** Every call carries the key. */
export function createGrpcClient(port: number, key: string, options: ChannelOptions = {}): GrpcClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  const metadataFrom = (headers: Readonly<Record<string, string>> = {}): Metadata => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ authorization: `Bearer ${key}`, ...headers })) if (value !== "") metadata.set(name, value);
    return metadata;
  };
  const startStream: GrpcClient["startStream"] = (request) => {
    const { path, requestSerialize, responseDeserialize } = method("semaroute.v1.RouterService", "StreamChat");
    return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadataFrom());
  };
  return {
    startStream,
    unary: (which, request, { headers, deadline, meanwhile } = {}) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } =
          typeof which === "string" ? method("semaroute.v1.RouterService", which) : which;
        let initial = new Metadata();
        const until = deadline === undefined ? {} : { deadline };
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadataFrom(headers),
          until,
          (error, response) => {
            if (error !== null) reject(error);
            else resolve({ response: response ?? {}, initial });
          },
        );
        call.on("metadata", (received) => {
          initial = received;
        });
        meanwhile?.(call).catch(reject);
      }),
    async stream(request) {
      const call = startStream(request);
      let initial = new Metadata();
      call.on("metadata", (received) => {
        initial = received;
      });
      const events: Event[] = [];
      for await (const event of call) events.push(event);
      return { events, initial };
    },
    [Symbol.dispose]: () => client.close(),
  };
}

/** A method of the loaded .proto files. */
export function method(service: string, name: string): Method {
  const definition = definitions[service];
  const found = definition === undefined || "format" in definition ? undefined : definition[name];
  if (found === undefined) throw new Error(`no ${service}/${name}`);
  return found;
}

/** A request with one message of the user. */
export function chat(model: string, text: string): object {
  return { model, messages: [{ role: "ROLE_USER", text }] };
}

/** What an event adds to the text. */
export function textOf(event: Event): string {
  const text = event["partDelta"]?.["text"];
  return typeof text === "string" ? text : "";
}

/** The error a call ends with; throws where it ends well. */
export async function refused(asking: Promise<unknown>): Promise<ServiceError> {
  try {
    await asking;
  } catch (thrown) {
    if (isServiceError(thrown)) return thrown;
    throw thrown;
  }
  throw new Error("this was meant to fail");
}

/** The messages in `grpc-status-details-bin`, each with its `@type`. */
export function detailsOf({ metadata }: ServiceError): readonly unknown[] {
  const [bytes] = metadata.get("grpc-status-details-bin");
  const type = definitions["google.rpc.Status"];
  if (!(bytes instanceof Buffer) || type === undefined || !("deserialize" in type) || typeof type.deserialize !== "function") return [];
  const status: unknown = type.deserialize(bytes);
  return typeof status === "object" && status !== null && "details" in status && Array.isArray(status.details) ? status.details : [];
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" && thrown.code in codes && "metadata" in thrown;
}
