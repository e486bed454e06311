/**
 * A vendor for tests: a real HTTP server on 127.0.0.1 that says what the test tells it to, when the test tells it to.
 *
 *   await using upstream = await createUpstream(async (reply) => {
 *     const sse = reply.sse();
 *     sse.data(chunk({ role: "assistant", content: "Hel" }));
 *     await more.opened;
 *     sse.data(chunk({ content: "lo" }, "stop")).done();
 *   });
 */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";

/** One request, as it arrived. */
export interface UpstreamRequest {
  readonly method: string;
  /** With the query, as it stands in the request line. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; undefined where there was no body. */
  readonly body: unknown;
  /** How its answer ended: sent whole, or with its socket, by whichever side. */
  readonly closed: Promise<"finished" | "cut">;
}

/** What a handler can do with a request; exactly one of them. Doing nothing is hanging. */
export interface UpstreamReply {
  /** A whole answer. */
  json(body: unknown, status?: number, headers?: Readonly<Record<string, string>>): void;
  /** An error answer in OpenAI's shape. */
  error(status: number, message?: string, headers?: Readonly<Record<string, string>>): void;
  /** Begins a stream of events: the head leaves at once. */
  sse(headers?: Readonly<Record<string, string>>): UpstreamSse;
  /** Breaks the connection with a TCP reset, before or in an answer. */
  reset(): void;
  /** Closes the connection in an orderly way without ending the answer. */
  cut(): void;
}

/** A stream under the test's control; each call leaves as a write of its own. */
export interface UpstreamSse {
  /** One event; strings as they are, all else as JSON. */
  data(value: unknown, eventName?: string): UpstreamSse;
  /** Bytes as they are, for broken or oddly split framing. */
  raw(text: string | Uint8Array): UpstreamSse;
  /** Likewise; settles once the socket has taken them. */
  taken(text: string | Uint8Array): Promise<void>;
  /** `data: [DONE]`, and the end. */
  done(): void;
  /** The end, without [DONE]. */
  end(): void;
}

/** Answers the n-th request, from 0. What it throws ends the connection and is rethrown by `close`. */
export type UpstreamHandler = (reply: UpstreamReply, request: UpstreamRequest, ordinal: number) => void | Promise<void>;

/** A running upstream. */
export interface Upstream extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`; OpenAI-shaped providers add `/v1`. */
  readonly url: string;
  /** All requests so far, in the order they came. */
  readonly requests: readonly UpstreamRequest[];
  /** The n-th request, from 0, once it has arrived. */
  request(ordinal: number): Promise<UpstreamRequest>;
  /** Stops listening and breaks what is open. */
  close(): Promise<void>;
}

/** Starts an upstream on a free port. */
export async function createUpstream(handler: UpstreamHandler): Promise<Upstream> {
  const requests: UpstreamRequest[] = [];
  const waiting: { readonly ordinal: number; readonly resolve: (request: UpstreamRequest) => void }[] = [];
  const bugs: unknown[] = [];

  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    // The caller may leave at any time; for a test that is an outcome, told by `closed`.
    message.on("error", () => {});
    response.on("error", () => {});
    const request = await readRequest(message, response);
    const ordinal = requests.push(request) - 1;
    for (const each of waiting) if (each.ordinal === ordinal) each.resolve(request);
    await handler(replyOn(response), request, ordinal);
  };
  const server = createServer((message, response) => {
    answer(message, response).catch((thrown: unknown) => {
      if (!message.complete) return;
      bugs.push(thrown);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the upstream has no port");

  const close = async (): Promise<void> => {
    if (server.listening) {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    }
    if (bugs.length > 0) throw bugs[0];
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    request(ordinal) {
      const arrived = requests[ordinal];
      if (arrived !== undefined) return Promise.resolve(arrived);
      return new Promise((resolve) => waiting.push({ ordinal, resolve }));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readRequest(message: IncomingMessage, response: ServerResponse): Promise<UpstreamRequest> {
  const closed = new Promise<"finished" | "cut">((resolve) => {
    response.once("close", () => resolve(response.writableFinished ? "finished" : "cut"));
  });
  let text = "";
  message.setEncoding("utf8");
  for await (const part of message) text += String(part);
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  return { method: message.method ?? "", path: message.url ?? "", headers: message.headers, body, closed };
}

function replyOn(response: ServerResponse): UpstreamReply {
  const json: UpstreamReply["json"] = (body, status = 200, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  return {
    json,
    error(status, message = `scripted ${status}`, headers) {
      json({ error: { message, type: "server_error", param: null, code: null } }, status, headers);
    },
    sse(headers = {}) {
      response.writeHead(200, { "content-type": "text/event-stream", ...headers });
      response.flushHeaders();
      return sseOn(response);
    },
    reset() {
      response.socket?.resetAndDestroy();
    },
    cut() {
      response.socket?.end();
    },
  };
}

function sseOn(response: ServerResponse): UpstreamSse {
  const sse: UpstreamSse = {
    data(value, eventName) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return sse.raw(`${eventName === undefined ? "" : `event: ${eventName}\n`}data: ${text}\n\n`);
    },
    raw(text) {
      response.write(text);
      return sse;
    },
    taken: (text) => new Promise((resolve) => response.write(text, () => resolve())),
    done() {
      sse.data("[DONE]").end();
    },
    end() {
      response.end();
    },
  };
  return sse;
}

/** A door that the test opens: handlers wait for `opened`. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/** A closed gate. */
export function createGate(): Gate {
  let resolve: (() => void) | undefined;
  const opened = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { opened, open: () => resolve?.() };
}

/** A whole OpenAI answer of one choice. */
export function completion(content: string, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    id: "chatcmpl-scripted",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "gpt-4o-mini-2024-07-18",
    choices: [{ index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
    ...more,
  };
}

/** A whole OpenAI answer of vectors, or of their base64; two tokens each. */
export function embeddings(vectors: readonly (readonly number[] | string)[], more: Readonly<Record<string, unknown>> = {}): object {
  const tokens = 2 * vectors.length;
  return {
    object: "list",
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
    model: "text-embedding-3-small",
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    ...more,
  };
}

/** One chunk of an OpenAI stream; with a finish reason it is the choice's last. */
export function chunk(
  delta: Readonly<Record<string, unknown>>,
  finishReason: string | null = null,
  more: Readonly<Record<string, unknown>> = {},
): object {
  return {
    id: "chatcmpl-scripted",
    object: "chat.completion.chunk",
    created: 1_790_000_000,
    model: "gpt-4o-mini-2024-07-18",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...more,
  };
}

/** The chunk with the usage that OpenAI sends last, without choices. */
export function usageChunk(promptTokens: number, completionTokens: number): object {
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens };
  return chunk({}, null, { choices: [], usage });
}

/** Streams a text to its good end, one chunk for each piece. */
export function streamText(reply: UpstreamReply, pieces: readonly string[]): void {
  const sse = reply.sse();
  sse.data(chunk({ role: "assistant", content: "" }));
  for (const content of pieces) sse.data(chunk({ content }));
  sse.data(chunk({}, "stop")).data(usageChunk(10, pieces.length)).done();
}
