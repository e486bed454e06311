import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Agent, request } from "undici";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { ChatRequestSchema, MessageSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";

/** How a call ended, as its caller saw it. `silence` is a fault of ours: an end that says neither good nor bad. */
export type Ending = "answered" | "left" | "deadline" | "interrupted" | `refused ${string}` | `silence ${string}`;

/** A way in; one set of connections for each, as a real client has. */
export interface Way {
  readonly name: string;
  ask(question: Question): Promise<Ending>;
}

/** What is asked. */
export interface Question {
  readonly content: string;
  readonly streamed: boolean;
  /** Aborting is leaving. */
  readonly signal: AbortSignal;
  /** The caller's own deadline; undefined: none. */
  readonly timeoutMs: number | undefined;
}

/** All ways into the server at `url`, and how to close them. */
export function openWays(url: string): { readonly ways: readonly Way[]; close(): Promise<void> } {
  const agent = new Agent({ connections: 64, allowH2: false });
  const rpc = (name: string, client: Client<typeof RouterService>): Way => ({ name, ask: (question) => askRpc(client, question) });
  return {
    ways: [
      { name: "REST", ask: (question) => askRest(url, agent, question) },
      rpc("gRPC", createClient(RouterService, createGrpcTransport({ baseUrl: url, idleConnectionTimeoutMs: 5000 }))),
      rpc("gRPC-Web", createClient(RouterService, createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" }))),
      rpc("Connect", createClient(RouterService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }))),
    ],
    close: () => agent.close(),
  };
}

async function askRest(url: string, dispatcher: Agent, { content, streamed, signal, timeoutMs }: Question): Promise<Ending> {
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content }], temperature: 0, ...(streamed && { stream: true }) });
  const headers = { "content-type": "application/json", ...(timeoutMs !== undefined && { "x-semaroute-timeout-ms": String(timeoutMs) }) };
  try {
    const answer = await request(`${url}/v1/chat/completions`, { method: "POST", headers, body, dispatcher, signal });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) return ending(String(JSON.parse(text).error.code).toUpperCase());
    if (!streamed) return JSON.parse(text).choices[0].message.content === "" ? "silence empty" : "answered";
    const error = /"error":\{.*"code":"(\w+)"/.exec(text)?.[1];
    if (error !== undefined) return text.includes("[DONE]") ? "silence error-and-done" : ending(error.toUpperCase());
    return text.trimEnd().endsWith("data: [DONE]") ? "answered" : "silence cut";
  } catch (thrown) {
    if (signal.aborted) return "left";
    return `silence ${thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown)}`;
  }
}

async function askRpc(client: Client<typeof RouterService>, { content, streamed, signal, timeoutMs }: Question): Promise<Ending> {
  const message = create(ChatRequestSchema, {
    model: "m",
    messages: [create(MessageSchema, { role: 2, text: content })],
    sampling: { temperature: 0 },
  });
  const options = { signal, ...(timeoutMs !== undefined && { timeoutMs }) };
  try {
    if (!streamed) return (await client.chat(message, options)).choices.length > 0 ? "answered" : "silence empty";
    let completed = false;
    for await (const { event } of client.streamChat(message, options)) completed ||= event.case === "completed";
    return completed ? "answered" : "silence cut";
  } catch (thrown) {
    if (signal.aborted) return "left";
    if (!(thrown instanceof ConnectError)) return `silence ${String(thrown)}`;
    const [info] = thrown.findDetails(ErrorInfoSchema);
    // The client's own clock may be first.
    if (info === undefined)
      return thrown.code === Code.DeadlineExceeded ? "deadline" : `silence ${thrown.code} ${thrown.rawMessage.slice(0, 80)}`;
    return ending(info.reason);
  }
}

/** How a call ended, by the word it was told. */
export function ending(reason: string): Ending {
  if (reason === "DEADLINE_EXCEEDED") return "deadline";
  return reason === "STREAM_INTERRUPTED" ? "interrupted" : `refused ${reason}`;
}
