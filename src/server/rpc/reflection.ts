import { type DescExtension, type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter, type ConnectRouterOptions, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";

import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { openedKey } from "./context.ts";
import { abortError } from "./error-details.ts";

/**
 * Serves v1 and v1alpha reflection over the services given, the details of their errors, and itself; `options` where they differ
 * from the router's own.
 */
export function serveReflection(router: ConnectRouter, services: readonly DescService[], options?: ConnectRouterOptions): void {
  const index = createReflectionIndex([...services, ServerReflection, ServerReflectionAlpha]);
  const v1: ServiceImpl<typeof ServerReflection> = {
    async *serverReflectionInfo(requests, context) {
      const answer = index.session();
      for await (const request of untilAborted(requests, context))
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request.messageRequest) };
    },
  };
  // The same messages under another package: only their type names differ.
  const v1alpha: ServiceImpl<typeof ServerReflectionAlpha> = {
    async *serverReflectionInfo(requests, context) {
      const answer = index.session();
      for await (const request of untilAborted(requests, context))
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request.messageRequest) };
    },
  };
  router.service(ServerReflection, v1, options);
  router.service(ServerReflectionAlpha, v1alpha, options);
}

/** The requests, until the server goes away: Connect tells that to a method's signal, and leaves it waiting for its caller. */
async function* untilAborted<T>(requests: AsyncIterable<T>, context: HandlerContext): AsyncGenerator<T, undefined> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(abortError(context));
  // Nobody may be waiting when it comes.
  aborted.catch(() => undefined);
  context.signal.addEventListener("abort", onAbort, { once: true });
  if (context.signal.aborted) onAbort();
  const all = requests[Symbol.asyncIterator]();
  try {
    for (let next = await Promise.race([all.next(), aborted]); next.done !== true; next = await Promise.race([all.next(), aborted])) {
      context.values.set(openedKey, true);
      yield next.value;
    }
  } finally {
    context.signal.removeEventListener("abort", onAbort);
  }
}

/** A question of either version. */
type Question =
  | { readonly case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices"; readonly value: string }
  | {
      readonly case: "fileContainingExtension";
      readonly value: { readonly containingType: string; readonly extensionNumber: number };
    }
  | { readonly case: undefined; readonly value?: undefined };

/** The answer's oneof, as both versions take it. */
type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Everything that can be asked for. */
interface ReflectionIndex {
  /** Answers the questions of one stream; a file that it has sent as a dependency is not sent as one again. */
  session(): (question: Question) => Answer;
}

function createReflectionIndex(services: readonly DescService[]): ReflectionIndex {
  // By the name as it is imported; `DescFile.name` lacks the ".proto".
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const messages = new Map<string, DescMessage>();
  const extensions = new Map<string, Map<number, DescFile>>();
  const addFile = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      for (const name of symbolsOf(type)) symbols.set(name, file);
      if (type.kind === "message") messages.set(type.typeName, type);
      if (type.kind === "extension") numbersOf(extensions, type).set(type.number, file);
    }
    file.dependencies.forEach(addFile);
  };
  for (const service of services) addFile(service.file);
  // No message refers to them, and without them clients show the reason of an error as bytes.
  addFile(file_google_rpc_error_details);
  const encoded = new Map<DescFile, Uint8Array>();
  const bytesOf = (file: DescFile): Uint8Array => {
    const known = encoded.get(file);
    if (known !== undefined) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    encoded.set(file, bytes);
    return bytes;
  };
  const names = services.map((service) => ({ name: service.typeName }));

  return {
    session() {
      const sent = new Set<DescFile>();
      const answerFile = (file: DescFile | undefined, what: string): Answer => {
        if (file === undefined) return failed(Code.NotFound, `${what} is not known here`);
        return { case: "fileDescriptorResponse", value: { fileDescriptorProto: withDependencies(file, sent).map(bytesOf) } };
      };
      return (question) => {
        switch (question.case) {
          case "listServices":
            return { case: "listServicesResponse", value: { service: names } };
          case "fileByFilename":
            return answerFile(files.get(question.value), "the file");
          case "fileContainingSymbol":
            return answerFile(symbols.get(question.value), "the symbol");
          case "fileContainingExtension":
            return answerFile(extensions.get(question.value.containingType)?.get(question.value.extensionNumber), "the extension");
          case "allExtensionNumbersOfType": {
            if (!messages.has(question.value)) return failed(Code.NotFound, "the type is not known here");
            const extensionNumber = [...(extensions.get(question.value)?.keys() ?? [])].toSorted((a, b) => a - b);
            return { case: "allExtensionNumbersResponse", value: { baseTypeName: question.value, extensionNumber } };
          }
          case undefined:
            break;
        }
        return failed(Code.InvalidArgument, "the request asks nothing");
      };
    },
  };
}

/** Full names under which clients look a type up: its own, and those of its parts that have one. */
function* symbolsOf(type: ReturnType<typeof nestedTypes> extends Iterable<infer T> ? T : never): Iterable<string> {
  yield type.typeName;
  if (type.kind === "service") for (const method of type.methods) yield `${type.typeName}.${method.name}`;
  if (type.kind === "message") for (const part of [...type.fields, ...type.oneofs]) yield `${type.typeName}.${part.name}`;
  if (type.kind === "enum") {
    // Values are siblings of their enum, as in C++.
    const scope = type.typeName.slice(0, type.typeName.lastIndexOf(".") + 1);
    for (const value of type.values) yield scope + value.name;
  }
}

function numbersOf(extensions: Map<string, Map<number, DescFile>>, extension: DescExtension): Map<number, DescFile> {
  const known = extensions.get(extension.extendee.typeName);
  if (known !== undefined) return known;
  const numbers = new Map<number, DescFile>();
  extensions.set(extension.extendee.typeName, numbers);
  return numbers;
}

/** The file first, always; then those it needs that this stream has not got yet. */
function withDependencies(file: DescFile, sent: Set<DescFile>): DescFile[] {
  sent.add(file);
  const out = [file];
  const queue = [...file.dependencies];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (sent.has(next)) continue;
    sent.add(next);
    out.push(next);
    queue.push(...next.dependencies);
  }
  return out;
}

function failed(code: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: code, errorMessage } };
}
