// A typed client with Connect and the generated messages; the same code runs in a browser with @connectrpc/connect-web.
// Run: node examples/connect-node.mjs
import process from "node:process";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { Role } from "../gen/semaroute/v1/chat_pb.ts";
import { RouterService } from "../gen/semaroute/v1/router_pb.ts";

const baseUrl = process.env.SEMAROUTE_URL ?? "http://127.0.0.1:8080";
const client = createClient(RouterService, createConnectTransport({ baseUrl, httpVersion: "2" }));
const headers = process.env.SEMAROUTE_KEY ? { authorization: `Bearer ${process.env.SEMAROUTE_KEY}` } : {};
const request = { model: "auto", messages: [{ role: Role.USER, text: "Hello, router" }] };

// A whole answer.
const response = await client.chat(request, { headers, timeoutMs: 30_000 });
console.log(response.choices[0]?.message?.text);
console.log(`by ${response.route?.provider}, ${response.usage?.totalTokens} tokens`);

// The same, token by token.
for await (const { event } of client.streamChat(request, { headers, timeoutMs: 30_000 })) {
  if (event.case === "partDelta" && event.value.delta.case === "text") process.stdout.write(event.value.delta.value);
  if (event.case === "completed") console.log(`\n${event.value.usage?.outputTokens} tokens out`);
}

// A dry run: who would be asked, in which order and why.
const { candidates } = await client.explain({ request }, { headers });
for (const { rank, provider, upstreamModel, score } of candidates)
  console.log(`${rank}. ${provider}/${upstreamModel}: ${score.toFixed(3)}`);

// A failure is a ConnectError with a code.
try {
  await client.chat({ ...request, model: "no-such-model" }, { headers });
} catch (error) {
  console.log(`${Code[ConnectError.from(error).code]}: ${ConnectError.from(error).rawMessage}`);
}
