/** Every way to ask for a chat, as one table: REST, WebSocket, gRPC, gRPC-Web and Connect, whole and streamed. */
import { create } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { createParser } from "eventsource-parser";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { ChatRequestSchema, type StreamChatResponse } from "../../gen/semaroute/v1/chat_pb.ts";
import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";
import { type Answer, type Question, Refused } from "./question.ts";
import { askBySocket } from "./websocket.ts";

export { Refused } from "./question.ts";
export type { Answer, Question } from "./question.ts";

/** One way in. */
export interface DoorClient {
  readonly name: string;
  /** As logs and metrics call it. */
  readonly door: "openai" | "anthropic" | "websocket" | "grpc" | "grpc-web" | "connect";
  readonly streamed: boolean;
  /** Tells errors in the shape of its REST API, by the statuses of HTTP. */
  readonly rest: boolean;
  /** Rejects with Refused where the server said so, and with anything else where it said nothing. */
  ask(url: string, question: Question): Promise<Answer>;
}

const transports = {
  // Each call has a session of its own; it goes soon after.
  grpc: (baseUrl: string, interceptors: Interceptor[]) => createGrpcTransport({ baseUrl, interceptors, idleConnectionTimeoutMs: 500 }),
  "grpc-web": (baseUrl: string, interceptors: Interceptor[]) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors }),
  connect: (baseUrl: string, interceptors: Interceptor[]) => createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors }),
} as const satisfies Record<string, (baseUrl: string, interceptors: Interceptor[]) => Transport>;

/** A client of the data plane by one of the three protocols. */
export function routerClient(url: string, protocol: keyof typeof transports): Client<typeof RouterService> {
  return createClient(RouterService, transports[protocol](url, []));
}

const protocols = ["grpc", "grpc-web", "connect"] as const;

/** All nine. */
export const doorClients: readonly DoorClient[] = [
  { name: "REST", door: "openai", streamed: false, rest: true, ask: (url, question) => rest(url, question, false) },
  { name: "SSE", door: "openai", streamed: true, rest: true, ask: (url, question) => rest(url, question, true) },
  ...protocols.flatMap((door): DoorClient[] => [
    { name: `${door} unary`, door, streamed: false, rest: false, ask: (url, question) => rpcUnary(routerClient(url, door), question) },
    { name: `${door} stream`, door, streamed: true, rest: false, ask: (url, question) => rpcStream(routerClient(url, door), question) },
  ]),
  { name: "WebSocket", door: "websocket", streamed: true, rest: true, ask: askBySocket },
];

/** The same for embeddings, which nobody streams: the answer's text is the first vector in JSON. */
export const embedClients: readonly DoorClient[] = [
  { name: "REST embeddings", door: "openai", streamed: false, rest: true, ask: restEmbed },
  ...protocols.map((door): DoorClient => ({
    name: `${door} Embed`,
    door,
    streamed: false,
    rest: false,
    ask: (url, question) => rpcEmbed(routerClient(url, door), question),
  })),
];

/** The four that tests look at where all nine would tell the same. */
export const mainDoors = doorClients.filter(({ door }) => door === "openai" || door === "grpc");

/** The door of that name. */
export function doorClient(name: string): DoorClient {
  const found = doorClients.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no door ${name}`);
  return found;
}

/** What the door answers, if it refuses. */
export async function refusal(answer: Promise<unknown>): Promise<Refused> {
  try {
    await answer;
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown;
    throw thrown;
  }
  throw new Error("the call was answered");
}

async function restEmbed(url: string, { model, content = "hello", headers, signal }: Question): Promise<Answer> {
  const response = await fetch(`${url}/v1/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, input: content }),
    ...(signal !== undefined && { signal }),
  });
  const body = await response.text();
  const parsed = JSON.parse(body);
  if (response.status === 200) return { text: JSON.stringify(parsed.data[0].embedding), headers: response.headers };
  throw new Refused({ status: response.status, word: String(parsed.error.code), text: "", headers: response.headers, body });
}

async function rpcEmbed(client: Client<typeof RouterService>, question: Question): Promise<Answer> {
  const met = meeting(question);
  try {
    const { model, content = "hello" } = question;
    const answer = await client.embed({ model, inputs: [{ input: { case: "text", value: content } }] }, met.options);
    return { text: JSON.stringify(answer.embeddings[0]?.values), headers: met.headers() };
  } catch (thrown) {
    throw refusedFrom(thrown, "", question);
  }
}

async function rest(
  url: string,
  { model, content = "hello", temperature, headers, signal, onText }: Question,
  stream: boolean,
): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "user", content }], temperature, ...(stream && { stream }) }),
    ...(signal !== undefined && { signal }),
  });
  if (response.status === 200 && stream) return readStream(response, onText);
  const body = await response.text();
  const parsed = JSON.parse(body);
  if (response.status !== 200) {
    throw new Refused({ status: response.status, word: String(parsed.error.code), text: "", headers: response.headers, body });
  }
  return { text: parsed.choices[0].message.content, headers: response.headers };
}

async function readStream(response: Response, onText: ((text: string) => void) | undefined): Promise<Answer> {
  const { headers } = response;
  let text = "";
  let body = "";
  let done = false;
  let error: string | undefined;
  const parser = createParser({
    onEvent({ data }) {
      if (done || error !== undefined) throw new Error(`something comes after the end: ${data}`);
      if (data === "[DONE]") done = true;
      else {
        const event = JSON.parse(data);
        error = event.error?.code;
        const piece = event.choices?.[0]?.delta?.content ?? "";
        text += piece;
        if (piece !== "") onText?.(piece);
      }
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    const part = decoder.decode(bytes, { stream: true });
    body += part;
    parser.feed(part);
  }
  if (error !== undefined) throw new Refused({ status: 200, word: error, text, headers, body });
  if (!done) throw new Error(`the stream ended without [DONE] and without an error: ${body}`);
  return { text, headers };
}

function message({ model, content = "hello", temperature }: Question) {
  const sampling = temperature === undefined ? {} : { sampling: { temperature } };
  return create(ChatRequestSchema, { model, messages: [{ role: 2, text: content }], ...sampling });
}

async function rpcUnary(client: Client<typeof RouterService>, question: Question): Promise<Answer> {
  const met = meeting(question);
  try {
    const answer = await client.chat(message(question), met.options);
    const part = answer.choices[0]?.message?.content[0]?.part;
    return { text: part?.case === "text" ? part.value.text : "", headers: met.headers() };
  } catch (thrown) {
    throw refusedFrom(thrown, "", question);
  }
}

async function rpcStream(client: Client<typeof RouterService>, question: Question): Promise<Answer> {
  const met = meeting(question);
  let text = "";
  let completed = false;
  try {
    for await (const { event } of client.streamChat(message(question), met.options)) {
      const piece = textOf(event);
      text += piece;
      if (piece !== "") question.onText?.(piece);
      if (event.case === "completed") completed = true;
    }
  } catch (thrown) {
    throw refusedFrom(thrown, text, question);
  }
  if (!completed) throw new Error("the stream ended well without its last event");
  return { text, headers: met.headers() };
}

function textOf(event: StreamChatResponse["event"]): string {
  return event.case === "partDelta" && event.value.delta.case === "text" ? event.value.delta.value : "";
}

function meeting({ headers, signal }: Question) {
  const all = new Headers();
  const add = (more: Headers): void => more.forEach((value, name) => all.set(name, value));
  const options = {
    ...(headers !== undefined && { headers }),
    ...(signal !== undefined && { signal }),
    onHeader: add,
    onTrailer: add,
  };
  return { options, headers: () => all };
}

/** What the server did not say itself, such as our own leaving or a broken socket, is passed on as it is. */
function refusedFrom(thrown: unknown, text: string, { signal }: Question): unknown {
  if (!(thrown instanceof ConnectError) || signal?.aborted === true) return thrown;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  if (info === undefined) return thrown;
  const [retry] = thrown.findDetails(RetryInfoSchema);
  const retryMs = retry?.retryDelay && durationMs(retry.retryDelay);
  return new Refused({ status: thrown.code, word: info.reason, text, headers: thrown.metadata, body: thrown.rawMessage, retryMs });
}
