// A gRPC client with @grpc/grpc-js and the .proto files, without generated code. Run: node examples/grpc-js.mjs
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const folder = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const definition = loadSync("semaroute/v1/router.proto", { includeDirs: [folder("proto"), folder("third_party")], enums: String });
const { RouterService } = grpc.loadPackageDefinition(definition).semaroute.v1;

const client = new RouterService(process.env.SEMAROUTE_ADDRESS ?? "127.0.0.1:8080", grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
if (process.env.SEMAROUTE_KEY) metadata.set("authorization", `Bearer ${process.env.SEMAROUTE_KEY}`);
const request = { model: "auto", messages: [{ role: "ROLE_USER", text: "Hello, router" }] };

// Every call should have a deadline: the router passes it on to the provider.
const within = (ms) => ({ deadline: Date.now() + ms });

// A whole answer.
const chat = promisify(client.chat.bind(client));
const response = await chat(request, metadata, within(30_000));
console.log(response.choices[0].message.text);
console.log(`by ${response.route.provider}, ${response.usage.totalTokens} tokens`);

// The same, token by token. Each message has exactly one event.
for await (const event of client.streamChat(request, metadata, within(30_000))) {
  if (event.partDelta) process.stdout.write(event.partDelta.text ?? "");
  if (event.completed) console.log(`\n${event.completed.usage.outputTokens} tokens out`);
}

// A failure is a status; the details are in the standard google.rpc messages.
try {
  await chat({ ...request, model: "no-such-model" }, metadata, within(5_000));
} catch (error) {
  console.log(`${grpc.status[error.code]}: ${error.details}`);
}
client.close();
