import { join } from "node:path";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** The parts of the answers that this example reads; proto-loader has no types of its own. */
export interface ChatAnswer {
  readonly choices: readonly { readonly message: { readonly text: string }; readonly finish_reason: string }[];
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number };
  readonly route: { readonly provider: string; readonly upstream_model: string };
}

/** One event of a stream, by the name in `event`. */
export interface StreamAnswer {
  readonly event: string;
  readonly part_delta?: { readonly text?: string };
  readonly completed?: { readonly usage?: ChatAnswer["usage"] };
}

/** What is asked; snake_case as in the .proto. */
export interface ChatQuestion {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly text: string }[];
  readonly max_output_tokens: number;
}

interface RouterClient {
  Chat(question: ChatQuestion, done: (error: ServiceError | null, answer: ChatAnswer) => void): void;
  StreamChat(question: ChatQuestion): ClientReadableStream<StreamAnswer>;
  close(): void;
}

/** A client of RouterService made at run time from the .proto files, as a foreign program would make it. */
export function connectRouter(address: string): RouterClient {
  const root = join(import.meta.dirname, "..", "..");
  const definition = loadSync("semaroute/v1/router.proto", {
    includeDirs: [join(root, "proto"), join(root, "third_party")],
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
    oneofs: true,
  });
  const service = definition["semaroute.v1.RouterService"];
  if (service === undefined) throw new Error("the .proto files have no RouterService");
  const loaded = loadPackageDefinition(definition);
  // Found by its path at run time, so the compiler has to be told what it is.
  const Router = (loaded as unknown as { semaroute: { v1: { RouterService: new (at: string, how: object) => RouterClient } } }).semaroute.v1
    .RouterService;
  return new Router(address, credentials.createInsecure());
}
